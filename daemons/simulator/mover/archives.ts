import { randomUUID } from 'node:crypto'
import {
  type ArchiveAccess,
  type ArchivedSnapshot,
  type ArchiveHead,
  type Page,
  PluginError,
  type SnapshotId,
} from '@moorage/contract'
import { CHUNK_BYTES, fingerprintOf, parseKey } from '@moorage/archive-format'
import { moverArgs } from '@moorage/wire'
import { invalid } from '../check.ts'
import type { Store } from '../store.ts'
import type { MoverRequest } from './mover.ts'

/** Snapshots on a page of a listing. */
const PAGE = 100

/** An archive as it is stored. */
export interface ArchiveRow {
  /** Its plug-in and url: by these it is found. */
  readonly url: string
  readonly id: string
  readonly chunkBytes: number
  readonly keyPrint: string | null
}

/** A snapshot in an archive. `chunks`: numbers and digests of those that are not zeros, ascending. */
export interface Manifest {
  readonly job: string
  readonly shown: ArchivedSnapshot
  readonly chunks: readonly (readonly [number, string])[]
}

/** Method `archives/prepare`. */
export function prepareArchive({ store, args }: MoverRequest): ArchiveHead {
  const access = moverArgs.access(args)
  const { chunkBytes } = moverArgs.shape(args)
  const { least, most, usual } = CHUNK_BYTES
  const made = chunkBytes ?? usual
  if (made < least || made > most || !Number.isInteger(Math.log2(made)))
    throw invalid(`shape.chunkBytes: must be a power of two from ${least} to ${most}`)
  if (!findArchive(store, access))
    store.run('INSERT INTO archives VALUES (?, ?, ?, ?)', urlOf(access), randomUUID(), made, printOf(access.key))
  const row = openArchive(store, access)
  if (chunkBytes !== undefined && chunkBytes !== row.chunkBytes)
    throw new PluginError('CONFLICT', `archive ${row.id} has chunks of ${row.chunkBytes} bytes`, 'none')
  return headOf(row)
}

/** Method `archives/rekey`. */
export function rekeyArchive({ store, args }: MoverRequest): ArchiveHead {
  const access = moverArgs.access(args)
  const print = printOf(moverArgs.rekey(args).newKey)
  const found = findArchive(store, access)
  const row = found?.keyPrint === print ? found : openArchive(store, access)
  if (row.keyPrint === null) throw invalid(`archive ${row.id} is not encrypted: it has no key`)
  store.run('UPDATE archives SET keyPrint = ? WHERE url = ?', print, row.url)
  return headOf(row)
}

/** Method `snapshots/list`. */
export function listSnapshots({ store, args }: MoverRequest): Page<ArchivedSnapshot> {
  const row = openArchive(store, moverArgs.access(args))
  const after = moverArgs.cursor(args) ?? ''
  const sql =
    'SELECT min(shown) AS shown FROM archivedSnapshots WHERE archive = ? AND snapshot > ? GROUP BY snapshot LIMIT ?'
  const items = store.all<{ shown: string }>(sql, row.url, after, PAGE).map(({ shown }) => parseShown(shown))
  const last = items.at(-1)
  return last && items.length === PAGE ? { items, next: last.snapshot } : { items }
}

/** Method `snapshots/get`. */
export function getSnapshot({ store, args }: MoverRequest): ArchivedSnapshot | undefined {
  return findManifest(store, openArchive(store, moverArgs.access(args)), moverArgs.snapshot(args))?.shown
}

/** Method `snapshots/remove`. Chunks stay until they are collected. */
export function removeSnapshot({ store, args }: MoverRequest): void {
  const row = openArchive(store, moverArgs.access(args))
  store.run('DELETE FROM archivedSnapshots WHERE archive = ? AND snapshot = ?', row.url, moverArgs.snapshot(args))
}

/** The archive. `NOT_FOUND` when there is none, `DENIED` for a key that is missing, wrong, replaced, or one too many. */
export function openArchive(store: Store, access: ArchiveAccess): ArchiveRow {
  const row = findArchive(store, access)
  if (!row) throw new PluginError('NOT_FOUND', 'the store holds no archive', 'none')
  const print = printOf(access.key)
  if (print === row.keyPrint) return row
  const why = row.keyPrint === null ? 'is not encrypted, and a key was given' : 'is encrypted, and this is not its key'
  throw new PluginError('DENIED', `archive ${row.id} ${why}`, 'none')
}

/** All manifests of an archive, or those of one snapshot, whichever job made them. */
export function manifestsOf(store: Store, { url }: ArchiveRow, snapshot?: SnapshotId): readonly Manifest[] {
  const sql = `SELECT job, shown, chunks FROM archivedSnapshots WHERE archive = ?1 AND (?2 IS NULL OR snapshot = ?2)
    ORDER BY snapshot, job`
  const rows = store.all<{ job: string; shown: string; chunks: string }>(sql, url, snapshot ?? null)
  return rows.map(({ job, shown, chunks }) => {
    return { job, shown: parseShown(shown), chunks: JSON.parse(chunks) as Manifest['chunks'] } // Stored by storeManifest only.
  })
}

/** The manifest of a snapshot, if it is there. */
function findManifest(store: Store, archive: ArchiveRow, snapshot: SnapshotId): Manifest | undefined {
  return manifestsOf(store, archive, snapshot)[0]
}

/** The same, of one that must be there: `NOT_FOUND`. */
export function needManifest(store: Store, archive: ArchiveRow, snapshot: SnapshotId): Manifest {
  const found = findManifest(store, archive, snapshot)
  if (found) return found
  throw new PluginError('NOT_FOUND', `snapshot ${snapshot} is not in archive ${archive.id}`, 'none')
}

/** Stores a manifest: from then on the snapshot is in the archive. */
export function storeManifest(store: Store, { url }: ArchiveRow, { job, shown, chunks }: Manifest): void {
  const sql = 'INSERT INTO archivedSnapshots VALUES (?, ?, ?, ?, ?)'
  store.run(sql, url, shown.snapshot, job, JSON.stringify(shown), JSON.stringify(chunks))
}

/** How an archive is known to whoever looks at what the simulator holds. */
export function urlOf({ plugin, endpoint }: ArchiveAccess): string {
  return `${plugin} ${endpoint.url}`
}

function findArchive(store: Store, access: ArchiveAccess): ArchiveRow | undefined {
  return store.one<ArchiveRow>('SELECT * FROM archives WHERE url = ?', urlOf(access))
}

function headOf({ id, chunkBytes, keyPrint }: ArchiveRow): ArchiveHead {
  return { id, chunkBytes, encrypted: keyPrint !== null }
}

function printOf(key: string | undefined): string | null {
  return key === undefined ? null : fingerprintOf(parseKey(key))
}

function parseShown(json: string): ArchivedSnapshot {
  return JSON.parse(json) as ArchivedSnapshot // Stored by storeManifest only.
}
