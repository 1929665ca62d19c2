import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import type { Window } from './page.ts'

/** What `listStoragePoolHosts` may ask for; absent fields do not filter. */
export interface ReachFilter {
  readonly pool?: string
  readonly host?: string
  readonly reached?: boolean
}

/** What hosts said of the way to pools, in the order in which both were registered, pools first. */
export async function listReach(reader: Reader, filter: ReachFilter, window: Window) {
  let query = reader
    .selectFrom('poolReach')
    .innerJoin('pool', 'pool.id', 'poolReach.poolId')
    .innerJoin('host', 'host.id', 'poolReach.hostId')
    .where('pool.removedAt', 'is', null)
    .where('host.removedAt', 'is', null)
  if (filter.pool !== undefined) query = query.where('pool.id', '=', filter.pool)
  if (filter.host !== undefined) query = query.where('host.id', '=', filter.host)
  if (filter.reached !== undefined) query = query.where('poolReach.reached', '=', filter.reached)
  const selected = query
    .select(['pool.id as poolId', 'pool.name as poolName', 'host.id as hostId', 'host.name as hostName'])
    .select(['poolReach.reached', 'poolReach.why', 'poolReach.since', 'poolReach.askedAt'])
  return await listed(selected.orderBy('pool.seq').orderBy('host.seq'), window)
}
