import { type Call, PluginError } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { type Catalog, chunkCount, type FooterCache, readCatalog, visitChunks } from './catalog.ts'
import { ID_BYTES } from './layout.ts'
import { type Manifest, manifestKeys, readManifest } from './manifest.ts'
import type { Footer } from './pack.ts'
import { visitSegments } from './segments.ts'
import { ChunkTable } from './table.ts'

/** Which chunks the snapshots of an archive refer to. */
export interface Marks {
  readonly catalog: Catalog
  /** Whether a snapshot refers to any chunk of a pack. */
  isLive(footer: Footer): boolean
}

const MARKED = 1
const SEGMENT_READ = 2

/**
 * Reads all manifests that are there now, and marks what they refer to. Throws `DAMAGED` when one of them, or a segment,
 * cannot be read: what it refers to is then not known.
 */
export async function markLive(
  archive: Archive,
  options: { readonly cache?: FooterCache | undefined },
  call: Call,
): Promise<Marks> {
  // Before the packs: what a manifest refers to was stored before it.
  const keys = await manifestKeys(archive.store, undefined, call)
  const catalog = await readCatalog(archive.store, options, call)
  const table = ChunkTable.for(chunkCount(catalog))
  visitChunks(catalog, (id) => table.claim(id))
  const marks = new Uint8Array(table.slots)
  for (const key of keys) {
    const manifest = await readManifest(archive, key, call)
    if (manifest) await markManifest({ archive, catalog, manifest, key, table, marks }, call)
  }
  return {
    catalog,
    isLive: (footer) => {
      let live = false
      visitChunks({ ...catalog, footers: [footer] }, (id) => {
        const slot = table.find(id)
        live ||= slot !== undefined && marks[slot] !== 0
      })
      return live
    },
  }
}

interface Marking {
  readonly archive: Archive
  readonly catalog: Catalog
  readonly manifest: Manifest
  readonly key: string
  readonly table: ChunkTable
  readonly marks: Uint8Array
}

async function markManifest(marking: Marking, call: Call): Promise<void> {
  const { archive, key, table, marks } = marking
  const mark = (id: Uint8Array, as: number) => {
    const slot = table.find(id)
    if (slot !== undefined) marks[slot] = Math.max(as, marks[slot] ?? 0)
  }
  const isRead = (id: Uint8Array) => marks[table.find(id) ?? -1] === SEGMENT_READ
  try {
    await visitSegments(
      { ...marking, skip: isRead },
      ({ id, ids }) => {
        for (let at = 0; at < ids.length; at += ID_BYTES) mark(ids.subarray(at, at + ID_BYTES), MARKED)
        mark(id, SEGMENT_READ)
      },
      call,
    )
  } catch (error) {
    // Taken out of the archive meanwhile: then its packs may go, too.
    const gone = error instanceof PluginError && error.code === 'DAMAGED' && !(await archive.store.stat(key, call))
    if (!gone) throw error
  }
}
