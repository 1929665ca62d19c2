import { USAGE_TYPES, type UsageType } from '../domain/usage.ts'
import type { Ownership } from '../store/queries/page.ts'
import type { Caller, System } from './context.ts'
import { type AskedOwnership, ownershipOf } from './ownership.ts'
import { refuse } from './refusals.ts'

/** The types of usage that are recorded. */
export function usageTypes(): typeof USAGE_TYPES {
  return USAGE_TYPES
}

/**
 * Whose usage is asked for: the account's, the domain's (with those below it only where `isrecursive`), or all that the
 * caller may see. Throws as `ownershipOf`.
 */
export async function usageOwnership(
  by: { readonly system: System; readonly caller: Caller },
  asked: AskedOwnership & { readonly accountid?: string },
): Promise<Ownership> {
  if (asked.accountid !== undefined) return { of: 'account', id: asked.accountid }
  return ownershipOf(by, { ...asked, listall: true, isrecursive: asked.isrecursive ?? false })
}

/** The period from `startdate` until just before `enddate`. Throws `Refusal` `INVALID` when it ends before it begins. */
export function usagePeriod(startdate: Date, enddate: Date): { readonly since: Date; readonly till: Date } {
  if (enddate < startdate)
    throw refuse('INVALID', 'Incorrect Date Range. Invalid parameter enddate: it must not be before startdate')
  return { since: startdate, till: enddate }
}

/** The type of usage of a number. Throws `Refusal` `INVALID` for one that is not recorded. */
export function usageTypeOf(type: number): UsageType {
  const found = USAGE_TYPES.find(({ id }) => id === type)
  if (!found)
    throw refuse('INVALID', `Invalid parameter type: it must be one of ${USAGE_TYPES.map(({ id }) => id).join(', ')}`)
  return found.id
}
