import type { RawBuilder } from 'kysely'
import { sql } from 'kysely'

/**
 * A value as a `jsonb` parameter: `pg` itself would send arrays as PostgreSQL arrays. What jsonb cannot hold (NUL, halves
 * of surrogate pairs) is replaced by U+FFFD, so that no text of a device can keep a journal row from being written.
 */
export function jsonb(value: unknown): RawBuilder<unknown> {
  return sql`${jsonText(value)}::jsonb`
}

/** The text of a JSON value that jsonb accepts; `undefined` is `null`. */
export function jsonText(value: unknown): string {
  const clean = (_key: string, part: unknown) =>
    typeof part === 'string' ? part.toWellFormed().replaceAll('\0', '\u{FFFD}') : part
  return JSON.stringify(value, clean) ?? 'null'
}
