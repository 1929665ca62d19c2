import fc from 'fast-check'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../testing.ts'
import type { Command } from './command.ts'
import { envelopeOf } from './envelope.ts'
import { COMMANDS } from './registry.ts'
import { type ApiServer, createApiServer } from './server.ts'

let controller: TestController
let server: ApiServer
let ids: readonly string[]
const internal: string[] = []

beforeAll(async () => {
  controller = await startController()
  const ground = await makeGround(controller)
  ids = Object.values(ground).flat()
  const listen = { host: '127.0.0.1', port: 0 }
  const error = (fields: object) => void internal.push(JSON.stringify(fields))
  const log = { debug: () => {}, info: () => {}, error }
  const { system } = controller
  server = await createApiServer({ system, listen, integrationListen: listen, log, metrics: new Registry() })
})
afterAll(async () => {
  await server.close()
  await controller.stop()
})

/** Requests of an administrator, so that nothing is refused for want of rights before it is read. */
const REQUESTS = 2500
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

function requestOf(command: Command): fc.Arbitrary<readonly (readonly [string, string])[]> {
  const names = [...Object.keys(command.params), 'page', 'pagesize', 'response', 'nosuchparameter']
  const pair = fc.constantFrom(...names).chain((name) => fc.tuple(nameOf(name), valueOf))
  return fc.array(pair, { maxLength: 6 })
}

/** What no answer may hold: traces, paths, statements, addresses of the machine's parts, secrets. */
function leaks(text: string): boolean {
  const secrets = [controller.simulator.password, controller.keys.secretKey]
  return (
    /\bat \S+ \(|\.ts:\d+|node_modules|node:internal|ECONN|\/work\/|postgres:|syntax error|duplicate key|violates|\bselect .* from\b/i.test(
      text,
    ) || secrets.some((secret) => text.includes(secret))
  )
}

test('whatever is asked, the answer is one envelope with a code of CloudStack, without a fault inside and without a leak', async () => {
  const request = fc
    .constantFrom(...COMMANDS)
    .chain((command) => fc.tuple(fc.constant(command), requestOf(command), fc.boolean()))
  const ask = async ([command, pairs, real]: readonly [Command, readonly (readonly [string, string])[], boolean]) => {
    const text = pairs.map(([name, value]) => {
      // `#n`: an id of something that is there.
      const id = /^#(\d+)$/.exec(value)
      const given = id ? (ids[Number(id[1]) % ids.length] ?? '') : value
      return `${encodeURIComponent(name)}=${encodeURIComponent(given.toWellFormed())}`
    })
    const base = real ? server.integrationUrl : server.url
    const response = await fetch(`${base}/client/api`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: [`command=${command.name}`, ...text].join('&'),
    })
    const body = await response.text()
    const envelope = Object.entries(JSON.parse(body) as object) // Any object: what it holds is checked here.
    expect(envelope).toHaveLength(1)
    expect([envelopeOf(command), 'errorresponse']).toContain(envelope[0]?.[0])
    expect([200, 401, 430, 431, 432, 531, 532, 533, 534, 535, 536], body + internal.join('\n')).toContain(
      response.status,
    )
    expect(leaks(body + (response.headers.get('x-description') ?? '')), body).toBe(false)
    if (response.status !== 200) expect(envelope[0]?.[1]).toMatchObject({ errorcode: response.status })
  }
  await fc.assert(fc.asyncProperty(request, ask), { numRuns: REQUESTS })
  expect(internal).toEqual([])
})
