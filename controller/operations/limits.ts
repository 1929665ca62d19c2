import { LIMITED, type Limited, limitedBy, LIMITED_NAMES } from '../domain/limits.ts'
import { domainNow, identitiesOf } from '../store/queries/accounts.ts'
import { amountsOf, limitOf, writeLimit } from '../store/limits.ts'
import { refuse } from './refusals.ts'
import { type By, note } from './submit.ts'

/** An account or a domain, by id. */
export interface LimitedOwner {
  readonly kind: 'account' | 'domain'
  readonly id: string
}

/** The kinds that are limited, by CloudStack's number and name, for texts. */
export const LIMITED_TYPES = LIMITED_NAMES.map((kind) => `${LIMITED[kind].type} ${LIMITED[kind].name}`).join(', ')

/** The kinds that a request means: one by number or by name, else all. Throws `Refusal` `INVALID` listing them. */
export function limitedAsked(asked: { readonly type?: number; readonly name?: string }): readonly Limited[] {
  if (asked.type === undefined && asked.name === undefined) return LIMITED_NAMES
  const kind = limitedBy(asked)
  if (kind !== undefined) return [kind]
  throw refuse('INVALID', `Invalid parameter resourcetype: it must be one of ${LIMITED_TYPES}`)
}

/** A limit, or an amount, as it is shown: under CloudStack's number and name of the kind, in its unit. A limit of -1 is none. */
export interface ShownAmount {
  readonly type: number
  readonly name: string
  readonly amount: number
}

/** The limits of an owner on the kinds asked. */
export async function limitsShown(
  { system }: By,
  owner: LimitedOwner,
  kinds: readonly Limited[],
): Promise<readonly ShownAmount[]> {
  const set = await limitOf(system.store.reader, owner.id)
  return kinds.map((kind) => {
    const { type, name, unit } = LIMITED[kind]
    const most = set.get(kind)
    return { type, name, amount: most === undefined ? -1 : Math.floor(most / unit) }
  })
}

/**
 * Sets a limit; `max` in CloudStack's unit, -1 for none. What is there already stays, also above it. Throws `Refusal`: `DENIED`
 * for the caller's own account and domain unless it administers everything, `INVALID` below -1.
 */
export async function changeLimit(
  by: By,
  owner: LimitedOwner,
  change: { readonly kind: Limited; readonly max: number },
): Promise<void> {
  const { kind, max } = change
  if (max < -1) throw refuse('INVALID', 'Invalid parameter max: it is a whole number from 0, or -1 for no limit')
  const own = owner.id === by.caller.accountId || owner.id === by.caller.domainId
  if (own && by.caller.role !== 'admin') {
    throw refuse('DENIED', 'Caller does not have permission to change the limits of its own account or domain')
  }
  await by.system.store.transact(async (tx) => {
    await writeLimit(tx, { ownerId: owner.id, limited: kind, ...(max < 0 ? {} : { most: max * LIMITED[kind].unit }) })
    await note(tx, by, {
      type: 'RESOURCE.LIMIT.UPDATE',
      description: `The limit of ${LIMITED[kind].name} was set to ${max}`,
      ...(owner.kind === 'account' ? { account: owner.id } : {}),
      resource: { kind: owner.kind === 'account' ? 'Account' : 'Domain', id: owner.id },
    })
  })
}

/** What an owner has of the kinds asked, rounded up. Counted anew each time: there is nothing to recompute. */
export async function countsShown(
  { system }: By,
  owner: LimitedOwner,
  kinds: readonly Limited[],
): Promise<readonly ShownAmount[]> {
  const amounts = await amountsOf(system.store.reader, { kind: owner.kind, ownerId: owner.id })
  return kinds.map((kind) => {
    const { type, name, unit } = LIMITED[kind]
    return { type, name, amount: Math.ceil(amounts[kind] / unit) }
  })
}

/** An owner by name; `accountName` absent for a domain. */
export interface OwnerNames {
  readonly accountName?: string
  readonly domainId: string
  readonly domainName: string
  readonly domainPath: string
}

/** Names of an owner for the answer; `undefined` when it is gone. */
export async function ownerNames({ system }: By, owner: LimitedOwner): Promise<OwnerNames | undefined> {
  const { reader } = system.store
  if (owner.kind === 'domain') return await domainNow(reader, owner.id)
  return (await identitiesOf(reader, [owner.id]))[0]
}
