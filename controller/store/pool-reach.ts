import { sql } from 'kysely'
import type { HostRow, PoolReachRow } from './generated/schema.ts'
import { lockHost } from './hosts.ts'
import type { Reader, Tx } from './store.ts'
import { together } from './together.ts'

/** A host and a pool within whose scope it is. */
export interface Way {
  readonly host: string
  readonly pool: string
}

/** What a host said of the way to a pool. `why` it does not get there; '' when it does. */
export interface WayTold extends Way {
  readonly reached: boolean
  readonly why: string
}

/** What became of telling it: `first` told, `changed` from what was told before, the `same`; `gone`: the host is none any more. */
export type Telling = 'first' | 'changed' | 'same' | 'gone'

/** Records what a host said just now. Nothing is recorded of a host that was removed, or given up. */
export async function tellWay(tx: Tx, { host, pool, reached, why }: WayTold): Promise<Telling> {
  const row = await lockHost(tx, host)
  if (!row || row.lostAt !== null) return 'gone'
  const before = await tx
    .selectFrom('poolReach')
    .select('reached')
    .where('hostId', '=', host)
    .where('poolId', '=', pool)
    .executeTakeFirst()
  const said = { reached, why, askedAt: sql<Date>`now()` }
  if (!before) {
    await tx
      .insertInto('poolReach')
      .values({ hostId: host, poolId: pool, ...said })
      .execute()
    return 'first'
  }
  const changed = before.reached !== reached
  await tx
    .updateTable('poolReach')
    .set({ ...said, ...(changed ? { since: sql<Date>`now()` } : {}) })
    .where('hostId', '=', host)
    .where('poolId', '=', pool)
    .execute()
  return changed ? 'changed' : 'same'
}

/** Ways that need not be asked for: those that led to the pool within the last `seconds`. As `HOST POOL`. */
export async function waysSettled(reader: Reader, seconds: number): Promise<ReadonlySet<string>> {
  const rows = await reader
    .selectFrom('poolReach')
    .select(['hostId', 'poolId'])
    .where('reached', '=', true)
    .where('askedAt', '>', sql<Date>`now() - make_interval(secs => ${seconds})`)
    .execute()
  return new Set(rows.map(({ hostId, poolId }) => `${hostId} ${poolId}`))
}

/** Pools to which each host said that it does not get. Hosts without any are absent. */
export async function cutOffPools(
  reader: Reader,
  hosts: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  if (hosts.length === 0) return new Map()
  return byHost(
    await cutOff(reader)
      .where('hostId', 'in', [...hosts])
      .execute(),
  )
}

/** As `allHosts` and `cutOffPools` of a zone, in one round trip of a transaction. */
export async function hostsWithWays(
  tx: Tx,
  zone: string,
): Promise<{
  readonly hosts: readonly HostRow[]
  readonly cutOff: ReadonlyMap<string, ReadonlySet<string>>
}> {
  const inZone = tx.selectFrom('host').where('removedAt', 'is', null).where('zoneId', '=', zone)
  const [hosts, ways] = await together<[HostRow, Pick<PoolReachRow, 'hostId' | 'poolId'>]>(
    tx,
    inZone.selectAll().orderBy('id'),
    cutOff(tx).where('hostId', 'in', inZone.select('id')),
  )
  return { hosts, cutOff: byHost(ways) }
}

function cutOff(reader: Reader) {
  return reader.selectFrom('poolReach').select(['hostId', 'poolId']).where('reached', '=', false)
}

function byHost(rows: readonly Pick<PoolReachRow, 'hostId' | 'poolId'>[]): ReadonlyMap<string, ReadonlySet<string>> {
  const grouped = Map.groupBy(rows, ({ hostId }) => hostId)
  return new Map([...grouped].map(([host, ways]) => [host, new Set(ways.map(({ poolId }) => poolId))]))
}

/** Forgets what hosts said of a pool, or a host of pools: it is no more, or not to be believed. */
export async function forgetWays(tx: Tx, of: { readonly host: string } | { readonly pool: string }): Promise<void> {
  const all = tx.deleteFrom('poolReach')
  await ('host' in of ? all.where('hostId', '=', of.host) : all.where('poolId', '=', of.pool)).execute()
}
