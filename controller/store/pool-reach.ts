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
export async function hostsWithWays(tx: Tx, zone: string): Promise<Ways> {
  const inZone = tx.selectFrom('host').where('removedAt', 'is', null).where('zoneId', '=', zone)
  const [hosts, ways] = await together<[HostRow, WayRow]>(
    tx,
    inZone.selectAll().orderBy('id'),
    cutOff(tx).where('hostId', 'in', inZone.select('id')),
  )
  return waysOf(hosts, ways)
}

/**
 * The selects of what `waysOf` puts together, for a `together`: of the host that the VM runs on, or else of all in its zone.
 */
export function waysOfVm(tx: Reader, vm: string) {
  const mayRun = tx
    .selectFrom('host')
    .innerJoin('vm', 'vm.zoneId', 'host.zoneId')
    .where('vm.id', '=', vm)
    .where('host.removedAt', 'is', null)
    .where(({ or, eb }) => or([eb('vm.state', '<>', 'Running'), eb('host.id', '=', eb.ref('vm.hostId'))]))
  return [
    mayRun.selectAll('host').orderBy('host.id'),
    cutOff(tx).where('hostId', 'in', mayRun.select('host.id')),
  ] as const
}

/** Hosts, and the pools to which each said that it does not get. */
export interface Ways {
  readonly hosts: readonly HostRow[]
  readonly cutOff: ReadonlyMap<string, ReadonlySet<string>>
}

/** What was read by the selects of `waysOfVm`. */
export function waysOf(hosts: readonly HostRow[], ways: readonly WayRow[]): Ways {
  return { hosts, cutOff: byHost(ways) }
}

/** A way that a host does not get. */
export type WayRow = Pick<PoolReachRow, 'hostId' | 'poolId'>

function cutOff(reader: Reader) {
  return reader.selectFrom('poolReach').select(['hostId', 'poolId']).where('reached', '=', false)
}

function byHost(rows: readonly WayRow[]): ReadonlyMap<string, ReadonlySet<string>> {
  const grouped = Map.groupBy(rows, ({ hostId }) => hostId)
  return new Map([...grouped].map(([host, ways]) => [host, new Set(ways.map(({ poolId }) => poolId))]))
}

/** Forgets what hosts said of a pool, or a host of pools: it is no more, or not to be believed. */
export async function forgetWays(tx: Tx, of: { readonly host: string } | { readonly pool: string }): Promise<void> {
  const all = tx.deleteFrom('poolReach')
  await ('host' in of ? all.where('hostId', '=', of.host) : all.where('poolId', '=', of.pool)).execute()
}
