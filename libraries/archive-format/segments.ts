import type { Call } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { type Catalog, idText, locate, type Place } from './catalog.ts'
import { decodeChunk, isZeroId, packKeyOf } from './chunk.ts'
import { chunksOf, damaged, ID_BYTES, packKey, SEGMENT_CHUNKS } from './layout.ts'
import type { Manifest } from './manifest.ts'
import type { Footer } from './pack.ts'
import { dataKeyOf } from './ring.ts'

/** The ids of the chunks of a stretch of a volume: `SEGMENT_CHUNKS` of them, fewer in the last. */
export interface Segment {
  /** Number in the manifest, from 0. */
  readonly number: number
  readonly id: Uint8Array
  /** One id behind the other. */
  readonly ids: Buffer
}

/** How many segments a volume has. */
export function segmentsOf(bytes: number, chunkBytes: number): number {
  return Math.ceil(chunksOf(bytes, chunkBytes) / SEGMENT_CHUNKS)
}

/** How many chunks a segment names. */
export function chunksIn(segment: number, shape: { readonly bytes: number; readonly chunkBytes: number }): number {
  return Math.min(SEGMENT_CHUNKS, chunksOf(shape.bytes, shape.chunkBytes) - segment * SEGMENT_CHUNKS)
}

/** The id of one segment of a manifest. */
export function segmentId({ segments }: Manifest, number: number): Uint8Array {
  return segments.subarray(number * ID_BYTES, (number + 1) * ID_BYTES)
}

/** What segments are read from. */
export interface SegmentSource {
  readonly archive: Archive
  readonly catalog: Catalog
  readonly manifest: Manifest
  /** The first segment to be read; absent: 0. */
  readonly from?: number
  /** Segments that need not be read, by their id. */
  skip?(id: Uint8Array): boolean
}

/**
 * Reads segments of a snapshot by their number: its ids, or `undefined` for one of zeros. `DAMAGED` when it is missing or does
 * not fit. What lies where is looked up once, here.
 */
export function segmentReader({ archive, catalog, manifest }: SegmentSource, call: Call) {
  const numbers = Array.from({ length: segmentsOf(manifest.bytes, manifest.chunkBytes) }, (_, number) => number)
  const present = numbers.map((number) => segmentId(manifest, number)).filter((id) => !isZeroId(id))
  const places = locate(catalog, new Set(present.map(idText)))
  return async (number: number): Promise<Segment | undefined> => {
    const id = segmentId(manifest, number)
    if (isZeroId(id)) return undefined
    const what = `segment ${number} of snapshot ${manifest.snapshot}`
    const place = places.get(idText(id))
    if (!place) throw damaged(`chunk ${hex(id)}`, `${what} is in no pack`)
    const plain = await readChunk(archive, place, call)
    const ids = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength)
    if (ids.length !== chunksIn(number, manifest) * ID_BYTES)
      throw damaged(packKey(place.footer.pack), `${what} is cut`)
    return { number, id, ids }
  }
}

/** Calls `visit` with each segment that is not all zeros, in order. `DAMAGED` as `segmentReader`. */
export async function visitSegments(
  source: SegmentSource,
  visit: (segment: Segment) => Promise<void> | void,
  call: Call,
): Promise<void> {
  const { manifest, from = 0 } = source
  const read = segmentReader(source, call)
  for (let number = from; number < segmentsOf(manifest.bytes, manifest.chunkBytes); number += 1) {
    if (source.skip?.(segmentId(manifest, number)) === true) continue
    const segment = await read(number)
    if (segment) await visit(segment)
  }
}

/** Reads one chunk and checks it. `DAMAGED`, naming pack and chunk, when it is not what was stored. */
export async function readChunk(archive: Archive, place: Place, call: Call): Promise<Uint8Array> {
  const { offset, length, footer } = place
  const object = packKey(footer.pack)
  const stored = await archive.store.get(object, { offset, length }, call)
  if (!stored) throw damaged(object, 'is not there')
  return openChunk(archive, place, stored)
}

/** An archive without its store: what opens chunks. */
export type Unlocked = Pick<Archive, 'head' | 'ring'>

/** Checks and opens a stored chunk. */
export function openChunk(archive: Unlocked, place: Place, stored: Uint8Array): Uint8Array {
  const object = packKey(place.footer.pack)
  if (stored.length !== place.length) throw damaged(object, `ends before chunk ${hex(place.id)}`)
  const key = chunkKeyOf(archive, place.footer)
  try {
    return decodeChunk(stored, { ...place, key, idKey: archive.ring?.idKey })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw damaged(object, `chunk ${hex(place.id)} at ${place.offset}: ${why}`, error)
  }
}

/** The key that opens the chunks of a pack; `undefined` where they are not sealed. */
export function chunkKeyOf({ ring }: Unlocked, { pack, keyNumber, salt }: Footer): Uint8Array | undefined {
  if (!ring) {
    if (keyNumber === 0) return undefined
    throw damaged(packKey(pack), 'is sealed, in an archive that is not encrypted')
  }
  return packKeyOf(dataKeyOf(ring, keyNumber, packKey(pack)), salt)
}

function hex(id: Uint8Array): string {
  return Buffer.from(id).toString('hex')
}
