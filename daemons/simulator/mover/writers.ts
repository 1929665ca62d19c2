import type { MoverJobId } from '@moorage/contract'
import type { Store } from '../store.ts'
import type { ArchiveRow } from './archives.ts'

/** A job begins to write into an archive, or goes on. Until it has ended collections wait for it. */
export function beginWriting(store: Store, { url }: ArchiveRow, job: string): void {
  const sql = `INSERT INTO archiveWriters(archive, job, state) VALUES (?, ?, 'writing') ON CONFLICT DO NOTHING`
  store.run(sql, url, job)
}

/** A job writes no more. Answers how many bytes it has added in all. */
export function endWriting(store: Store, { url }: Pick<ArchiveRow, 'url'>, job: string): number {
  const sql = 'SELECT addedBytes FROM archiveWriters WHERE archive = ? AND job = ?'
  const { addedBytes } = store.one<{ addedBytes: number }>(sql, url, job) ?? { addedBytes: 0 }
  store.run(`DELETE FROM archiveWriters WHERE archive = ? AND job = ? AND state = 'writing'`, url, job)
  return addedBytes
}

/** Gives a job up that may still write: it stores nothing any more. One that does not write is left as it is. */
export function giveUp(store: Store, { url }: Pick<ArchiveRow, 'url'>, job: string): void {
  store.run(`UPDATE archiveWriters SET state = 'abandoned' WHERE archive = ? AND job = ?`, url, job)
}

/** Whether a job was given up. */
export function isGivenUp(store: Store, { url }: ArchiveRow, job: string): boolean {
  const sql = `SELECT 1 FROM archiveWriters WHERE archive = ? AND job = ? AND state = 'abandoned'`
  return store.one(sql, url, job) !== undefined
}

/** Jobs that may still write. */
export function writersOf(store: Store, { url }: ArchiveRow): readonly MoverJobId[] {
  const sql = `SELECT job FROM archiveWriters WHERE archive = ? AND state = 'writing' ORDER BY job`
  return store.all<{ job: MoverJobId }>(sql, url).map(({ job }) => job)
}
