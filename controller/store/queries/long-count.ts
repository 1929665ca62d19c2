import type { Compilable } from 'kysely'
import type { Reader } from '../store.ts'

/** From how many rows on a count is told again, and for how long. */
const LONG = 50_000
const TOLD_AGAIN_MS = 1000

/** A query that counts. */
export type Counting = Compilable & { executeTakeFirstOrThrow(): Promise<{ readonly n: number }> }

interface Counted {
  readonly n: number
  readonly at: number
  /** Somebody counts anew. */
  readonly renewing: boolean
}

const counts = new WeakMap<Reader, Map<string, Counted>>()

/**
 * How many rows a query counts. Counting a million takes a tenth of a second of a processor, and every page of a list
 * tells the whole length: so a count of 50,000 and more is told again for a second, and while one who asks counts anew.
 * Fewer are counted each time. `now`: a clock in milliseconds.
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
  if (known && (known.renewing || now() - known.at < TOLD_AGAIN_MS)) return known.n
  if (known) kept.set(key, { ...known, renewing: true })
  try {
    const { n } = await query.executeTakeFirstOrThrow()
    if (n >= LONG) keep(kept, key, { n, at: now(), renewing: false })
    else kept.delete(key)
    return n
  } catch (error) {
    kept.delete(key)
    throw error
  }
}

/** Filters are as many as callers think of: those that nobody asks for any more are forgotten. */
function keep(kept: Map<string, Counted>, key: string, counted: Counted): void {
  for (const [old, { at, renewing }] of kept) if (!renewing && counted.at - at > TOLD_AGAIN_MS) kept.delete(old)
  kept.set(key, counted)
}
