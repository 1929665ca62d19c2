import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { Call, Endpoint, SettingSpec } from '@moorage/contract'
import type { Audit } from './audit.ts'
import { refused } from './check.ts'
import { NotApplicable } from './runner.ts'

/** What plug-ins of all kinds have in common, with an endpoint under which they can be opened. */
export interface Opened<Bound extends object> {
  readonly plugin: {
    readonly contract: 1
    readonly name: string
    readonly title: string
    readonly schemes: readonly string[]
    readonly settings: readonly SettingSpec[]
    open(endpoint: Endpoint): Bound | Promise<Bound>
  }
  readonly endpoint: Endpoint
}

/** Fails unless every facet that is there has all of its methods: a capability is a facet that can be called. */
export function checkMethods<Bound extends object>(
  bound: Bound,
  methods: { readonly [Facet in keyof Bound]?: readonly string[] },
): void {
  for (const [name, wanted] of Object.entries<readonly string[] | undefined>(methods)) {
    const facet: unknown = Reflect.get(bound, name)
    if (typeof facet !== 'object' || facet === null) continue
    for (const method of wanted ?? []) {
      assert.ok(method in facet, `facet ${name} is there and has no method ${method}`)
    }
  }
}

/** Fails unless the plug-in names itself, its schemes and its settings as the API can show them. */
export function checkNames({ plugin }: Opened<object>): void {
  assert.equal(plugin.contract, 1)
  assert.match(plugin.name, /^[a-z][a-z0-9-]*$/)
  assert.ok(plugin.title.length > 0 && plugin.schemes.length > 0)
  checkSettings(plugin.settings)
}

/** Fails unless settings have names that survive CloudStack's API, which folds the case of `details`. */
export function checkSettings(settings: readonly SettingSpec[]): void {
  for (const { name, title, description, type } of settings) {
    assert.match(name, /^[a-z][a-z0-9]*$/, 'names of settings')
    if (/password|passphrase|secret/.test(name)) assert.equal(type, 'secret', `${name} is shown to whoever lists pools`)
    assert.ok(title.length > 0 && description.length > 0, `${name} has no title or no description`)
  }
}

/** Fails unless `open` refuses to do without any of its required settings, and names the one that is missing. */
export async function checkRequiredSettings({ plugin, endpoint }: Opened<object>, audit: Audit): Promise<void> {
  const required = plugin.settings.filter((setting) => setting.required)
  if (required.length === 0) throw new NotApplicable('the plug-in requires no setting')
  for (const { name } of required) {
    const settings = Object.fromEntries(Object.entries(endpoint.settings).filter(([key]) => key !== name))
    const error = await refused(
      attempt(() => plugin.open({ ...endpoint, settings })),
      'INVALID',
    )
    audit.look('open', error)
    assert.ok(error.message.includes(name), `"${error.message}" does not name ${name}`)
  }
}

/** Fails unless `open` refuses urls that are none of its own. */
export async function checkUrls({ plugin, endpoint }: Opened<object>, audit: Audit): Promise<void> {
  for (const url of ['', 'nonsense', 'nonsense://127.0.0.1:1/pool']) {
    const error = await refused(
      attempt(() => plugin.open({ ...endpoint, url })),
      'INVALID',
    )
    audit.look('open', error)
  }
}

/** Fails when `open` speaks to its back end: it is called where nobody may wait. */
export async function checkNoIo({ plugin, endpoint }: Opened<object>): Promise<void> {
  const peers: (number | undefined)[] = []
  const listener = createServer((socket) => {
    peers.push(socket.remotePort)
    socket.destroy()
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  try {
    const { port } = listener.address() as AddressInfo // It listens on TCP.
    await plugin.open({ ...endpoint, url: withAuthority(endpoint.url, `127.0.0.1:${port}`) })
    await new Promise(setImmediate)
    // Connections are accepted in the order in which they came: after this one, none of `open` can be on its way.
    const last = connect(port, '127.0.0.1')
    await once(last, 'connect')
    const own = last.localPort
    while (!peers.includes(own)) await new Promise(setImmediate)
    assert.deepEqual(peers, [own], 'connections that open made')
    last.destroy()
  } finally {
    listener.close()
  }
}

/** Fails unless a wrong secret is found out by `report` and refused as `DENIED`. */
export async function checkWrongSecret<Bound extends object>(
  { plugin, endpoint }: Opened<Bound>,
  options: { readonly audit: Audit; readonly report: (bound: Bound) => Promise<unknown> },
): Promise<void> {
  const secret = plugin.settings.find((setting) => setting.type === 'secret' && setting.required)
  if (!secret) throw new NotApplicable('the plug-in requires no secret')
  const wrong = 'not-the-secret-4711'
  options.audit.keepSecret(wrong)
  const settings = { ...endpoint.settings, [secret.name]: wrong }
  await refused(options.report(options.audit.watch(await plugin.open({ ...endpoint, settings }))), 'DENIED')
}

/** Fails unless a back end that is not there is reported as `UNAVAILABLE` or `TIMEOUT`, soon, and with effect `none`. */
export async function checkUnreachable<Bound extends object>(
  { plugin, endpoint }: Opened<Bound>,
  options: { readonly call: () => Call; readonly report: (bound: Bound, call: Call) => Promise<unknown> },
): Promise<void> {
  // Port 1 of the loopback address: reserved (tcpmux), and served by nobody.
  const url = withAuthority(endpoint.url, '127.0.0.1:1')
  const bound = await plugin.open({ ...endpoint, url })
  const began = Date.now()
  await refused(options.report(bound, options.call()), ['UNAVAILABLE', 'TIMEOUT'])
  assert.ok(Date.now() - began < 10_000, 'it took more than 10 s to say so')
}

/** The url with another `host:port`. Not applicable where it names none. */
export function withAuthority(url: string, authority: string): string {
  const at = /^([a-z][a-z0-9+.-]*:\/\/)[^/]+(.*)$/i.exec(url)
  if (!at) throw new NotApplicable('the url names no host')
  return `${at[1] ?? ''}${authority}${at[2] ?? ''}`
}

async function attempt(open: () => object | Promise<object>): Promise<object> {
  return open()
}
