import { Refusal } from '../domain/failures.ts'
import type { ZoneRow } from '../store/generated/schema.ts'
import type { Caller } from './context.ts'

/**
 * The row that a parameter names. The API has found it a moment ago, but it may have gone since. Throws `Refusal`
 * `NOT_FOUND` naming the parameter when there is none, or when it was removed.
 */
export function certain<Row extends { readonly removedAt: Date | null }>(row: Row | undefined, parameter: string): Row {
  if (row === undefined || row.removedAt !== null)
    throw new Refusal('NOT_FOUND', `Unable to find what parameter ${parameter} names: it may have been removed`)
  return row
}

/** The zone that a parameter names, if the caller may place things there: in a disabled one only administrators may. */
export function openZone(row: ZoneRow | undefined, caller: Caller): ZoneRow {
  const zone = certain(row, 'zoneid')
  if (zone.allocationState === 'Disabled' && caller.role !== 'admin')
    throw new Refusal('DENIED', `Cannot perform this operation, Zone is currently disabled: ${zone.name}`)
  return zone
}
