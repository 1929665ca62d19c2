import { type Insertable, sql, type Updateable } from 'kysely'
import type { SnapshotCopyRow, SnapshotCopyTable, SnapshotRow, SnapshotTable } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a snapshot. */
export async function insertSnapshot(tx: Tx, snapshot: Insertable<SnapshotTable>): Promise<void> {
  await later(tx.insertInto('snapshot').values(snapshot))
}

/** The snapshot, destroyed ones included. */
export async function snapshotById(reader: Reader, id: string): Promise<SnapshotRow | undefined> {
  return reader.selectFrom('snapshot').selectAll().where('id', '=', id).executeTakeFirst()
}

/** As `snapshotById`, its row locked until the transaction ends. */
export async function lockSnapshot(tx: Tx, id: string): Promise<SnapshotRow | undefined> {
  return tx.selectFrom('snapshot').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Changes columns of a snapshot. */
export async function updateSnapshot(tx: Tx, id: string, changes: Updateable<SnapshotTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await later(tx.updateTable('snapshot').set(changes).where('id', '=', id))
}

/** Marks a snapshot destroyed: it keeps its row for history and leaves every list. */
export async function destroySnapshot(tx: Tx, id: string): Promise<void> {
  await later(
    tx
      .updateTable('snapshot')
      .set({ state: 'Destroyed', removedAt: sql<Date>`coalesce(removed_at, now())` })
      .where('id', '=', id),
  )
}

/** Records where a copy is to be, before the array is asked. */
export async function insertCopy(tx: Tx, copy: Insertable<SnapshotCopyTable>): Promise<void> {
  await later(tx.insertInto('snapshotCopy').values(copy))
}

/** The snapshot's copies, those that are gone left out. */
export async function copiesOf(reader: Reader, snapshot: string): Promise<readonly SnapshotCopyRow[]> {
  return reader
    .selectFrom('snapshotCopy')
    .selectAll()
    .where('snapshotId', '=', snapshot)
    .where('state', '<>', 'gone')
    .orderBy('createdAt')
    .execute()
}

/** The copy on an array that can be used, if there is one, with its pool. */
export async function arrayCopyOf(
  reader: Reader,
  snapshot: string,
): Promise<(SnapshotCopyRow & { readonly poolId: string }) | undefined> {
  const copies = await copiesOf(reader, snapshot)
  for (const copy of copies) {
    const { poolId } = copy
    if (copy.kind === 'array' && copy.state === 'present' && poolId !== null) return { ...copy, poolId }
  }
  return undefined
}

/** Changes the copies of a snapshot that are not gone. */
export async function updateCopies(tx: Tx, snapshot: string, changes: Updateable<SnapshotCopyTable>): Promise<void> {
  await later(
    tx.updateTable('snapshotCopy').set(changes).where('snapshotId', '=', snapshot).where('state', '<>', 'gone'),
  )
}

/** Copies on arrays of all snapshots of a volume that are not gone: what its array object may still be needed for. */
export async function copiesOfVolume(reader: Reader, volume: string): Promise<number> {
  const row = await reader
    .selectFrom('snapshotCopy')
    .innerJoin('snapshot', 'snapshot.id', 'snapshotCopy.snapshotId')
    .select(({ fn }) => fn.countAll<number>().as('copies'))
    .where('snapshot.volumeId', '=', volume)
    .where('snapshotCopy.kind', '=', 'array')
    .where('snapshotCopy.state', '<>', 'gone')
    .executeTakeFirstOrThrow()
  return row.copies
}

/** Copies in an archive that are not gone. */
export async function copiesInArchive(reader: Reader, archive: string): Promise<number> {
  const row = await reader
    .selectFrom('snapshotCopy')
    .select(({ fn }) => fn.countAll<number>().as('copies'))
    .where('archiveId', '=', archive)
    .where('state', '<>', 'gone')
    .executeTakeFirstOrThrow()
  return row.copies
}

/** Snapshots whose deletion began and is not done. */
export async function snapshotsToFinish(reader: Reader): Promise<readonly Pick<SnapshotRow, 'id' | 'accountId'>[]> {
  return reader.selectFrom('snapshot').select(['id', 'accountId']).where('state', '=', 'Destroying').execute()
}
