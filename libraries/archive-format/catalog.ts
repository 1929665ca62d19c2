import { type Call, PluginError } from '@moorage/contract'
import { CONDEMNED, condemnedKeys, ID_BYTES, packKey, packOf, PACKS } from './layout.ts'
import { type Entry, entryAt, entryCount, type Footer, footerBytes, parseFooter, TRAILER_BYTES } from './pack.ts'
import { type ArchiveStore, forEach, listAll, mustGet } from './store.ts'
import { readKind, textsField } from './text.ts'

/** What is read of a pack at first: as a rule its whole footer. */
const TAIL_BYTES = 16 * 1024
const WIDTH = 8

/** Keeps footers between jobs: what a pack's name says never changes. Losing any of them costs only time. */
export interface FooterCache {
  get(pack: string): Uint8Array | undefined
  put(pack: string, footer: Uint8Array): void
}

/** A pack whose footer cannot be read. */
export interface Unreadable {
  readonly pack: string
  readonly error: PluginError
}

/** What packs an archive has, and what is in them. */
export interface Catalog {
  /** In the order of their ids. */
  readonly footers: readonly Footer[]
  readonly unreadable: readonly Unreadable[]
  /** Length of all packs. */
  readonly bytes: number
}

/** Where a chunk lies. */
export interface Place extends Entry {
  readonly footer: Footer
  readonly number: number
}

/** Reads the footers of all packs. One that is damaged is told, not thrown: the others are still good. */
export async function readCatalog(
  store: ArchiveStore,
  options: { readonly cache?: FooterCache | undefined; readonly without?: ReadonlySet<string> },
  call: Call,
): Promise<Catalog> {
  const footers: Footer[] = []
  const unreadable: Unreadable[] = []
  const objects = await listAll(store, PACKS, call)
  await forEach(objects, WIDTH, async ({ key, bytes }) => {
    const pack = packOf(key)
    if (pack === undefined || options.without?.has(pack) === true) return
    try {
      const footer = await footerOf(store, { pack, bytes, cache: options.cache }, call)
      if (footer) footers.push(footer)
    } catch (error) {
      if (!(error instanceof PluginError) || error.code !== 'DAMAGED') throw error
      unreadable.push({ pack, error })
    }
  })
  footers.sort((one, other) => (one.pack < other.pack ? -1 : 1))
  return { footers, unreadable, bytes: footers.reduce((sum, { bytes }) => sum + bytes, 0) }
}

interface Asked {
  readonly pack: string
  readonly bytes: number
  readonly cache: FooterCache | undefined
}

/** `undefined`: the pack is gone since it was listed. */
async function footerOf(store: ArchiveStore, asked: Asked, call: Call): Promise<Footer | undefined> {
  const { pack, bytes, cache } = asked
  const kept = keptFooter(asked)
  if (kept) return kept
  const tail = async (length: number) => {
    const offset = Math.max(0, bytes - length)
    return store.get(packKey(pack), { offset, length: bytes - offset }, call)
  }
  let read = await tail(TAIL_BYTES)
  if (!read) return undefined
  if (read.length >= TRAILER_BYTES && footerBytes(read) > read.length) {
    // A damaged number asks for the whole object at most.
    read = await tail(footerBytes(read))
    if (!read) return undefined
  }
  const footer = parseFooter(pack, bytes, read)
  cache?.put(pack, read.subarray(read.length - footerBytes(read)))
  return footer
}

/** What is kept of a pack, if it still fits: whatever is wrong with it, the store has the footer. */
function keptFooter({ pack, bytes, cache }: Asked): Footer | undefined {
  const kept = cache?.get(pack)
  try {
    return kept && parseFooter(pack, bytes, kept)
  } catch (error) {
    if (error instanceof PluginError && error.code === 'DAMAGED') return undefined
    throw error
  }
}

/**
 * Packs that collections have condemned, by run. They may be gone any moment: nobody who comes after refers to them. It is
 * read before the packs are listed.
 */
export async function readCondemned(store: ArchiveStore, call: Call): Promise<ReadonlyMap<string, readonly string[]>> {
  const runs = new Map<string, readonly string[]>()
  for (const { key } of await listAll(store, CONDEMNED, call)) {
    const run = /^condemned\/([^/]+)\/packs$/.exec(key)?.[1]
    if (run === undefined) continue
    const bytes = await store.get(condemnedKeys(run).packs, undefined, call)
    // Gone since it was listed: then all of its packs are gone, too.
    if (bytes) runs.set(run, textsField(key, readKind('condemned', key, bytes), 'packs'))
  }
  return runs
}

/** How many chunks the packs of a catalog hold; one that two packs hold counts twice. */
export function chunkCount({ footers }: Catalog): number {
  return footers.reduce((sum, footer) => sum + entryCount(footer), 0)
}

/** Calls `visit` with each chunk of each pack. The id is only good during the call. */
export function visitChunks(catalog: Catalog, visit: (id: Uint8Array, footer: Footer, number: number) => void): void {
  for (const footer of catalog.footers) {
    for (let number = 0; number < entryCount(footer); number += 1) {
      visit(entryAt(footer, number).id, footer, number)
    }
  }
}

/** Where chunks lie, by `idText`. What is not found is not among the answers. */
export function locate(catalog: Catalog, wanted: ReadonlySet<string>): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>()
  visitChunks(catalog, (id, footer, number) => {
    const text = idText(id)
    if (wanted.has(text) && !places.has(text)) places.set(text, { ...entryAt(footer, number), footer, number })
  })
  return places
}

/** An id as a key of a map: shorter than hexadecimal, and not to be shown. */
export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, ID_BYTES).toString('latin1')
}

/** The whole object of a pack. `DAMAGED` when it is not there. */
export function wholePack(store: ArchiveStore, footer: Footer, call: Call): Promise<Uint8Array> {
  return mustGet(store, packKey(footer.pack), call)
}
