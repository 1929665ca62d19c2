import { PluginError, type SnapshotId } from '@moorage/contract'

/*
 * Where what lies in an archive: docs/reference/archive-format.md.
 */

const MEBIBYTE = 1024 * 1024

/** Version of the format; it stands in every object. */
export const FORMAT_VERSION = 1
/** Lengths that a chunk may have. Powers of two; chosen once for an archive. */
export const CHUNK_BYTES = { least: MEBIBYTE / 4, usual: MEBIBYTE, most: 4 * MEBIBYTE } as const
/** A pack is closed when its chunks take up this much. */
export const PACK_BYTES = 16 * MEBIBYTE
/** A pack is closed when it holds this many chunks, however small they are. */
export const PACK_CHUNKS = 16_384
/** Chunks whose ids stand in one segment. */
export const SEGMENT_CHUNKS = 1024
/** Bytes of the id of a chunk. */
export const ID_BYTES = 32

/** Key of the object that makes a store an archive. */
export const HEAD_KEY = 'moorage-archive'
/** What the keys of packs begin with. */
export const PACKS = 'packs/'
/** What the keys of manifests begin with. */
export const SNAPSHOTS = 'snapshots/'
/** What the keys of writers' leases begin with. */
export const WRITERS = 'writers/'
/** What the keys of condemnations begin with. */
export const CONDEMNED = 'condemned/'
/** What the keys of key rings begin with. */
export const RINGS = 'keys/'

/** The key of a pack; ids of packs are 64 hexadecimal digits. */
export function packKey(pack: string): string {
  return `${PACKS}${pack.slice(0, 2)}/${pack}`
}

/** The id of the pack under a key; `undefined` when no pack has such a key. */
export function packOf(key: string): string | undefined {
  const found = /^packs\/([0-9a-f]{2})\/([0-9a-f]{64})$/.exec(key)
  return found?.[1] === found?.[2]?.slice(0, 2) ? found?.[2] : undefined
}

/** The key under which one attempt stores its manifest. */
export function manifestKey(snapshot: SnapshotId, attempt: string): string {
  return `${SNAPSHOTS}${snapshot}/${attempt}`
}

/** The snapshot and the attempt of a manifest's key. */
export function manifestOf(key: string): { readonly snapshot: SnapshotId; readonly attempt: string } | undefined {
  const found = /^snapshots\/([0-9a-f-]{36})\/([0-9a-f-]{36})$/.exec(key)
  const [, snapshot, attempt] = found ?? []
  if (snapshot === undefined || attempt === undefined) return undefined
  return { snapshot: snapshot as SnapshotId, attempt } // Under such keys nothing but snapshots is stored.
}

/** The key of a writer's lease. */
export function writerKey(attempt: string): string {
  return `${WRITERS}${attempt}`
}

/** Keys of what one collection has condemned: the packs, and the writers that may refer to them. */
export function condemnedKeys(run: string): { readonly packs: string; readonly writers: string } {
  return { packs: `${CONDEMNED}${run}/packs`, writers: `${CONDEMNED}${run}/writers` }
}

/** The key of a generation of an archive's key ring. In the byte order of keys the newest comes last. */
export function ringKey(archive: string, generation: number): string {
  return `${RINGS}${archive}/${String(generation).padStart(8, '0')}`
}

/** Bytes that are not what was stored, or cannot be: names the object. */
export function damaged(object: string, what: string, cause?: unknown): PluginError {
  return new PluginError('DAMAGED', `${object}: ${what}`, 'none', cause)
}

/** How many chunks a volume has; the last may be shorter than the others. */
export function chunksOf(bytes: number, chunkBytes: number): number {
  return Math.ceil(bytes / chunkBytes)
}
