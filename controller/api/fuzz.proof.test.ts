import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../testing.ts'
import type { Command } from './command.ts'
import { envelopeOf } from './envelope.ts'
import { COMMANDS } from './registry.ts'
import { type ApiServer, createApiServer } from './server.ts'
import { entitiesOf, type Known, neededBy } from './testing.ts'

let controller: TestController
let server: ApiServer
let known: Known
const internal: string[] = []

beforeAll(async () => {
  controller = await startController()
  const ground = await makeGround(controller)
  known = await entitiesOf(controller, ground)
  const listen = { host: '127.0.0.1', port: 0 }
  const error = (fields: object) => void internal.push(JSON.stringify(fields))
  const log = { debug: () => {}, info: () => {}, error }
  const { system } = controller
  server = await createApiServer({ system, listen, integrationListen: listen, log })
})
afterAll(async () => {
  await server.close()
  await controller.stop()
})

/** Requests of an administrator, so that nothing is refused for want of rights before it is read. */
const REQUESTS = Number(process.env['MOORAGE_FUZZ_REQUESTS'] ?? 1500)
/** Requests at one time, in the mean. */
const BESIDE = 8
const NASTY = [
  '',
  ' ',
  '-1',
  '0',
  '1',
  '2147483648',
  '9'.repeat(40),
  '1e309',
  'NaN',
  'null',
  '\0',
  '\uD800',
  "';--",
  '%',
  '%00',
]
const MORE = [
  '../../etc/passwd',
  'file:///etc/shadow',
  '${7*7}',
  '<b>',
  'true',
  'TRUE',
  '[]',
  '{}',
  'ROOT',
  '__proto__',
  'é漢💥',
  'x'.repeat(70_000),
]

const valueOf = fc.oneof(
  fc.constantFrom(...NASTY, ...MORE),
  fc.string({ maxLength: 30 }),
  fc.nat().map((n) => `#${n}`),
)
const nameOf = (name: string) =>
  fc.constantFrom(
    name,
    name.toUpperCase(),
    `${name}[0].key`,
    `${name}[0].value`,
    `${name}[1].a`,
    `${name}[x]`,
    '__proto__',
    'constructor',
  )

function requestOf(command: Command): fc.Arbitrary<Pairs> {
  const names = [...Object.keys(command.params), 'page', 'pagesize', 'response', 'nosuchparameter']
  const pair = fc.constantFrom(...names).chain((name) => fc.tuple(nameOf(name), valueOf))
  return fc.array(pair, { maxLength: 6 })
}

const CODES = new Set([200, 401, 430, 431, 432, 531, 532, 533, 534, 535, 536])

/** What no answer may hold: traces, paths, statements, addresses of the machine's parts, secrets. */
function leaks(text: string, command: Command): boolean {
  const shows = command.response.key === 'userkeys'
  const root = path.resolve(import.meta.dirname, '../..')
  const secrets = [root, controller.simulator.password, ...(shows ? [] : [controller.keys.secretKey])]
  return (
    /\bat \S+ \(|\.ts:\d+|node_modules|node:internal|ECONN|postgres:|syntax error|duplicate key|violates|\bselect .* from\b/i.test(
      text,
    ) || secrets.some((secret) => text.includes(secret))
  )
}

interface Asked {
  readonly name: string
  readonly pairs: Pairs
  readonly manner: (typeof MANNERS)[number]
}
type Pairs = readonly (readonly [name: string, value: string])[]
/** Nobody's; with sound values for what is required before or after the others, of which the first ones hold. */
const MANNERS = ['nobody', 'sound first', 'sound first', 'sound last'] as const

function bodyOf(command: Command, pairs: Pairs, manner: (typeof MANNERS)[number]): string {
  const ids = Object.values(known)
  const sound = Object.entries(neededBy(command, known)).map(([name, value]) => [name, String(value)] as const)
  const all = manner === 'sound first' ? [...sound, ...pairs] : [...pairs, ...sound]
  const encoded = all.map(([name, value]) => {
    // `#n`: an id of something that is there.
    const id = /^#(\d+)$/.exec(value)
    const given = id ? (ids[Number(id[1]) % ids.length] ?? '') : value
    return `${encodeURIComponent(name)}=${encodeURIComponent(given.toWellFormed())}`
  })
  return [`command=${command.name}`, ...encoded].join('&')
}

test('whatever is asked, the answer is one envelope with a code of CloudStack, without a fault inside and without a leak', async () => {
  const request = fc
    .constantFrom(...COMMANDS)
    .chain((command) =>
      fc.record({ name: fc.constant(command.name), pairs: requestOf(command), manner: fc.constantFrom(...MANNERS) }),
    )
  const ask = async ({ name, pairs, manner }: Asked) => {
    const command = COMMANDS.find((one) => one.name === name) ?? expect.fail(name)
    const base = manner === 'nobody' ? server.url : server.integrationUrl
    const response = await fetch(`${base}/client/api`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: bodyOf(command, pairs, manner),
    })
    const body = await response.text()
    const envelope = Object.entries(JSON.parse(body) as object) // Any object: what it holds is checked here.
    expect(envelope).toHaveLength(1)
    expect([envelopeOf(command), 'errorresponse']).toContain(envelope[0]?.[0])
    const seen = { status: response.status, body, internal: [...internal] }
    if (!CODES.has(response.status) || leaks(body + (response.headers.get('x-description') ?? ''), command))
      expect.fail(JSON.stringify(seen))
    if (response.status !== 200) expect(envelope[0]?.[1]).toMatchObject({ errorcode: response.status })
  }
  const asking = fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 2 * BESIDE }), async (some) => {
    await Promise.all(some.map(ask))
  })
  await fc.assert(asking, { numRuns: Math.ceil(REQUESTS / BESIDE) })
  expect(internal).toEqual([])
  // Each request may submit operations, which run beside the others.
}, 300_000)
