import { sql } from 'kysely'
import type { ReservationRow } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** What a volume holds of a pool. Bytes; IOPS that the pool guarantees. */
export interface Claimed {
  readonly volume: string
  readonly pool: string
  readonly bytes: number
  readonly iops: number
}

/**
 * Reserves in one conditional update: answers false, and changes nothing, when the pool is not Up or has not enough left of
 * cap x factor. Without a cap the pool's reported capacity counts, and objects that are not ours are charged to it; without
 * any IOPS figure IOPS are not limited.
 */
export async function reserve(tx: Tx, claimed: Claimed): Promise<boolean> {
  const { volume, pool, bytes, iops } = claimed
  if (!(await charge(tx, pool, { bytes, iops, whileUp: true }))) return false
  await later(tx.insertInto('reservation').values({ volumeId: volume, poolId: pool, bytes, iops }))
  return true
}

/** Gives back what the volume holds. Nothing happens when it holds nothing. */
export async function giveBack(tx: Tx, volume: string): Promise<void> {
  const held = await tx.deleteFrom('reservation').where('volumeId', '=', volume).returningAll().executeTakeFirst()
  if (held) await credit(tx, held)
}

/**
 * Changes what the volume holds to new figures. Growth is conditional as in `reserve`, and answers false, with nothing
 * changed, when it does not fit; giving back always fits. Throws when the volume holds nothing.
 */
export async function changeReservation(
  tx: Tx,
  volume: string,
  to: { readonly bytes: number; readonly iops: number },
): Promise<boolean> {
  const held = await tx
    .selectFrom('reservation')
    .selectAll()
    .where('volumeId', '=', volume)
    .forUpdate()
    .executeTakeFirstOrThrow()
  const delta = { bytes: to.bytes - held.bytes, iops: to.iops - held.iops }
  if (!(await charge(tx, held.poolId, { ...delta, whileUp: false }))) return false
  await later(tx.updateTable('reservation').set(to).where('volumeId', '=', volume))
  return true
}

/** What the volume holds, if anything. */
export async function reservationOf(reader: Reader, volume: string): Promise<ReservationRow | undefined> {
  return reader.selectFrom('reservation').selectAll().where('volumeId', '=', volume).executeTakeFirst()
}

interface Charge {
  readonly bytes: number
  readonly iops: number
  readonly whileUp: boolean
}

async function charge(tx: Tx, pool: string, { bytes, iops, whileUp }: Charge): Promise<boolean> {
  // A cap that an operator set is ours alone; of what the array has, others' objects have their part.
  const foreign = sql`case when capacity_bytes is null then foreign_bytes else 0 end`
  const bytesCap = sql`floor(coalesce(capacity_bytes, total_bytes) * bytes_factor)`
  const bytesFit = sql<boolean>`reserved_bytes + ${foreign} + ${bytes} <= ${bytesCap}`
  const iopsCap = sql`coalesce(capacity_iops, total_iops)`
  const iopsFit = sql<boolean>`(${iopsCap} is null or reserved_iops + ${iops} <= floor(${iopsCap} * iops_factor))`
  let update = tx
    .updateTable('pool')
    .set(({ eb }) => ({ reservedBytes: eb('reservedBytes', '+', bytes), reservedIops: eb('reservedIops', '+', iops) }))
    .where('id', '=', pool)
    .where('removedAt', 'is', null)
  if (whileUp) update = update.where('state', '=', 'Up')
  // What shrinks or stays needs no room, also when the operator has meanwhile lowered the cap below what is reserved.
  if (bytes > 0) update = update.where(bytesFit)
  if (iops > 0) update = update.where(iopsFit)
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
      }))
      .where('id', '=', held.poolId),
  )
}
