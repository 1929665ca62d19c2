import { Refusal } from '../domain/failures.ts'

/**
 * The row that a parameter names. The API has found it a moment ago, but it may have gone since. Throws `Refusal`
 * `NOT_FOUND` naming the parameter when there is none, or when it was removed.
 */
export function certain<Row extends { readonly removedAt: Date | null }>(row: Row | undefined, parameter: string): Row {
  if (row === undefined || row.removedAt !== null)
    throw new Refusal('NOT_FOUND', `Unable to find what parameter ${parameter} names: it may have been removed`)
  return row
}
