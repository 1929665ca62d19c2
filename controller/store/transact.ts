import { setTimeout as pause } from 'node:timers/promises'
import type { Reader, Tx } from './store.ts'

/**
 * Of those who collide at least one gets through each time, so that time and patience is what it takes: a number of
 * attempts would be used up soonest where most collide.
 */
const PATIENCE_MS = 20_000
const LONGEST_PAUSE_MS = 500

/** After so many attempts that could not be serialized a transaction is repeated with none of its kind beside it. */
const TOGETHER = 3

/**
 * Runs `work` in one transaction and commits. What the database could not serialize (40001) or broke a deadlock of
 * (40P01) is run again, after a growing pause with full jitter, for up to 20 s; every other error ends it at once. Those
 * that failed several times are repeated one after the other, so that they cannot keep each other from it for ever.
 */
export async function transact<Result>(reader: Reader, work: (tx: Tx) => Promise<Result>): Promise<Result> {
  const once = async () => {
    const then: (() => void)[] = []
    const result = await reader.transaction().execute((tx) => {
      FOLLOWING.set(tx, then)
      return work(tx)
    })
    for (const what of then) what()
    return result
  }
  return await serialized((attempt) => (attempt <= TOGETHER ? once() : inTurn(once)))
}

let turn: Promise<unknown> = Promise.resolve()

/** Runs what is asked for one after the other. */
function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const mine = turn.then(work)
  turn = mine.catch(() => {})
  return mine
}

/** Repeats `work`, of which nothing remains when it fails, as `transact` does; it gets the number of its attempt, from 1. */
export async function serialized<Result>(work: (attempt: number) => Promise<Result>): Promise<Result> {
  const began = performance.now()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt)
    } catch (error) {
      if (!isSerializationFailure(error) || performance.now() - began > PATIENCE_MS) throw error
      await pause(Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** attempt))
    }
  }
}

const FOLLOWING = new WeakMap<Tx, (() => void)[]>()

/**
 * Has `what`, which must not throw, called once the transaction has committed. Not called when it is rolled back, nor when
 * the answer to its commit is lost: for hints only. Answers whether the transaction is one of `transact`: of others nobody
 * knows the end.
 */
export function afterCommit(tx: Tx, what: () => void): boolean {
  const then = FOLLOWING.get(tx)
  then?.push(what)
  return then !== undefined
}

/** Whether the database asks for the transaction to be repeated. */
function isSerializationFailure(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01'
}

/**
 * Whether the database could not be reached or would not work just now, so that the same write may be repeated later. Its
 * outcome is unknown: repeat only what recognises its own work.
 */
export function isUnavailable(error: unknown): boolean {
  if (isSerializationFailure(error)) return true
  const code = codeOf(error)
  if (code !== undefined) return /^(08|53|57P0|25006|25P03|55P03|58)/.test(code) || CONNECTION_ERRORS.has(code)
  return (
    error instanceof Error &&
    /Connection terminated|timeout exceeded when trying to connect|not queryable/.test(error.message)
  )
}

const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** SQLSTATE or errno of whatever was thrown. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
