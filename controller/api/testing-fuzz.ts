import path from 'node:path'
import fc from 'fast-check'
import type { Command } from './command.ts'
import { envelopeOf } from './envelope.ts'
import { COMMANDS } from './registry.ts'
import { type Known, neededBy } from './testing.ts'

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

/** Nobody's; with sound values for what is required before or after the others, of which the first ones hold. */
const MANNERS = ['nobody', 'sound first', 'sound first', 'sound last'] as const

type Pairs = readonly (readonly [name: string, value: string])[]

/** A request to be made: of a command, with what beside or instead of sound values, by whom. */
export interface Asked {
  readonly name: string
  readonly pairs: Pairs
  readonly manner: (typeof MANNERS)[number]
}

/** Any request of any command. Those that are not nobody's are for the integration port: nothing is refused for want of rights. */
export const anyRequest: fc.Arbitrary<Asked> = fc
  .constantFrom(...COMMANDS)
  .chain((command) =>
    fc.record({ name: fc.constant(command.name), pairs: requestOf(command), manner: fc.constantFrom(...MANNERS) }),
  )

const CODES = new Set([200, 401, 430, 431, 432, 531, 532, 533, 534, 535, 536])

/** Where requests are made, and what must not come back. */
export interface FuzzTarget {
  readonly url: string
  readonly integrationUrl: string
  /** Ids of something that is there. */
  readonly known: Known
  /** What no answer may hold. `secretKey` but where it is asked for. */
  readonly secrets: { readonly password: string; readonly secretKey: string }
}

/** Makes one request; answers what is wrong with what came back: `undefined` when nothing is. */
export async function faultOf(target: FuzzTarget, asked: Asked): Promise<string | undefined> {
  const command = COMMANDS.find((one) => one.name === asked.name)
  if (!command) throw new Error(`there is no command ${asked.name}`)
  const base = asked.manner === 'nobody' ? target.url : target.integrationUrl
  const response = await fetch(`${base}/client/api`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: bodyOf(command, asked, target.known),
  })
  const body = await response.text()
  const [envelope, ...others] = Object.entries(JSON.parse(body) as object) // Any object: what it holds is checked here.
  const seen = `${asked.name} ${asked.manner} ${JSON.stringify(asked.pairs).slice(0, 500)}: ${response.status} ${body.slice(0, 2000)}`
  if (others.length > 0 || ![envelopeOf(command), 'errorresponse'].includes(envelope?.[0] ?? ''))
    return `not one envelope: ${seen}`
  if (!CODES.has(response.status)) return `no code of CloudStack: ${seen}`
  if (leaks(body + (response.headers.get('x-description') ?? ''), command, target)) return `a leak: ${seen}`
  const inside: unknown = envelope?.[1]
  const code = typeof inside === 'object' && inside !== null && 'errorcode' in inside ? inside.errorcode : undefined
  if (response.status !== 200 && code !== response.status) return `another code inside: ${seen}`
  return undefined
}

/** What no answer may hold: traces, paths, statements, addresses of the machine's parts, secrets. */
function leaks(text: string, command: Command, { secrets }: FuzzTarget): boolean {
  const shows = command.response.key === 'userkeys'
  const root = path.resolve(import.meta.dirname, '../..')
  const hidden = [root, secrets.password, ...(shows ? [] : [secrets.secretKey])]
  const traces =
    /\bat \S+ \(|\.ts:\d+|node_modules|node:internal|\bECONN|postgres:|syntax error|duplicate key|violates|\bselect .* from\b/i
  return traces.test(text) || hidden.some((secret) => text.includes(secret))
}

function bodyOf(command: Command, { pairs, manner }: Asked, known: Known): string {
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
