import { type ArchiveDamage, type Call, PluginError, type SnapshotId, type VerifyResult } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { type Catalog, chunkCount, type FooterCache, readCatalog, visitChunks } from './catalog.ts'
import { isZeroId, release } from './chunk.ts'
import { damaged, HEAD_KEY, ID_BYTES, manifestOf, packKey, packOf, SEGMENT_CHUNKS } from './layout.ts'
import { type Manifest, manifestKeys, readManifest } from './manifest.ts'
import { checkFrame, entryAt, entryCount, type Footer } from './pack.ts'
import { openChunk, segmentId, segmentReader, segmentsOf, type Unlocked } from './segments.ts'
import { forEach, listAll, mustGet } from './store.ts'
import { ChunkTable } from './table.ts'
import { readText } from './text.ts'

/** One chunk of a pack that is not what was stored. */
export interface BadChunk {
  readonly number: number
  readonly what: string
}

/** What a verification is given. */
export interface VerifyOptions {
  /** Only what this snapshot needs. Absent: every byte of the archive. */
  readonly snapshot?: SnapshotId | undefined
  readonly cache?: FooterCache | undefined
  /** How many packs are read at the same time. */
  readonly width: number
  /** Checks one whole pack; `checkPack`, or the same elsewhere. */
  check(footer: Footer, whole: Uint8Array): Promise<readonly BadChunk[]>
  /** Told of the bytes of each pack that was read, and of all that will be. */
  onProgress?(done: number, total: number): void
}

/** What a report holds at most. */
const REPORTED = 1000

/** Checks every byte of a pack: its frame, and each chunk by checksum, seal and id. */
export function checkPack(archive: Unlocked, footer: Footer, whole: Uint8Array): readonly BadChunk[] {
  const bad: BadChunk[] = []
  if (whole.length !== footer.bytes)
    throw damaged(packKey(footer.pack), `has ${whole.length} bytes, not ${footer.bytes}`)
  checkFrame(footer, whole)
  for (let number = 0; number < entryCount(footer); number += 1) {
    const entry = entryAt(footer, number)
    try {
      const stored = whole.subarray(entry.offset, entry.offset + entry.length)
      const plain = openChunk(archive, { ...entry, footer, number }, stored)
      if (plain.buffer !== whole.buffer) release(plain)
    } catch (error) {
      bad.push({ number, what: error instanceof Error ? error.message : String(error) })
    }
  }
  return bad
}

/** Reads an archive, or what one snapshot in it needs, and answers what is damaged, and whom that concerns. */
export async function verify(archive: Archive, options: VerifyOptions, call: Call): Promise<VerifyResult> {
  const report = new Report()
  const manifests = await readManifests(archive, { ...options, report }, call)
  const catalog = await readCatalog(archive.store, options, call)
  for (const { pack, error } of catalog.unreadable) report.add(packKey(pack), error.message)
  const good = ChunkTable.for(chunkCount(catalog))
  const concerned = await concernedPacks(archive, { ...options, catalog, manifests, report }, call)
  await checkPacks(archive, { ...options, footers: concerned, report, good }, call)
  for (const manifest of manifests) await followManifest({ archive, manifest, catalog, good, report }, call)
  if (options.snapshot === undefined) await checkTexts(archive, report, call)
  return report.result(manifests.length)
}

interface Part extends VerifyOptions {
  readonly report: Report
}

async function readManifests(archive: Archive, { snapshot, report }: Part, call: Call): Promise<readonly Manifest[]> {
  const found: Manifest[] = []
  for (const key of await manifestKeys(archive.store, snapshot, call)) {
    const manifest = await report.guard(key, () => readManifest(archive, key, call))
    if (manifest) found.push(manifest)
  }
  if (snapshot === undefined || found.length > 0 || report.damaged > 0) return found
  throw new PluginError('NOT_FOUND', `snapshot ${snapshot} is not in archive ${archive.head.id}`, 'none')
}

/** Packs to be read: all, or those that hold anything of the manifests. */
async function concernedPacks(
  archive: Archive,
  part: Part & { readonly catalog: Catalog; readonly manifests: readonly Manifest[] },
  call: Call,
): Promise<readonly Footer[]> {
  const { catalog, manifests, report } = part
  if (part.snapshot === undefined) return catalog.footers
  const wanted = ChunkTable.for(chunkCount(catalog) * 2)
  for (const manifest of manifests) {
    await eachSegment({ archive, manifest, catalog, report }, call, (ids, id) => {
      wanted.claim(id)
      for (let at = 0; at < ids.length; at += ID_BYTES) wanted.claim(ids.subarray(at, at + ID_BYTES))
    })
  }
  return catalog.footers.filter((footer) => {
    let any = false
    visitChunks({ ...catalog, footers: [footer] }, (id) => (any ||= wanted.has(id)))
    return any
  })
}

async function checkPacks(
  archive: Archive,
  part: Part & { readonly footers: readonly Footer[]; readonly good: ChunkTable },
  call: Call,
): Promise<void> {
  const { report, good, footers } = part
  const total = footers.reduce((sum, { bytes }) => sum + bytes, 0)
  await forEach(footers, part.width, async (footer) => {
    const object = packKey(footer.pack)
    const bad = await report.guard(object, async () => part.check(footer, await mustGet(archive.store, object, call)))
    const damages = new Map(bad?.map(({ number, what }) => [number, what]))
    for (let number = 0; bad && number < entryCount(footer); number += 1) {
      const { id } = entryAt(footer, number)
      const what = damages.get(number)
      if (what === undefined) good.claim(id)
      else report.add(object, what, id)
    }
    report.checkedBytes += footer.bytes
    part.onProgress?.(report.checkedBytes, total)
  })
}

interface Following {
  readonly archive: Archive
  readonly manifest: Manifest
  readonly catalog: Catalog
  readonly report: Report
}

/** Names the snapshot wherever a chunk that it needs is not good. */
async function followManifest(following: Following & { readonly good: ChunkTable }, call: Call): Promise<void> {
  const { manifest, good, report } = following
  const { snapshot, chunkBytes } = manifest
  await eachSegment(following, call, (ids, _, segment) => {
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const id = ids.subarray(at, at + ID_BYTES)
      if (isZeroId(id) || good.has(id)) continue
      const offset = (segment * SEGMENT_CHUNKS + at / ID_BYTES) * chunkBytes
      report.concern(id, { snapshot, offset })
    }
  })
}

/** Visits the segments that can be read; those that cannot concern their snapshot. */
async function eachSegment(
  { archive, manifest, catalog, report }: Following,
  call: Call,
  visit: (ids: Buffer, id: Uint8Array, segment: number) => void,
): Promise<void> {
  const { snapshot, chunkBytes } = manifest
  const read = segmentReader({ archive, catalog, manifest }, call)
  for (let number = 0; number < segmentsOf(manifest.bytes, chunkBytes); number += 1) {
    const id = segmentId(manifest, number)
    try {
      const segment = await read(number)
      if (segment) visit(segment.ids, id, number)
    } catch (error) {
      if (!(error instanceof PluginError) || error.code !== 'DAMAGED') throw error
      report.concern(id, { snapshot, offset: number * SEGMENT_CHUNKS * chunkBytes })
    }
  }
}

/** Checks every object that is no pack and no manifest, and that every object has a name of the format. */
async function checkTexts({ store }: Archive, report: Report, call: Call): Promise<void> {
  for (const { key } of await listAll(store, '', call)) {
    report.objects += 1
    if (packOf(key) !== undefined || manifestOf(key) !== undefined) continue
    if (key !== HEAD_KEY && !/^(keys|writers|condemned)\/./.test(key)) {
      // A store may be shared: what lies beside the archive is none of it.
      report.objects -= 1
      if (/^(packs|snapshots)\//.test(key)) report.add(key, 'has a name that nothing in an archive has')
      continue
    }
    await report.guard(key, async () => {
      const bytes = await store.get(key, undefined, call)
      if (bytes) readText(key, bytes)
    })
  }
}

/** What has been found so far. */
class Report {
  checkedBytes = 0
  objects = 0
  readonly #damages: ArchiveDamage[] = []
  readonly #byChunk = new Map<string, number>()

  get damaged(): number {
    return this.#damages.length
  }

  add(object: string, what: string, id?: Uint8Array): void {
    const chunk = id && Buffer.from(id).toString('hex')
    if (chunk !== undefined) this.#byChunk.set(chunk, this.#damages.length)
    const named = manifestOf(object)
    const snapshots = named ? [{ snapshot: named.snapshot, offset: 0 }] : []
    this.#damages.push({ object, what, snapshots, ...(chunk !== undefined && { chunk }) })
  }

  /** A snapshot needs a chunk that is not good. */
  concern(id: Uint8Array, where: ArchiveDamage['snapshots'][number]): void {
    const chunk = Buffer.from(id).toString('hex')
    if (!this.#byChunk.has(chunk)) this.add(`chunk ${chunk}`, 'is in no pack that can be read', id)
    const index = this.#byChunk.get(chunk) ?? 0
    const damage = this.#damages[index]
    if (!damage || damage.snapshots.some(({ snapshot }) => snapshot === where.snapshot)) return
    this.#damages[index] = { ...damage, snapshots: [...damage.snapshots, where] }
  }

  /** Does something with an object; `DAMAGED` becomes a finding. */
  async guard<Result>(object: string, work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PluginError) || error.code !== 'DAMAGED') throw error
      this.add(object, error.message)
      return undefined
    }
  }

  result(snapshots: number): VerifyResult {
    const { objects, checkedBytes, damaged } = this
    return { kind: 'verify', objects, snapshots, checkedBytes, damaged, damages: this.#damages.slice(0, REPORTED) }
  }
}
