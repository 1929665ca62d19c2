import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Effect, FAILURES, type FailureCode, type Id, type Page, PluginError } from '@moorage/contract'

const DAY_MS = 24 * 3_600_000

/** A fresh id of any kind. */
export function newId<Kind extends string>(): Id<Kind> {
  return randomUUID() as Id<Kind> // A random UUID is a valid id of whatever kind it is used for.
}

/** Fails unless the promise is refused with one of the codes and, by default, effect `none`. Answers the error. */
export async function refused(
  promise: Promise<unknown>,
  codes: FailureCode | readonly FailureCode[],
  effect: Effect = 'none',
): Promise<PluginError> {
  const accepted: readonly FailureCode[] = typeof codes === 'string' ? [codes] : codes
  const error = await failureOf(promise)
  assert.ok(error, `expected ${accepted.join(' or ')}, but the call succeeded`)
  assert.ok(accepted.includes(error.code), `expected ${accepted.join(' or ')}, got ${error.code}: ${error.message}`)
  assert.equal(error.effect, effect, `effect of ${error.code}`)
  return error
}

/** The `PluginError` with which a promise is refused; `undefined` when it is kept. Fails on any other error. */
export async function failureOf(promise: Promise<unknown>): Promise<PluginError | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    if (error instanceof PluginError) return error
    throw new assert.AssertionError({ message: `threw something else than a PluginError: ${String(error)}` })
  }
}

/** Fails unless the I/O is refused, in whatever way initiators report it. */
export async function ioRefused(io: Promise<unknown>, what: string): Promise<void> {
  const outcome = await io.then(
    () => 'passed',
    () => 'refused',
  )
  assert.equal(outcome, 'refused', what)
}

const MOST_PAGES = 10_000

/** True for a failure after which one may ask again. */
export function isUnsettled({ code }: PluginError): boolean {
  return FAILURES[code].retry === 'later'
}

/** All items of a paged listing. Fails when a page comes again or the listing does not end. */
export async function allPages<Item>(
  list: (cursor: string | undefined) => Promise<Page<Item>>,
): Promise<readonly Item[]> {
  const items: Item[] = []
  const seen = new Set<string>()
  let cursor: string | undefined
  do {
    const page = await list(cursor)
    items.push(...page.items)
    cursor = page.next
    assert.ok(cursor === undefined || !seen.has(cursor), `the listing came back to cursor ${cursor}`)
    if (cursor !== undefined) seen.add(cursor)
    assert.ok(seen.size < MOST_PAGES, `the listing has no end within ${MOST_PAGES} pages`)
  } while (cursor !== undefined)
  return items
}

/** Reads a refusal that nobody asked about as what it is: the plug-in did not do what it must. */
export async function notRefused(run: Promise<void>): Promise<void> {
  try {
    await run
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    throw new assert.AssertionError({ message: `refused, which it must not be: ${error.code}: ${error.message}` })
  }
}

/** Waits until the condition holds, at most `withinMs`; fails with `what` otherwise. */
export async function eventually(what: string, withinMs: number, condition: () => Promise<boolean>): Promise<void> {
  assert.ok(await comes(withinMs, condition), `${what}: not within ${withinMs} ms`)
}

/** Waits until the condition holds, at most `withinMs`; says whether it does. */
export async function comes(withinMs: number, condition: () => Promise<boolean>): Promise<boolean> {
  const until = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() >= until) return false
    await pause(10)
  }
  return true
}

/** Fails with `what` unless the condition holds, again and again, for `forMs`. */
export async function stays(what: string, forMs: number, condition: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + forMs
  do {
    assert.ok(await condition(), what)
    await pause(25)
  } while (Date.now() < until)
}

/** Fails unless the number is a time in epoch milliseconds, give or take a clock that is a day off. */
export function isRecent(at: number | undefined, what: string): void {
  if (at === undefined) return
  assert.ok(Number.isSafeInteger(at) && Math.abs(at - Date.now()) < DAY_MS, `${what} is ${at}, now is ${Date.now()}`)
}

/** Fails unless the number is a count of bytes or operations. */
export function isCount(n: number, what: string): void {
  assert.ok(Number.isSafeInteger(n) && n >= 0, `${what} is ${n}`)
}

/** Bytes that follow from a seed and look like nothing else: the same seed gives the same bytes (xorshift32, word by word). */
export function pattern(seed: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}

/** Fails unless both runs of bytes are equal, naming the first offset that differs. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`)
  if (Buffer.compare(actual, expected) === 0) return
  const at = actual.findIndex((byte, index) => byte !== expected[index])
  assert.equal(at, -1, `${what}: bytes differ from offset ${at} on`)
}
