import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { type Listed, type Ownership, ownedBy, type Window } from './page.ts'

/** What `listSnapshotPolicies` may ask for; absent fields do not filter. */
export interface PolicyFilter {
  readonly ownership: Ownership
  readonly id?: string
  readonly volume?: string
  /** Whether tenants see it. */
  readonly display?: boolean
}

/** A policy, with the zone of its volume. */
export type PolicyView = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

/** A page of policies, in the order in which they were made. */
export async function listPolicies(reader: Reader, filter: PolicyFilter, window: Window): Promise<Listed<PolicyView>> {
  let query = select(reader, filter.ownership)
  if (filter.id !== undefined) query = query.where('snapshotPolicy.id', '=', filter.id)
  if (filter.volume !== undefined) query = query.where('snapshotPolicy.volumeId', '=', filter.volume)
  if (filter.display !== undefined) query = query.where('snapshotPolicy.display', '=', filter.display)
  return await listed(query.orderBy('snapshotPolicy.seq'), window)
}

/** A policy by id. */
export async function policyView(reader: Reader, id: string): Promise<PolicyView | undefined> {
  return await select(reader, { of: 'everyone' }).where('snapshotPolicy.id', '=', id).executeTakeFirst()
}

function select(reader: Reader, ownership: Ownership) {
  return reader
    .selectFrom('snapshotPolicy')
    .where((eb) => ownedBy(eb, 'snapshotPolicy', ownership))
    .innerJoin('volume', 'volume.id', 'snapshotPolicy.volumeId')
    .innerJoin('zone', 'zone.id', 'volume.zoneId')
    .where('volume.removedAt', 'is', null)
    .selectAll('snapshotPolicy')
    .select(['zone.id as zoneId', 'zone.name as zoneName'])
}
