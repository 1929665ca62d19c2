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

/** As `updateCopies`, of those on an array only, or of those in an archive. */
export async function updateCopiesIn(
  tx: Tx,
  copies: { readonly snapshot: string; readonly kind: SnapshotCopyRow['kind'] },
  changes: Updateable<SnapshotCopyTable>,
): Promise<void> {
  await later(
    tx
      .updateTable('snapshotCopy')
      .set(changes)
      .where('snapshotId', '=', copies.snapshot)
      .where('kind', '=', copies.kind)
      .where('state', '<>', 'gone'),
  )
}

/** Forgets a copy in an archive that was intended and did not come about. */
export async function deleteIntendedCopy(tx: Tx, snapshot: string): Promise<void> {
  await later(
    tx
      .deleteFrom('snapshotCopy')
      .where('snapshotId', '=', snapshot)
      .where('kind', '=', 'archive')
      .where('state', '=', 'intended'),
  )
}

/** The copy in an archive that can be used, if there is one. */
export async function archiveCopyOf(
  reader: Reader,
  snapshot: string,
): Promise<(SnapshotCopyRow & { readonly archiveId: string }) | undefined> {
  for (const copy of await copiesOf(reader, snapshot)) {
    const { archiveId } = copy
    if (copy.kind === 'archive' && copy.state === 'present' && archiveId !== null) return { ...copy, archiveId }
  }
  return undefined
}

/** Snapshots of a volume that are archived, the newest point in time first, with what their array holds of them. */
export async function archivedOf(
  reader: Reader,
  volume: string,
): Promise<
  readonly {
    readonly snapshot: string
    readonly archive: string
    readonly takenAt: Date
    /** Of a copy on an array; null where there is none. */
    readonly pool: string | null
    readonly base: boolean
  }[]
> {
  return reader
    .selectFrom('snapshot')
    .innerJoin('snapshotCopy as archived', 'archived.snapshotId', 'snapshot.id')
    .leftJoin('snapshotCopy as local', (join) =>
      join
        .onRef('local.snapshotId', '=', 'snapshot.id')
        .on('local.kind', '=', 'array')
        .on('local.state', '=', 'present'),
    )
    .where('snapshot.volumeId', '=', volume)
    .where('snapshot.state', '=', 'BackedUp')
    .where('archived.kind', '=', 'archive')
    .where('archived.state', '=', 'present')
    .select((eb) => [
      'snapshot.id as snapshot',
      'archived.archiveId as archive',
      'snapshot.takenAt',
      'local.poolId as pool',
      eb.fn.coalesce('local.base', eb.lit(false)).as('base'),
    ])
    .$narrowType<{ readonly archive: string; readonly takenAt: Date }>()
    .orderBy('snapshot.takenAt', 'desc')
    .execute()
}

/** The newest snapshot of the volume before this one that is archived, is being archived, or waits for its turn to be. */
export async function baseFor(
  reader: Reader,
  of: { readonly snapshot: string; readonly volume: string },
): Promise<string | undefined> {
  const row = await reader
    .selectFrom('snapshot')
    .select('snapshot.id')
    .where('snapshot.volumeId', '=', of.volume)
    .where('snapshot.removedAt', 'is', null)
    .where(({ or, exists, selectFrom }) =>
      or([
        exists(
          selectFrom('snapshotCopy')
            .select('snapshotCopy.id')
            .whereRef('snapshotCopy.snapshotId', '=', 'snapshot.id')
            .where('snapshotCopy.kind', '=', 'archive')
            .where('snapshotCopy.state', 'in', ['intended', 'present']),
        ),
        exists(
          selectFrom('operation')
            .select('operation.id')
            .whereRef('operation.subjectId', '=', 'snapshot.id')
            .where('operation.saga', '=', 'snapshot-archive')
            .where('operation.endedAt', 'is', null),
        ),
      ]),
    )
    .where('snapshot.seq', '<', (eb) =>
      eb.selectFrom('snapshot as itself').select('itself.seq').where('itself.id', '=', of.snapshot),
    )
    .orderBy('snapshot.seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.id
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

/**
 * Archived snapshots of which an array has a copy that is to go: its deletion began and is not done, or it is there as a base,
 * and its volume is gone, so that no increment follows.
 */
export async function copiesToFinish(reader: Reader): Promise<readonly Pick<SnapshotRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('snapshot')
    .innerJoin('snapshotCopy', 'snapshotCopy.snapshotId', 'snapshot.id')
    .innerJoin('volume', 'volume.id', 'snapshot.volumeId')
    .select(['snapshot.id', 'snapshot.accountId'])
    .where('snapshot.state', '=', 'BackedUp')
    .where('snapshotCopy.kind', '=', 'array')
    .where(({ or, and, eb }) =>
      or([
        eb('snapshotCopy.state', '=', 'deleting'),
        and([
          eb('snapshotCopy.state', '=', 'present'),
          eb('snapshotCopy.base', '=', true),
          eb('volume.removedAt', 'is not', null),
        ]),
      ]),
    )
    .execute()
}

/** Snapshots whose deletion began and is not done. */
export async function snapshotsToFinish(reader: Reader): Promise<readonly Pick<SnapshotRow, 'id' | 'accountId'>[]> {
  return reader.selectFrom('snapshot').select(['id', 'accountId']).where('state', '=', 'Destroying').execute()
}
