/** A page of rows in the order of `seq`. */
export interface KeysetPage<Row> {
  readonly rows: readonly Row[]
  /** Hand it back as `after` to go on; absent on the last page. */
  readonly next?: string
}

/** Rows on one page when the caller does not say, and at most. */
export const PAGE_ROWS = { usual: 100, most: 500 } as const

/**
 * Reads one page by key instead of by offset: its cost does not grow with its number, and rows that come or go meanwhile
 * are neither skipped nor repeated. `read(after, limit)` answers at most `limit` rows with `seq` above `after` (or below
 * it, for newest first), in that order; `after` is `undefined` on the first page. `cursor` is opaque to callers; one that
 * was not made here throws `RangeError`.
 */
export async function keysetPage<Row extends { readonly seq: number }>(
  page: { readonly cursor?: string | undefined; readonly rows?: number | undefined },
  read: (after: number | undefined, limit: number) => Promise<readonly Row[]>,
): Promise<KeysetPage<Row>> {
  const rows = Math.min(Math.max(page.rows ?? PAGE_ROWS.usual, 1), PAGE_ROWS.most)
  const found = await read(page.cursor === undefined ? undefined : decode(page.cursor), rows + 1)
  if (found.length <= rows) return { rows: found }
  const kept = found.slice(0, rows)
  const last = kept.at(-1)
  return last === undefined ? { rows: kept } : { rows: kept, next: encode(last.seq) }
}

function encode(seq: number): string {
  return seq.toString(36)
}

function decode(cursor: string): number {
  const seq = /^[0-9a-z]{1,11}$/.test(cursor) ? Number.parseInt(cursor, 36) : Number.NaN
  if (!Number.isSafeInteger(seq)) throw new RangeError('the cursor is not one that a listing has returned')
  return seq
}
