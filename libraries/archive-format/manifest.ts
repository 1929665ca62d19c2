import { type Call, type ArchivedSnapshot, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { seal, unseal } from './key.ts'
import { chunksOf, damaged, ID_BYTES, manifestKey, manifestOf, SEGMENT_CHUNKS, SNAPSHOTS } from './layout.ts'
import { dataKeyOf } from './ring.ts'
import { type ArchiveStore, listAll } from './store.ts'
import { type Fields, numberField, readText, textField, writeText } from './text.ts'

/*
 * A manifest names the segments of one snapshot. It is written last: with it the snapshot is in the archive, before it not.
 */

/** A snapshot in an archive. */
export interface Manifest extends ArchivedSnapshot {
  readonly attempt: string
  readonly chunkBytes: number
  /** Ids of the segments, one behind the other; zeros for a segment without data. */
  readonly segments: Buffer
}

/** What came of storing a manifest. */
export type Committed = 'stored' | 'abandoned'

/**
 * Stores a manifest: the commit point. Repeating it succeeds. `abandoned`: somebody has given the attempt up meanwhile, and
 * what it has written may be gone.
 */
export async function commitManifest(archive: Archive, manifest: Manifest, call: Call): Promise<Committed> {
  const key = manifestKey(manifest.snapshot, manifest.attempt)
  if ((await archive.store.put(key, writeManifest(archive, manifest), call)) === 'stored') return 'stored'
  return (await readManifest(archive, key, call)) ? 'stored' : 'abandoned'
}

/** Makes it impossible that an attempt stores its manifest. `stored`: it has. Needs a store with atomic conditional writes. */
export async function forbidManifest(
  { store }: Pick<Archive, 'store'>,
  { snapshot, attempt }: { readonly snapshot: SnapshotId; readonly attempt: string },
  call: Call,
): Promise<Committed> {
  const key = manifestKey(snapshot, attempt)
  if ((await store.put(key, writeText('abandoned', { attempt }), call)) === 'stored') return 'abandoned'
  const there = await store.get(key, undefined, call)
  return there && readText(key, there).kind === 'abandoned' ? 'abandoned' : 'stored'
}

function writeManifest(archive: Archive, manifest: Manifest): Buffer {
  const { snapshot, attempt, segments, ...rest } = manifest
  const body = JSON.stringify({ ...rest, segments: segments.toString('base64') })
  if (!archive.ring) return writeText('snapshot', { snapshot, attempt, body })
  const number = archive.ring.dataKeys.length
  const key = dataKeyOf(archive.ring, number, SNAPSHOTS)
  const sealed = seal(Buffer.from(body), { key, purpose: purposeOf(archive, { snapshot, attempt }) })
  return writeText('snapshot', { snapshot, attempt, key: number, sealed })
}

/** Reads a manifest; `undefined` for one that is not there, or was forbidden. */
export async function readManifest(archive: Archive, object: string, call: Call): Promise<Manifest | undefined> {
  const bytes = await archive.store.get(object, undefined, call)
  if (bytes === undefined) return undefined
  const { kind, body: fields } = readText(object, bytes)
  if (kind === 'abandoned') return undefined
  const names = manifestOf(object)
  const own = { snapshot: textField(object, fields, 'snapshot'), attempt: textField(object, fields, 'attempt') }
  if (kind !== 'snapshot' || names?.snapshot !== own.snapshot || names.attempt !== own.attempt) {
    throw damaged(object, 'is not the manifest of this name')
  }
  const body = archive.ring ? opened(archive, object, { ...fields, ...own }) : textField(object, fields, 'body')
  const manifest = { ...names, ...parse(object, JSON.parse(body) as Fields) } // Digest or seal say that we wrote it.
  const segments = Math.ceil(chunksOf(manifest.bytes, manifest.chunkBytes) / SEGMENT_CHUNKS)
  if (manifest.segments.length !== segments * ID_BYTES || manifest.chunkBytes !== archive.head.chunkBytes) {
    throw damaged(object, 'does not name the segments that it must have')
  }
  return manifest
}

function opened(archive: Archive, object: string, fields: Fields & { snapshot: string; attempt: string }): string {
  if (!archive.ring) throw damaged(object, 'is sealed, in an archive that is not encrypted')
  const key = dataKeyOf(archive.ring, numberField(object, fields, 'key'), object)
  const body = unseal(textField(object, fields, 'sealed'), { key, purpose: purposeOf(archive, fields) })
  if (!body) throw damaged(object, 'its seal does not fit')
  return body.toString()
}

function parse(object: string, fields: Fields): Omit<Manifest, 'snapshot' | 'attempt'> {
  const number = (name: string) => numberField(object, fields, name)
  const base = fields['base']
  return {
    volume: textField(object, fields, 'volume') as VolumeId, // Sealed or digested: it is what we wrote.
    bytes: number('bytes'),
    chunkBytes: number('chunkBytes'),
    dataBytes: number('dataBytes'),
    addedBytes: number('addedBytes'),
    takenAt: number('takenAt'),
    archivedAt: number('archivedAt'),
    ...(typeof base === 'string' && { base: base as SnapshotId }), // The same.
    segments: Buffer.from(textField(object, fields, 'segments'), 'base64'),
  }
}

/** The manifest that an attempt has stored, if it has. */
export function readManifestOfAttempt(
  archive: Archive,
  { snapshot, attempt }: { readonly snapshot: SnapshotId; readonly attempt: string },
  call: Call,
): Promise<Manifest | undefined> {
  return readManifest(archive, manifestKey(snapshot, attempt), call)
}

/** Keys of all manifests, forbidden ones included: of one snapshot, or of all. */
export async function manifestKeys(
  store: ArchiveStore,
  snapshot: SnapshotId | undefined,
  call: Call,
): Promise<readonly string[]> {
  const objects = await listAll(store, snapshot === undefined ? SNAPSHOTS : `${SNAPSHOTS}${snapshot}/`, call)
  return objects.map(({ key }) => key)
}

/** The manifest of a snapshot; of several attempts that stored the same, the first. */
export async function findManifest(archive: Archive, snapshot: SnapshotId, call: Call): Promise<Manifest | undefined> {
  for (const key of await manifestKeys(archive.store, snapshot, call)) {
    const manifest = await readManifest(archive, key, call)
    if (manifest) return manifest
  }
  return undefined
}

/** The same, of a snapshot that must be there: `NOT_FOUND`. */
export async function needManifest(archive: Archive, snapshot: SnapshotId, call: Call): Promise<Manifest> {
  const manifest = await findManifest(archive, snapshot, call)
  if (manifest) return manifest
  throw new PluginError('NOT_FOUND', `snapshot ${snapshot} is not in archive ${archive.head.id}`, 'none')
}

/** Takes a snapshot out of the archive, damaged or not. What was forbidden stays so. */
export async function removeManifests({ store }: Archive, snapshot: SnapshotId, call: Call): Promise<void> {
  for (const key of await manifestKeys(store, snapshot, call)) {
    const bytes = await store.get(key, undefined, call)
    if (bytes && !isForbidden(key, bytes)) await store.delete(key, call)
  }
}

function isForbidden(key: string, bytes: Uint8Array): boolean {
  try {
    return readText(key, bytes).kind === 'abandoned'
  } catch (error) {
    if (error instanceof PluginError && error.code === 'DAMAGED') return false
    throw error
  }
}

function purposeOf({ head }: Archive, fields: { readonly snapshot: string; readonly attempt: string }): string {
  return `moorage archive ${head.id} snapshot ${fields.snapshot} ${fields.attempt}`
}
