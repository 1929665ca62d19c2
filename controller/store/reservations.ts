import { sql } from 'kysely'
import type { ReservationRow } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** What a volume takes of a pool. Bytes; IOPS; beside them one slot. */
export interface Claimed {
  readonly volume: string
  readonly pool: string
  readonly bytes: number
  readonly iops: number
  /** Volumes that the array makes at most, as its provider says; absent: as many as one likes. */
  readonly maxVolumes?: number | undefined
}

/**
 * Reserves bytes, IOPS and a slot in one conditional update of the pool's row: answers false, and changes nothing, when the
 * pool is not Up, is fuller than its thresholds allow, or has not enough left of cap x factor. Without a cap the pool's
 * reported capacity counts, and objects that are not ours are charged to it; without any IOPS figure IOPS are not limited.
 */
export async function reserve(tx: Tx, claimed: Claimed): Promise<boolean> {
  const { volume, pool, bytes, iops, maxVolumes } = claimed
  if (!(await charge(tx, pool, { bytes, iops, fresh: { maxVolumes } }))) return false
  await later(tx.insertInto('reservation').values({ volumeId: volume, poolId: pool, bytes, iops }))
  return true
}

/** As `reserve`, in a pool where the volume does not live: beside what it holds at home. */
export async function reserveSecond(tx: Tx, claimed: Claimed): Promise<boolean> {
  const { volume, pool, bytes, iops, maxVolumes } = claimed
  if (!(await charge(tx, pool, { bytes, iops, fresh: { maxVolumes } }))) return false
  await later(tx.insertInto('reservation').values({ volumeId: volume, poolId: pool, bytes, iops, second: true }))
  return true
}

/** Where the volume holds something beside what it holds at home. */
export async function secondPools(reader: Reader, volume: string): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('reservation')
    .select('poolId')
    .where('volumeId', '=', volume)
    .where('second', '=', true)
    .execute()
  return rows.map(({ poolId }) => poolId)
}

/** Gives back what the volume holds in that pool beside what it holds at home. Nothing happens when it holds nothing there. */
export async function giveBackSecond(tx: Tx, { volume, pool }: Pick<Claimed, 'volume' | 'pool'>): Promise<void> {
  const held = await tx
    .deleteFrom('reservation')
    .where('volumeId', '=', volume)
    .where('poolId', '=', pool)
    .where('second', '=', true)
    .returningAll()
    .executeTakeFirst()
  if (held) await credit(tx, held)
}

/**
 * The volume has moved to the pool where it holds a second reservation: that is its own now. What it held at home becomes the second
 * one, of its bytes and its slot: nothing is guaranteed to what was left behind.
 */
export async function moveReservation(tx: Tx, { volume, pool }: Pick<Claimed, 'volume' | 'pool'>): Promise<void> {
  const home = await heldBy(tx, volume)
  await changeReservation(tx, volume, { bytes: home.bytes, iops: 0 })
  const rows = tx.updateTable('reservation').where('volumeId', '=', volume)
  await rows.set({ second: true }).where('poolId', '=', home.poolId).execute()
  await rows.set({ second: false }).where('poolId', '=', pool).execute()
}

/** Gives back what the volume holds. Nothing happens when it holds nothing. */
export async function giveBack(tx: Tx, volume: string): Promise<void> {
  const held = await tx
    .deleteFrom('reservation')
    .where('volumeId', '=', volume)
    .where('second', '=', false)
    .returningAll()
    .executeTakeFirst()
  if (held) await credit(tx, held)
}

/**
 * Changes what the volume holds to new figures. Growth is conditional as in `reserve`, but for the state of the pool and its
 * thresholds, and answers false, with nothing changed, when it does not fit; giving back always fits. `keep` remembers what it held before, for
 * `restoreReservation`; without it that is forgotten. Throws when the volume holds nothing.
 */
export async function changeReservation(
  tx: Tx,
  volume: string,
  to: { readonly bytes: number; readonly iops: number; readonly keep?: true },
): Promise<boolean> {
  const held = await heldBy(tx, volume)
  const { bytes, iops, keep } = to
  if (!(await charge(tx, held.poolId, { bytes: bytes - held.bytes, iops: iops - held.iops }))) return false
  const before = keep
    ? { beforeBytes: held.beforeBytes ?? held.bytes, beforeIops: held.beforeIops ?? held.iops }
    : { beforeBytes: null, beforeIops: null }
  await later(
    tx
      .updateTable('reservation')
      .set({ bytes, iops, ...before })
      .where('volumeId', '=', volume)
      .where('second', '=', false),
  )
  return true
}

/**
 * The volume holds again what it held before a change that `keep` remembers; but `bytes`, if those are more: an array does
 * not shrink what it has grown. Throws when it holds nothing.
 */
export async function restoreReservation(tx: Tx, volume: string, bytes: number): Promise<void> {
  const held = await heldBy(tx, volume)
  const before = { bytes: Math.max(bytes, held.beforeBytes ?? held.bytes), iops: held.beforeIops ?? held.iops }
  const fits = await changeReservation(tx, volume, before)
  if (!fits) throw new Error(`the ledger refuses volume ${volume} what it held before`)
}

async function heldBy(tx: Tx, volume: string): Promise<ReservationRow> {
  return tx
    .selectFrom('reservation')
    .selectAll()
    .where('volumeId', '=', volume)
    .where('second', '=', false)
    .forUpdate()
    .executeTakeFirstOrThrow()
}

/** What the volume holds, if anything. */
export async function reservationOf(reader: Reader, volume: string): Promise<ReservationRow | undefined> {
  return reader
    .selectFrom('reservation')
    .selectAll()
    .where('volumeId', '=', volume)
    .where('second', '=', false)
    .executeTakeFirst()
}

interface Charge {
  readonly bytes: number
  readonly iops: number
  /** Present: a volume that is new there, which takes a slot and needs a pool that takes new ones. */
  readonly fresh?: { readonly maxVolumes: number | undefined }
}

// A cap that an operator set is ours alone; of what the array has, others' objects have their part.
const FOREIGN_BYTES = sql`case when capacity_bytes is null then foreign_bytes else 0 end`
const FOREIGN_IOPS = sql`case when capacity_iops is null then foreign_volumes * floor_iops else 0 end`
const IOPS_CAP = sql`coalesce(capacity_iops, total_iops)`

/** The one place that decides: it changes the pool's row if all of it fits, in the statement that looks. */
async function charge(tx: Tx, pool: string, { bytes, iops, fresh }: Charge): Promise<boolean> {
  const threshold = fresh ? sql`allocated_threshold` : sql`1.0::double precision`
  const bytesCap = sql`floor(coalesce(capacity_bytes, total_bytes) * bytes_factor * ${threshold})`
  let update = tx
    .updateTable('pool')
    .set(({ eb }) => ({
      reservedBytes: eb('reservedBytes', '+', bytes),
      reservedIops: eb('reservedIops', '+', iops),
      reservedVolumes: eb('reservedVolumes', '+', fresh ? 1 : 0),
    }))
    .where('id', '=', pool)
    .where('removedAt', 'is', null)
  if (fresh) {
    update = update
      .where('state', '=', 'Up')
      .where(sql<boolean>`(used_threshold >= 1 or used_bytes < total_bytes * used_threshold)`)
      .where(sql<boolean>`(capacity_volumes is null or reserved_volumes < capacity_volumes)`)
    if (fresh.maxVolumes !== undefined)
      update = update.where(sql<boolean>`reserved_volumes + foreign_volumes < ${fresh.maxVolumes}`)
  }
  // What shrinks or stays needs no room, also when the operator has meanwhile lowered the cap below what is reserved.
  if (bytes > 0) update = update.where(sql<boolean>`reserved_bytes + ${FOREIGN_BYTES} + ${bytes} <= ${bytesCap}`)
  if (iops > 0)
    update = update.where(
      sql<boolean>`(${IOPS_CAP} is null or reserved_iops + ${FOREIGN_IOPS} + ${iops} <= floor(${IOPS_CAP} * iops_factor))`,
    )
  const { numUpdatedRows } = await update.executeTakeFirst()
  return numUpdatedRows === 1n
}

async function credit(tx: Tx, held: ReservationRow): Promise<void> {
  await later(
    tx
      .updateTable('pool')
      .set(({ eb }) => ({
        reservedBytes: eb('reservedBytes', '-', held.bytes),
        reservedIops: eb('reservedIops', '-', held.iops),
        reservedVolumes: eb('reservedVolumes', '-', 1),
      }))
      .where('id', '=', held.poolId),
  )
}
