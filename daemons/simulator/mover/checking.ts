import type { ArchiveDamage, CollectResult, CollectTask, VerifyResult, VerifyTask } from '@moorage/contract'
import type { Store } from '../store.ts'
import { manifestsOf, needManifest, openArchive } from './archives.ts'
import { digestOf, objectOf } from './chunks.ts'
import { writersOf } from './writers.ts'

/** What a report holds at most. */
const REPORTED = 1000

interface ChunkRow {
  readonly hash: string
  readonly job: string
  readonly bytes: Uint8Array
}

/** A verify job: every byte is read and compared with its digest. */
export function verify(store: Store, task: VerifyTask): VerifyResult {
  const archive = openArchive(store, task.archive)
  if (task.snapshot !== undefined) needManifest(store, archive, task.snapshot)
  const manifests = manifestsOf(store, archive, task.snapshot)
  const needed = new Map<string, { snapshot: ArchiveDamage['snapshots'][number]['snapshot']; offset: number }[]>()
  for (const { shown, chunks } of manifests) {
    for (const [number, hash] of chunks) {
      const places = needed.get(hash) ?? []
      needed.set(hash, places)
      const { snapshot } = shown
      if (!places.some((place) => place.snapshot === snapshot))
        places.push({ snapshot, offset: number * archive.chunkBytes })
    }
  }
  const rows = store
    .all<ChunkRow>('SELECT hash, job, bytes FROM archiveChunks WHERE archive = ?', archive.url)
    .filter(({ hash }) => task.snapshot === undefined || needed.has(hash))
  const there = new Set(rows.map(({ hash }) => hash))
  const damage = (chunk: string, what: string): ArchiveDamage => {
    return { object: objectOf(chunk), what, snapshots: needed.get(chunk) ?? [], chunk }
  }
  const damages = [
    ...rows
      .filter(({ hash, bytes }) => digestOf(bytes) !== hash)
      .map(({ hash }) => damage(hash, 'is not what was stored')),
    ...[...needed.keys()].filter((hash) => !there.has(hash)).map((hash) => damage(hash, 'is not there')),
  ]
  return {
    kind: 'verify',
    objects: rows.length + manifests.length + 1,
    snapshots: manifests.length,
    checkedBytes: rows.reduce((sum, { bytes }) => sum + bytes.length, 0),
    damaged: damages.length,
    damages: damages.slice(0, REPORTED),
  }
}

/** A collect job. What nobody refers to goes, once nobody writes any more; what is being written stays. */
export function collect(store: Store, task: CollectTask): CollectResult {
  const archive = openArchive(store, task.archive)
  const live = new Set(manifestsOf(store, archive).flatMap(({ chunks }) => chunks.map(([, hash]) => hash)))
  const writers = writersOf(store, archive)
  const writing = new Set<string>(writers)
  const orphans = store
    .all<ChunkRow>('SELECT hash, job, bytes FROM archiveChunks WHERE archive = ?', archive.url)
    .filter(({ hash, job }) => !live.has(hash) && !writing.has(job))
  const kept = { kind: 'collect', removed: 0, removedBytes: 0, condemned: 0, waitsFor: [] } as const
  if (orphans.length === 0) return kept
  if (writers.length > 0) return { ...kept, condemned: orphans.length, waitsFor: writers }
  const sql = 'DELETE FROM archiveChunks WHERE archive = ? AND hash = ?'
  for (const { hash } of orphans) store.run(sql, archive.url, hash)
  return { ...kept, removed: orphans.length, removedBytes: orphans.reduce((sum, { bytes }) => sum + bytes.length, 0) }
}
