import { sql } from 'kysely'
import type { Reader } from '../store.ts'

/** Whether the database runs a statement. Never throws; may take as long as a connection takes to fail. */
export async function answers(reader: Reader): Promise<boolean> {
  return await sql`select 1`.execute(reader).then(
    () => true,
    () => false,
  )
}

/** Capacity and ledger of every pool. What may be promised is the capacity times its overcommit factor. */
export async function poolSamples(reader: Reader) {
  const { rows } = await sql<PoolSample>`
    select zone.name as zone, pool.name as pool, pool.total_bytes as size_bytes, pool.used_bytes, pool.reserved_bytes,
      floor(coalesce(pool.capacity_bytes, pool.total_bytes) * pool.bytes_factor)::bigint as promisable_bytes,
      floor(coalesce(pool.capacity_iops, pool.total_iops) * pool.iops_factor)::bigint as promisable_iops,
      pool.reserved_iops, pool.unreachable_since is null as reachable
    from pool join zone on zone.id = pool.zone_id where pool.removed_at is null`.execute(reader)
  return rows
}

interface PoolSample {
  readonly zone: string
  readonly pool: string
  readonly sizeBytes: number
  readonly usedBytes: number
  readonly promisableBytes: number
  readonly reservedBytes: number
  /** Null where neither the array nor the operator set a limit. */
  readonly promisableIops: number | null
  readonly reservedIops: number
  readonly reachable: boolean
}

/** How many hosts are in each state. */
export async function hostSamples(reader: Reader) {
  return await reader
    .selectFrom('host')
    .where('removedAt', 'is', null)
    .groupBy('state')
    .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
    .execute()
}

/** How many findings of the census there are, those that are gone left out. */
export async function findingSamples(reader: Reader) {
  return await reader
    .selectFrom('censusFinding')
    .where('state', '<>', 'gone')
    .groupBy(['kind', 'state'])
    .select(({ fn }) => ['kind', 'state', fn.countAll<number>().as('count')])
    .execute()
}

/** How many controllers were heard of within `leaseMs`. */
export async function controllersAlive(reader: Reader, leaseMs: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from node where seen_at > now() - ${leaseMs} * interval '1 millisecond'`.execute(reader)
  return rows[0]?.count ?? 0
}
