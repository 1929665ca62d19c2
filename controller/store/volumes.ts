import { type Insertable, sql, type Updateable } from 'kysely'
import type { VolumeRow, VolumeTable } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a volume. Throws when the id is taken. */
export async function insertVolume(tx: Tx, volume: Insertable<VolumeTable>): Promise<void> {
  await later(tx.insertInto('volume').values(volume))
}

/** The volume, expunged ones included. */
export async function volumeById(reader: Reader, id: string): Promise<VolumeRow | undefined> {
  return reader.selectFrom('volume').selectAll().where('id', '=', id).executeTakeFirst()
}

/** As `volumeById`, its row locked until the transaction ends. */
export async function lockVolume(tx: Tx, id: string): Promise<VolumeRow | undefined> {
  return tx.selectFrom('volume').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Volumes by id, their rows locked in the order of their ids. */
export async function lockVolumes(tx: Tx, ids: readonly string[]): Promise<readonly VolumeRow[]> {
  if (ids.length === 0) return []
  return tx
    .selectFrom('volume')
    .selectAll()
    .where('id', 'in', [...ids])
    .orderBy('id')
    .forUpdate()
    .execute()
}

/** Changes columns of a volume. */
export async function updateVolume(tx: Tx, id: string, changes: Updateable<VolumeTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await later(tx.updateTable('volume').set(changes).where('id', '=', id))
}

/** Marks a volume expunged: it keeps its row for history and leaves every list. */
export async function expungeVolume(tx: Tx, id: string): Promise<void> {
  await later(
    tx
      .updateTable('volume')
      .set({ state: 'Expunged', removedAt: sql<Date>`coalesce(removed_at, now())` })
      .where('id', '=', id),
  )
}

/** What the tier that enforces a volume's QoS says is in force. */
export async function observeQos(tx: Tx, id: string, observed: object): Promise<void> {
  await later(
    tx
      .updateTable('volume')
      .set({ qosObserved: observed, qosObservedAt: sql<Date>`now()` })
      .where('id', '=', id),
  )
}

/** Account name under which the array groups the CHAP credentials of the volume's owner. */
export async function chapAccountOf(reader: Reader, account: string): Promise<string> {
  const row = await reader
    .selectFrom('account')
    .select('chapAccount')
    .where('id', '=', account)
    .executeTakeFirstOrThrow()
  return row.chapAccount
}

/** Tags and QoS terms of an offering, removed ones included: a volume keeps the terms under which it was bought. */
export async function offeringById(reader: Reader, id: string | null) {
  if (id === null) return undefined
  return reader.selectFrom('offering').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Volumes in state Destroy for longer than `seconds`; not root disks, which go with the VM they were destroyed with. */
export async function volumesToExpunge(
  reader: Reader,
  seconds: number,
): Promise<readonly Pick<VolumeRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('volume')
    .select(['id', 'accountId'])
    .where('state', '=', 'Destroy')
    .where('removedAt', 'is', null)
    .where('destroyedAt', '<=', sql<Date>`now() - make_interval(secs => ${seconds})`)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('attachment').select('vmId').whereRef('attachment.volumeId', '=', 'volume.id'))),
    )
    .orderBy('destroyedAt')
    .execute()
}

/**
 * Volumes whose deletion began and is not done: Expunging, or expunged with bytes left on the array that no snapshot needs
 * any more.
 */
export async function volumesToFinish(reader: Reader): Promise<readonly Pick<VolumeRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('volume')
    .leftJoin('location', 'location.volumeId', 'volume.id')
    .select(['volume.id', 'volume.accountId'])
    .where(({ and, or, eb, exists, not, selectFrom }) =>
      or([
        eb('volume.state', '=', 'Expunging'),
        and([
          eb('volume.state', '=', 'Expunged'),
          eb('location.state', '=', 'deleting'),
          not(
            exists(
              selectFrom('snapshot')
                .innerJoin('snapshotCopy', 'snapshotCopy.snapshotId', 'snapshot.id')
                .select('snapshot.id')
                .whereRef('snapshot.volumeId', '=', 'volume.id')
                .where('snapshotCopy.kind', '=', 'array')
                .where('snapshotCopy.state', '<>', 'gone'),
            ),
          ),
        ]),
      ]),
    )
    .execute()
}

/** The volume was put aside just now, by the database's clock; `state` is the one it has from now on. */
export async function volumeDestroyed(tx: Tx, id: string, state: string): Promise<void> {
  await later(
    tx
      .updateTable('volume')
      .set({ state, destroyedAt: sql<Date>`now()` })
      .where('id', '=', id),
  )
}
