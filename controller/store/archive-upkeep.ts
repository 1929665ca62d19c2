import { type Insertable, sql } from 'kysely'
import type { ArchiveUpkeepRow, ArchiveUpkeepTable } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** Records how an archive was seen to, in place of what was known of the last time. */
export async function recordUpkeep(tx: Tx, upkeep: Insertable<ArchiveUpkeepTable>): Promise<void> {
  const { archiveId: _archive, kind: _kind, ...changes } = upkeep
  const found = { endedAt: sql<Date>`now()`, ...changes }
  await later(
    tx
      .insertInto('archiveUpkeep')
      .values(upkeep)
      .onConflict((conflict) => conflict.columns(['archiveId', 'kind']).doUpdateSet(found)),
  )
}

/** How archives were last seen to. */
export async function upkeepOf(reader: Reader, archives: readonly string[]): Promise<readonly ArchiveUpkeepRow[]> {
  if (archives.length === 0) return []
  return reader.selectFrom('archiveUpkeep').selectAll().where('archiveId', 'in', archives).execute()
}

/** Of an archive: something was ever written to it, a snapshot or a template. */
const WRITTEN = sql<boolean>`exists (select from snapshot_copy copy where copy.archive_id = archive.id)
  or exists (select from template where template.archive_id = archive.id)`

/** Of an archive: it holds a snapshot. */
const HOLDING = sql<boolean>`exists (
  select from snapshot_copy copy where copy.archive_id = archive.id and copy.state = 'present')`

/**
 * Ids of archives that are to be collected, or drilled: those that answer, that have ever held anything, or hold a snapshot, and that
 * were not seen to for as long as their interval says, or since they were registered. `usual`: seconds where they have none of
 * their own. What is read-only is not collected.
 */
export async function archivesDue(
  reader: Reader,
  kind: ArchiveUpkeepRow['kind'],
  usual: number,
): Promise<readonly string[]> {
  const own = kind === 'collect' ? sql`archive.collect_interval` : sql`archive.drill_interval`
  const may = kind === 'collect' ? sql`not archive.read_only and (${WRITTEN})` : HOLDING
  const { rows } = await sql<{ readonly id: string }>`
    select archive.id from archive
    left join archive_upkeep upkeep on upkeep.archive_id = archive.id and upkeep.kind = ${kind}
    where archive.removed_at is null and archive.unreachable_since is null and coalesce(${own}, ${usual}) > 0
      and coalesce(upkeep.ended_at, archive.created_at) + make_interval(secs => coalesce(${own}, ${usual})) <= now()
      and ${may}
    order by archive.seq`.execute(reader)
  return rows.map(({ id }) => id)
}

/** Any snapshot of which the archive has a copy that can be used; another each time. */
export async function anyArchived(reader: Reader, archive: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('snapshotCopy')
    .select('snapshotId')
    .where('archiveId', '=', archive)
    .where('state', '=', 'present')
    .orderBy(sql`random()`)
    .limit(1)
    .executeTakeFirst()
  return row?.snapshotId
}

/** Whether the archive has a copy of the snapshot that can be used. */
export async function isInArchive(
  reader: Reader,
  of: { readonly archive: string; readonly snapshot: string },
): Promise<boolean> {
  const row = await reader
    .selectFrom('snapshotCopy')
    .select('id')
    .where('archiveId', '=', of.archive)
    .where('snapshotId', '=', of.snapshot)
    .where('state', '=', 'present')
    .executeTakeFirst()
  return row !== undefined
}

/** Whether anything was ever written to the archive: only then there is something to collect. */
export async function wasWritten(reader: Reader, archive: string): Promise<boolean> {
  const found = await reader.selectFrom('archive').select('id').where('id', '=', archive).where(WRITTEN).execute()
  return found.length > 0
}
