import { hash } from 'node:crypto'
import { PluginError } from '@moorage/contract'
import type { Store } from '../store.ts'
import type { ArchiveRow } from './archives.ts'

/** By what a chunk is known: its SHA-256. */
export function digestOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** Stores a chunk unless it is there; answers how many bytes were sent for it. */
export function storeChunk(
  store: Store,
  { url }: ArchiveRow,
  { job, bytes }: { readonly job: string; readonly bytes: Uint8Array },
): { readonly hash: string; readonly sent: number } {
  const digest = digestOf(bytes)
  const { changes } = store.run(
    'INSERT INTO archiveChunks VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    url,
    digest,
    job,
    bytes,
  )
  if (changes === 0) return { hash: digest, sent: 0 }
  const sql = 'UPDATE archiveWriters SET addedBytes = addedBytes + ? WHERE archive = ? AND job = ?'
  store.run(sql, bytes.length, url, job)
  return { hash: digest, sent: bytes.length }
}

/** Whether a chunk is there. */
export function hasChunk(store: Store, { url }: ArchiveRow, digest: string): boolean {
  return store.one('SELECT 1 FROM archiveChunks WHERE archive = ? AND hash = ?', url, digest) !== undefined
}

/** The bytes of a chunk, checked: `DAMAGED` when they are not what was stored, or are not there. */
export function loadChunk(store: Store, { url }: ArchiveRow, digest: string): Uint8Array {
  const sql = 'SELECT bytes FROM archiveChunks WHERE archive = ? AND hash = ?'
  const row = store.one<{ bytes: Uint8Array }>(sql, url, digest)
  if (row && digestOf(row.bytes) === digest) return row.bytes
  throw new PluginError(
    'DAMAGED',
    `${objectOf(digest)}: ${row ? 'is not what was stored' : 'is not there'}`,
    'possible',
  )
}

/** How the object of a chunk is called. */
export function objectOf(digest: string): string {
  return `chunks/${digest}`
}
