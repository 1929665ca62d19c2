import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Pair, Received } from './received.ts'

/**
 * Whether `signature` is CloudStack's for the request: base64 of HMAC-SHA1, under the user's secret key, of the lower-cased
 * `name=value&...` of all parameters but the signature, sorted by name. Clients differ in how they sort and encode, and
 * some sign another encoding than they send; every form below stands for the same content, so any of them will do.
 * Each is compared in a time that does not depend on the bytes.
 */
export function isSigned(received: Received, secretKey: string, signature: string): boolean {
  // In a query a raw plus sign arrives as a space.
  const given = Buffer.from(signature.replaceAll(' ', '+'))
  const signed = received.filter((pair) => pair.name.toLowerCase() !== 'signature')
  for (const form of formsOf(signed)) {
    const right = Buffer.from(createHmac('sha1', secretKey).update(form.toLowerCase()).digest('base64'))
    if (right.length === given.length && timingSafeEqual(right, given)) return true
  }
  return false
}

type Sort = (one: string, other: string) => number
const compare: Sort = (one, other) => (one < other ? -1 : Number(one > other))
/** By bare name, as the reference does; by lower-cased name, as Marvin and Libcloud do. */
const SORTS: readonly Sort[] = [compare, (one, other) => compare(one.toLowerCase(), other.toLowerCase())]

/** What clients leave bare besides letters, digits, `-`, `_` and `.`: each escapes some of these and not the others. */
const BARE = ['', '[]'].flatMap((brackets) =>
  ['', "!'()"].flatMap((marks) => ['*~', '*', '~', ''].map((rest) => brackets + marks + rest)),
)

/** Lazily, the likelier first: as it was received; values encoded in each way under bare names; the same, names encoded. */
function* formsOf(signed: Received): Generator<string> {
  for (const sort of SORTS) {
    yield join(
      signed.toSorted((one, other) => sort(one.name, other.name)),
      {
        name: (pair) => pair.rawName.replaceAll('+', '%20'),
        value: (pair) => pair.rawValue.replaceAll('+', '%20'),
      },
    )
  }
  // Of a parameter sent twice the reference knows only the first.
  const once = signed.filter((pair, at) => signed.findIndex(({ name }) => name === pair.name) === at)
  const sorted = SORTS.map((sort) => once.toSorted((one, other) => sort(one.name, other.name)))
  for (const encodesName of [false, true]) {
    for (const bare of BARE) {
      const encode = encoder(bare)
      const name = encodesName ? (pair: Pair) => encode(pair.name) : (pair: Pair) => pair.name
      for (const pairs of sorted) yield join(pairs, { name, value: (pair) => encode(pair.value) })
    }
  }
}

function join(
  pairs: Received,
  part: { readonly name: (pair: Pair) => string; readonly value: (pair: Pair) => string },
): string {
  return pairs.map((pair) => `${part.name(pair)}=${part.value(pair)}`).join('&')
}

/** Percent-encoding that leaves letters, digits, `-`, `_`, `.` and the given characters. */
function encoder(bare: string): (text: string) => string {
  const escape = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  return (text) =>
    encodeURIComponent(text)
      .replaceAll(/[!'()*~]/g, (character) => (bare.includes(character) ? character : escape(character)))
      .replaceAll(/%5B|%5D/g, (escaped) => (bare.includes('[') ? decodeURIComponent(escaped) : escaped))
}

/**
 * Whether a request that asks for signature version 3 is still in time; `true` for others, which never expire.
 * `expires` is `yyyy-MM-dd'T'HH:mm:ss` with `+0000`, `+00:00` or `Z`; anything else has expired.
 */
export function isInTime(
  given: { readonly version: string | undefined; readonly expires: string | undefined },
  now: number,
): boolean {
  if (given.version !== '3') return true
  const [, time, offset] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)( ?[+-]?\d\d:?\d\d|Z)$/.exec(given.expires ?? '') ?? []
  if (time === undefined || offset === undefined) return false
  const sign = /^[ +-]/.test(offset) ? offset : `+${offset}`
  const normal = offset === 'Z' ? 'Z' : sign.replace(/^ \+?/, '+').replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')
  return Date.parse(time + normal) >= now
}
