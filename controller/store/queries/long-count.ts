import type { Compilable } from 'kysely'
import type { Reader } from '../store.ts'

/** From how many rows on a count is told again; and for how long: at least, at most, and as many times as long as counting took. */
const LONG = 50_000
const TOLD_AGAIN_MS = 1000
const LONGEST_MS = 10_000
const TIMES = 20

/** A query that counts. */
export type Counting = Compilable & { executeTakeFirstOrThrow(): Promise<{ readonly n: number }> }

interface Counted {
  readonly n: number
  readonly until: number
  /** Somebody counts anew. */
  readonly renewing: boolean
}

const counts = new WeakMap<Reader, Map<string, Counted>>()

/**
 * How many rows a query counts. Counting a million takes a tenth of a second of a processor, and every page of a list
 * tells the whole length: so a count of 50,000 and more is told again for a second, or for twenty times as long as it took, up to ten
 * seconds, and while one who asks counts anew: counting takes a twentieth of the database's time at most. Fewer are counted each time. `now`: a clock in milliseconds.
 */
export async function longCount(
  reader: Reader,
  query: Counting,
  { now = () => performance.now() }: { readonly now?: () => number } = {},
): Promise<number> {
  const kept = counts.get(reader) ?? new Map<string, Counted>()
  counts.set(reader, kept)
  const { sql, parameters } = query.compile()
  const key = JSON.stringify([sql, parameters])
  const known = kept.get(key)
  if (known && (known.renewing || now() < known.until)) return known.n
  if (known) kept.set(key, { ...known, renewing: true })
  const began = now()
  try {
    const { n } = await query.executeTakeFirstOrThrow()
    const told = Math.min(LONGEST_MS, Math.max(TOLD_AGAIN_MS, TIMES * (now() - began)))
    if (n >= LONG) keep(kept, key, { n, until: now() + told, renewing: false, now: now() })
    else kept.delete(key)
    return n
  } catch (error) {
    kept.delete(key)
    throw error
  }
}

/** Filters are as many as callers think of: those that nobody asks for any more are forgotten. */
function keep(kept: Map<string, Counted>, key: string, { now, ...counted }: Counted & { readonly now: number }): void {
  for (const [old, { until, renewing }] of kept) if (!renewing && now > until) kept.delete(old)
  kept.set(key, counted)
}
