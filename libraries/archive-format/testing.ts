import {
  type ArchiveObject,
  type ArchiveStore,
  type Call,
  PluginError,
  type SnapshotId,
  type VolumeId,
} from '@moorage/contract'
import type { Archive } from './archive.ts'
import { idText, readCatalog, visitChunks } from './catalog.ts'
import { chunkId, isZero, isZeroId, zeroId } from './chunk.ts'
import { packKey, SEGMENT_CHUNKS } from './layout.ts'
import { type Committed, commitManifest, needManifest } from './manifest.ts'
import { PackBuilder, packBufferBytes } from './pack.ts'
import { planRestore } from './restore.ts'
import { packKeysOf } from './ring.ts'
import { readChunk } from './segments.ts'
import { beginWriting, endWriting } from './writers.ts'

/** A store in memory for tests. */
export interface MemoryStore extends ArchiveStore {
  readonly objects: Map<string, Uint8Array>
}

/** How a memory store behaves. */
export interface MemoryStoreOptions {
  /** Awaited before every operation, with its name and key: a test decides here who goes on. */
  turn?(operation: string, key: string): Promise<void>
  /** Objects on a page of a listing. */
  readonly page?: number
}

/** A store that keeps what the contract promises: whole objects, atomic conditional writes, strong listings. */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const objects = new Map<string, Uint8Array>()
  const turn = async (operation: string, key: string) => options.turn?.(operation, key)
  const page = options.page ?? 1000
  const describe = (key: string): ArchiveObject => ({ key, bytes: objects.get(key)?.length ?? 0, writtenAt: 0 })
  return {
    objects,
    limits: { maxObjectBytes: 2 ** 30, maxKeyBytes: 512 },
    probe: async () => ({ identity: 'memory', conditionalPut: 'atomic', listing: 'strong' }),
    async put(key, body) {
      await turn('put', key)
      if (!/^[a-z0-9._-]+(\/[a-z0-9._-]+)*$/.test(key)) throw new PluginError('INVALID', `key ${key}`, 'none')
      if (objects.has(key)) return 'present'
      objects.set(key, Uint8Array.from(body))
      return 'stored'
    },
    async get(key, range) {
      await turn('get', key)
      const bytes = objects.get(key)
      return range ? bytes?.slice(range.offset, range.offset + range.length) : bytes?.slice()
    },
    async stat(key) {
      await turn('stat', key)
      return objects.has(key) ? describe(key) : undefined
    },
    async list(prefix, cursor) {
      await turn('list', prefix)
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > (cursor ?? '')).sort()
      const items = keys.slice(0, page).map(describe)
      const next = keys.length > page ? items.at(-1)?.key : undefined
      return next === undefined ? { items } : { items, next }
    },
    async delete(key) {
      await turn('delete', key)
      objects.delete(key)
    },
  }
}

/** A call of a test. */
export function testCall(): Call {
  const { signal } = new AbortController()
  return { key: 'test', fence: 0, deadline: Date.now() + 60_000, signal }
}

/** A snapshot to be written by `writeSnapshot`. */
export interface TestSnapshot {
  readonly attempt: string
  readonly snapshot: SnapshotId
  /** Its bytes. */
  readonly bytes: Uint8Array
  /** Awaited between reading what is stored and writing; for tests that interleave. */
  pause?(): Promise<void>
}

/** Writes a snapshot in the plainest way that keeps the rules of the format. Answers whether it is in the archive. */
export async function writeSnapshot(archive: Archive, test: TestSnapshot, call: Call): Promise<Committed> {
  const { attempt, snapshot, bytes } = test
  const { store, head, ring } = archive
  const catalog = await beginWriting(archive, { attempt, snapshot }, call)
  const known = new Set<string>()
  visitChunks(catalog, (id) => known.add(idText(id)))
  await test.pause?.()
  const keys = ring && packKeysOf(ring)
  const builder = new PackBuilder({ buffer: Buffer.allocUnsafe(packBufferBytes(head.chunkBytes)), attempt, keys })
  const stored = (plain: Uint8Array) => {
    if (isZero(plain)) return zeroId()
    const id = chunkId(plain, ring?.idKey)
    if (!known.has(idText(id))) builder.add(id, plain)
    known.add(idText(id))
    return id
  }
  const ids: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += head.chunkBytes) ids.push(stored(bytes.subarray(at, at + head.chunkBytes)))
  const segments: Uint8Array[] = []
  for (let at = 0; at < ids.length; at += SEGMENT_CHUNKS) {
    segments.push(stored(Buffer.concat(ids.slice(at, at + SEGMENT_CHUNKS))))
  }
  const pack = builder.finish()
  if (pack.chunks > 0) await store.put(packKey(pack.id), pack.bytes, call)
  const came = await commitManifest(
    archive,
    {
      attempt,
      snapshot,
      volume: snapshot as string as VolumeId, // A test does not care which volume it is.
      bytes: bytes.length,
      chunkBytes: head.chunkBytes,
      dataBytes: ids.filter((id) => !isZeroId(id)).length * head.chunkBytes,
      addedBytes: pack.bytes.length,
      takenAt: 1,
      archivedAt: 2,
      segments: Buffer.concat(segments),
    },
    call,
  )
  await endWriting(store, attempt, call)
  return came
}

/** The bytes of a snapshot, read in the plainest way. Throws `DAMAGED` rather than answer others. */
export async function readSnapshot(archive: Archive, snapshot: SnapshotId, call: Call): Promise<Buffer> {
  const manifest = await needManifest(archive, snapshot, call)
  const catalog = await readCatalog(archive.store, {}, call)
  const bytes = Buffer.alloc(manifest.bytes)
  await planRestore(
    { archive, catalog, manifest },
    async ({ reads }) => {
      for (const { needed } of reads) {
        for (const { place, offsets } of needed) {
          const plain = await readChunk(archive, place, call)
          for (const offset of offsets) bytes.set(plain, offset)
        }
      }
    },
    call,
  )
  return bytes
}

/** Bytes that are the same for the same seed: `compressible` ones shrink to about a third. */
export function patternBytes(seed: number, length: number, compressible = false): Buffer {
  const bytes = Buffer.alloc(length)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = compressible ? 97 + ((state >>> 24) % 4) : state >>> 24
  }
  return bytes
}
