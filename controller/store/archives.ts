import { type Insertable, sql, type Updateable } from 'kysely'
import type { ArchiveFacts } from '../domain/archiving.ts'
import type { ArchiveRow, ArchiveTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** Adds an archive. Throws on a second registration of one store (unique index `archive_identity`). */
export async function insertArchive(tx: Tx, archive: Insertable<ArchiveTable>): Promise<void> {
  await tx.insertInto('archive').values(archive).execute()
}

/** The archive, unless it was removed, its row locked until the transaction ends. */
export async function lockArchive(tx: Tx, id: string): Promise<ArchiveRow | undefined> {
  return tx
    .selectFrom('archive')
    .selectAll()
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .forUpdate()
    .executeTakeFirst()
}

/** The archive, removed ones included. */
export async function archiveById(reader: Reader, id: string): Promise<ArchiveRow | undefined> {
  return reader.selectFrom('archive').selectAll().where('id', '=', id).executeTakeFirst()
}

/** What choosing among the archives of a zone looks at, and how long their chunks are, in the order of registration. */
export async function archivesOfZone(
  reader: Reader,
  zone: string,
): Promise<readonly (ArchiveFacts & { readonly chunkBytes: number })[]> {
  const rows = await allArchives(reader)
  return rows
    .filter(({ zoneId }) => zoneId === zone)
    .map(({ id, name, provider, readOnly, unreachableSince, usedBytes, capacityBytes, chunkBytes }) => ({
      id,
      name,
      provider,
      readOnly,
      chunkBytes,
      silent: unreachableSince !== null,
      full: capacityBytes !== null && (usedBytes ?? 0) >= capacityBytes,
    }))
}

/** All archives that were not removed, in the order of registration. */
export async function allArchives(reader: Reader): Promise<readonly ArchiveRow[]> {
  return reader.selectFrom('archive').selectAll().where('removedAt', 'is', null).orderBy('seq').execute()
}

/** Changes columns of an archive. */
export async function updateArchive(tx: Tx, id: string, changes: Updateable<ArchiveTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('archive').set(changes).where('id', '=', id).execute()
}

/** The name under which this store is registered, if it is. */
export async function archiveOfIdentity(
  reader: Reader,
  { provider, identity }: { readonly provider: string; readonly identity: string },
): Promise<string | undefined> {
  const row = await reader
    .selectFrom('archive')
    .select('name')
    .where('provider', '=', provider)
    .where('identity', '=', identity)
    .where('removedAt', 'is', null)
    .executeTakeFirst()
  return row?.name
}

/**
 * What a store said of itself just now; bytes absent: it does not tell. Answers since when it had not answered before;
 * `undefined` when it had, or when it is not registered any more.
 */
export async function reportArchive(
  tx: Tx,
  id: string,
  report: { readonly totalBytes?: number; readonly usedBytes?: number },
): Promise<Date | undefined> {
  const before = await lockArchive(tx, id)
  if (!before) return undefined
  const { totalBytes = null, usedBytes = null } = report
  await tx
    .updateTable('archive')
    .set({ totalBytes, usedBytes, reportedAt: sql<Date>`now()`, unreachableSince: null })
    .where('id', '=', id)
    .execute()
  return before.unreachableSince ?? undefined
}
