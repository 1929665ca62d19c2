import { type Insertable, sql, type Updateable } from 'kysely'
import type { PoolRow, PoolTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a pool. Throws on a second registration of one array pool (unique index `pool_identity`). */
export async function insertPool(tx: Tx, pool: Insertable<PoolTable>): Promise<void> {
  await tx.insertInto('pool').values(pool).execute()
}

/** The pool, unless it was removed. */
export async function poolById(reader: Reader, id: string): Promise<PoolRow | undefined> {
  return reader.selectFrom('pool').selectAll().where('id', '=', id).where('removedAt', 'is', null).executeTakeFirst()
}

/** As `poolById`, its row locked until the transaction ends. */
export async function lockPool(tx: Tx, id: string): Promise<PoolRow | undefined> {
  return tx
    .selectFrom('pool')
    .selectAll()
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .forUpdate()
    .executeTakeFirst()
}

/**
 * Pools by id, removed ones left out. Their rows are locked against change until the transaction ends, so that a pool which
 * is Up here stays Up until what builds on that is committed. Not shared with others who pin: of two that hold a row
 * together neither can reserve in it, and a crowd of them would break each other's deadlocks for ever.
 */
export async function pinPools(tx: Tx, ids: readonly string[]): Promise<readonly PoolRow[]> {
  if (ids.length === 0) return []
  return tx
    .selectFrom('pool')
    .selectAll()
    .where('id', 'in', [...ids])
    .where('removedAt', 'is', null)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
}

/** All pools of a zone that were not removed. */
export async function poolsOfZone(reader: Reader, zone: string): Promise<readonly PoolRow[]> {
  return reader
    .selectFrom('pool')
    .selectAll()
    .where('zoneId', '=', zone)
    .where('removedAt', 'is', null)
    .orderBy('id')
    .execute()
}

/** Any pool of a zone; the same one while there is it. */
export async function somePool(reader: Reader, zone: string): Promise<PoolRow | undefined> {
  return reader
    .selectFrom('pool')
    .selectAll()
    .where('zoneId', '=', zone)
    .where('removedAt', 'is', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
}

/** What a pool must have to be worth a look, by its row alone. `iops` at least, whoever enforces them. */
export interface Wanted {
  readonly zone: string
  readonly bytes: number
  readonly iops: number
  readonly tags: readonly string[]
  /** Hosts of which one must be within its scope; absent: any. */
  readonly hosts?: readonly { readonly id: string; readonly clusterId: string }[]
  /** As in a request of placement: which of about equal pools come first. */
  readonly spread: string
  readonly limit: number
}

/**
 * The pools of a zone that are most likely to take a volume, by their rows alone, those with most left of what is scarcest
 * first: so that among many pools a few are looked at. That one is not among them says nothing.
 */
export async function likeliestPools(reader: Reader, wanted: Wanted): Promise<readonly PoolRow[]> {
  const { zone, bytes, iops, tags, hosts, spread, limit } = wanted
  const foreign = sql`case when capacity_bytes is null then foreign_bytes else 0 end`
  const bytesShare = sql`(reserved_bytes + ${foreign} + ${bytes})
    / greatest(coalesce(capacity_bytes, total_bytes) * bytes_factor * allocated_threshold, 1)`
  // What is not limited is told apart first: `greatest` passes over a null, and would make a limit of 1 of it.
  const iopsShare = sql`case when coalesce(capacity_iops, total_iops) is null then 0
    else (reserved_iops + ${iops}) / greatest(coalesce(capacity_iops, total_iops) * iops_factor, 1) end`
  const slotsShare = sql`case when capacity_volumes is null then 0
    else (reserved_volumes + 1)::double precision / greatest(capacity_volumes, 1) end`
  const share = sql`greatest(${bytesShare}, ${iopsShare}, ${slotsShare})`
  const query = reader
    .selectFrom('pool')
    .selectAll()
    .where('zoneId', '=', zone)
    .where('removedAt', 'is', null)
    .where('state', '=', 'Up')
    .where(sql<boolean>`tags @> ${[...tags]}::text[]`)
    .where(sql<boolean>`${share} <= 1`)
    .orderBy(sql`round(100 * ${share})`)
    .orderBy(sql`md5(${spread} || id::text)`)
    .limit(limit)
  if (!hosts) return query.execute()
  const [ids, clusters] = [hosts.map(({ id }) => id), hosts.map(({ clusterId }) => clusterId)]
  return query
    .where(
      sql<boolean>`(scope = 'ZONE' or cluster_id = any(${clusters}::uuid[]) and scope = 'CLUSTER' or host_id = any(${ids}::uuid[]))`,
    )
    .execute()
}

/** All pools that were not removed. */
export async function allPools(reader: Reader): Promise<readonly PoolRow[]> {
  return reader.selectFrom('pool').selectAll().where('removedAt', 'is', null).orderBy('id').execute()
}

/** Changes columns of a pool. */
export async function updatePool(tx: Tx, id: string, changes: Updateable<PoolTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('pool').set(changes).where('id', '=', id).execute()
}

/**
 * What the array said of the pool just now. Bytes and IOPS; `iops` absent: the array keeps none. Answers since when it had
 * not answered before; `undefined` when it had, or when the pool is not registered any more.
 */
export async function reportPool(
  tx: Tx,
  id: string,
  report: { readonly totalBytes: number; readonly usedBytes: number; readonly iops?: number },
): Promise<Date | undefined> {
  const { totalBytes, usedBytes, iops } = report
  const before = await lockPool(tx, id)
  if (!before) return undefined
  await tx
    .updateTable('pool')
    .set({
      totalBytes,
      usedBytes,
      totalIops: iops ?? null,
      // Counted anew under the row's lock: a controller of an older release, still at work beside us, does not count.
      reservedVolumes: sql<number>`(select count(*) from reservation where reservation.pool_id = pool.id)`,
      reportedAt: sql<Date>`now()`,
      unreachableSince: null,
    })
    .where('id', '=', id)
    .execute()
  return before.unreachableSince ?? undefined
}

/** VMs that reach the pool, or may: those with disks there that are not stopped, or to which a host still has access. */
export async function vmsUsingPool(
  reader: Reader,
  pool: string,
): Promise<readonly { readonly id: string; readonly accountId: string; readonly state: string }[]> {
  return reader
    .selectFrom('attachment')
    .innerJoin('location', 'location.volumeId', 'attachment.volumeId')
    .innerJoin('vm', 'vm.id', 'attachment.vmId')
    .leftJoin('connection', (join) =>
      join.onRef('connection.sourceId', '=', 'attachment.volumeId').on('connection.sourceKind', '=', 'volume'),
    )
    .select(['vm.id', 'vm.accountId', 'vm.state'])
    .distinct()
    .where('location.poolId', '=', pool)
    .where(({ or, eb }) =>
      or([
        eb('vm.state', 'in', ['Starting', 'Running', 'Stopping', 'Migrating']),
        eb('connection.hostId', 'is not', null),
      ]),
    )
    .where('vm.removedAt', 'is', null)
    .orderBy('vm.id')
    .execute()
}
