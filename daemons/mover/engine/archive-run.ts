import {
  type Archive,
  beginWriting,
  type Catalog,
  chunkCount,
  chunkId,
  ChunkTable,
  commitManifest,
  endWriting,
  type FooterCache,
  ID_BYTES,
  isZero,
  type Manifest,
  needManifest,
  PackBuilder,
  packBufferBytes,
  packKeysOf,
  readManifestOfAttempt,
  SEGMENT_CHUNKS,
  segmentReader,
  segmentsOf,
  visitChunks,
  zeroId,
} from '@moorage/archive-format'
import { type ArchiveResult, type ArchiveTask, type Call, type Extent, PluginError } from '@moorage/contract'
import type { End } from '../ends/ends.ts'
import type { ArchiveAnswer, ArchiveStart, ArchiveTask as WorkerTask, PackEvent } from './archive-tasks.ts'
import { Budget, type Progress } from './budget.ts'
import { Planner, type Planning, type SegmentPlan, type Shape, tableSize } from './plan.ts'
import { WorkerPool, type WorkerShelf } from './pool.ts'
import { Uploads } from './uploads.ts'

/** What an archive job runs with. */
export interface ArchiveRun {
  readonly archive: Archive
  readonly task: Omit<ArchiveTask, 'kind' | 'archive' | 'source'>
  readonly source: End
  readonly progress: Progress
  readonly cache?: FooterCache | undefined
  /** Threads; absent: one for each core. */
  readonly threads?: number | undefined
  /** Where threads wait between jobs; absent: each job has its own. */
  readonly shelf?: WorkerShelf | undefined
  /** `Math.random`, or what a test wants. */
  random(): number
}

/** Bytes of the source in one task of a worker. */
const TASK_BYTES = 16 * 1024 * 1024
/** Packs of one worker: one is filled, the others are on their way. */
const BUFFERS = 3

/** Reads a snapshot into an archive. Repeated under the same id after any interruption, it sends nothing that is stored. */
export async function runArchive(run: ArchiveRun, call: Call): Promise<ArchiveResult> {
  const { archive, task, cache } = run
  const shape = { bytes: sizeOf(run), chunkBytes: archive.head.chunkBytes }
  const attempt = { attempt: task.id, snapshot: task.snapshot }
  const catalog = await beginWriting(archive, { ...attempt, cache }, call)
  const stored = await readManifestOfAttempt(archive, attempt, call)
  // The answer was lost, or the mover died between the last two steps.
  if (stored) {
    await endWriting(archive.store, task.id, call)
    return resultOf(stored, { readBytes: 0, sentBytes: 0 })
  }
  const writing = await Writing.begin({ ...run, shape, catalog }, call)
  try {
    const manifest = await writing.manifest()
    if ((await commitManifest(archive, manifest, call)) === 'abandoned') {
      throw new PluginError('FENCED', `job ${task.id} was given up, and stores no snapshot any more`, 'none')
    }
    await endWriting(archive.store, task.id, call)
    return resultOf(manifest, writing)
  } finally {
    await writing.close()
  }
}

function sizeOf({ task, source }: ArchiveRun): number {
  const bytes = task.bytes ?? source.bytes
  if (bytes > source.bytes) {
    throw new PluginError('CONFLICT', `the source has ${source.bytes} bytes, not ${bytes}`, 'none')
  }
  return bytes
}

function resultOf(
  { bytes, dataBytes, addedBytes }: Manifest,
  did: { readonly readBytes: number; readonly sentBytes: number },
): ArchiveResult {
  return { kind: 'archive', bytes, dataBytes, addedBytes, readBytes: did.readBytes, sentBytes: did.sentBytes }
}

interface Prepared extends ArchiveRun {
  readonly shape: Shape
  readonly catalog: Catalog
}

/** What is said to have changed, or else what the source says may not be zeros. */
async function runsOf({ task, source }: ArchiveRun): Promise<readonly Extent[]> {
  const { changes, base } = task
  if (changes) return base === undefined ? changes.filter(({ kind }) => kind === 'data') : changes
  return (await source.data()).map((run) => ({ ...run, kind: 'data' }))
}

/** The base, where the changes since then are known; without them everything is read, and is known again by its ids. */
async function baseOf({ archive, task, catalog }: Prepared, call: Call): Promise<Planning['base']> {
  if (task.base === undefined) return undefined
  const manifest = await needManifest(archive, task.base, call)
  if (manifest.volume !== task.volume) {
    throw new PluginError('INVALID', `base: snapshot ${task.base} is of volume ${manifest.volume}`, 'none')
  }
  if (!task.changes) return undefined
  const read = segmentReader({ archive, catalog, manifest }, call)
  const { bytes, dataBytes, chunkBytes } = manifest
  return {
    bytes,
    dataBytes,
    ids: async (number) => {
      if (number >= segmentsOf(bytes, chunkBytes)) return 'zeros'
      try {
        return (await read(number))?.ids ?? 'zeros'
      } catch (error) {
        // It may be condemned, or lost: the source has what it named.
        if (error instanceof PluginError && error.code === 'DAMAGED') return 'unreadable'
        throw error
      }
    },
  }
}

/** One run of an archive job. */
class Writing {
  readonly #run: Prepared
  readonly #call: Call
  readonly #table: ChunkTable
  readonly #planner: Planner
  readonly #pool: WorkerPool
  readonly #uploads: Uploads
  readonly #budget: Budget
  /** Takes the segments. */
  #builder: PackBuilder | undefined
  #failure: { readonly error: unknown } | undefined
  #dataBytes = 0
  readBytes = 0

  private constructor(run: Prepared, parts: { readonly planning: Planning; readonly call: Call }) {
    const { archive, task, source, shape } = run
    this.#run = run
    this.#call = parts.call
    this.#table = parts.planning.table
    this.#planner = new Planner(parts.planning)
    this.#uploads = new Uploads(archive.store, parts.call)
    this.#budget = new Budget(task.bytesPerSecond)
    const start: ArchiveStart = {
      role: 'archive',
      source: source.address,
      ...shape,
      table: this.#table.memory,
      attempt: task.id,
      keys: archive.ring && packKeysOf(archive.ring),
      buffers: BUFFERS,
    }
    this.#pool = new WorkerPool({
      start,
      shelf: run.shelf,
      ...(run.threads !== undefined && { size: run.threads }),
      onEvent: (body, worker) => {
        const { pack, buffer, length } = body as PackEvent // Our own worker sends it.
        this.#uploads.begin(pack, new Uint8Array(buffer, 0, length), () =>
          worker.postMessage({ body: buffer }, [buffer]),
        )
      },
    })
  }

  static async begin(run: Prepared, call: Call): Promise<Writing> {
    const { shape, catalog, progress } = run
    const [runs, base] = [await runsOf(run), await baseOf(run, call)]
    const most = Planner.bytesOf({ runs, shape })
    const again = base ? shape.bytes / 256 + 64 * shape.chunkBytes : 0
    const table = ChunkTable.for(tableSize({ chunks: chunkCount(catalog) }, most + again, shape))
    visitChunks(catalog, (id) => table.claim(id))
    progress.total = Math.min(most, shape.bytes)
    return new Writing(run, { planning: { shape, runs, table, base, random: run.random }, call })
  }

  get sentBytes(): number {
    return this.#uploads.sentBytes
  }

  /** Reads and stores everything but the manifest, which it answers. */
  async manifest(): Promise<Manifest> {
    const { shape, task, catalog } = this.#run
    const segments = Buffer.alloc(segmentsOf(shape.bytes, shape.chunkBytes) * ID_BYTES)
    const open = new Set<Promise<void>>()
    for (let number = 0; number < segments.length / ID_BYTES; number += 1) {
      const plan = await this.#planner.plan(number)
      const tasks = await this.#dispatch(plan)
      const done: Promise<void> = Promise.all(tasks)
        .then(() => segments.set(this.#storeSegment(plan), number * ID_BYTES))
        .catch((error: unknown) => void (this.#failure ??= { error }))
        .finally(() => open.delete(done))
      open.add(done)
    }
    await Promise.all(open)
    await this.#finish()
    const before = catalog.footers.filter(({ attempt }) => attempt === task.id)
    return {
      attempt: task.id,
      snapshot: task.snapshot,
      volume: task.volume,
      ...shape,
      dataBytes: this.#dataBytes,
      addedBytes: before.reduce((sum, { bytes }) => sum + bytes, this.sentBytes),
      takenAt: task.takenAt,
      archivedAt: Date.now(),
      ...(task.base !== undefined && { base: task.base }),
      segments,
    }
  }

  /** Ends what is still going on. */
  async close(): Promise<void> {
    await this.#pool.close()
    await this.#uploads.settled().catch(() => {})
  }

  async #dispatch(plan: SegmentPlan): Promise<readonly Promise<void>[]> {
    const tasks: Promise<void>[] = []
    const size = Math.max(1, Math.floor(TASK_BYTES / this.#run.shape.chunkBytes))
    for (const [chunks, check] of [[plan.read, false] as const, [plan.check, true] as const]) {
      for (let at = 0; at < chunks.length; at += size) {
        const some = chunks.slice(at, at + size)
        await this.#budget.take(some.length * this.#run.shape.chunkBytes, this.#call.signal)
        await this.#ready()
        const task = this.#read(plan, some, check)
        // If the next one cannot begin, nobody waits for this one.
        task.catch(() => {})
        tasks.push(task)
      }
    }
    return tasks
  }

  async #ready(): Promise<void> {
    await this.#pool.ready()
    this.#uploads.check()
    if (this.#failure) throw this.#failure.error
    if (this.#call.signal.aborted) throw new PluginError('TIMEOUT', 'the job was ended', 'possible')
  }

  async #read(plan: SegmentPlan, chunks: readonly number[], check: boolean): Promise<void> {
    const { shape, progress } = this.#run
    const { ids } = await this.#pool.run<ArchiveAnswer>({ chunks } satisfies WorkerTask)
    const first = plan.number * SEGMENT_CHUNKS
    for (const [index, chunk] of chunks.entries()) {
      const id = ids.subarray(index * ID_BYTES, (index + 1) * ID_BYTES)
      const at = (chunk - first) * ID_BYTES
      if (!check) plan.ids.set(id, at)
      else if (Buffer.compare(id, plan.ids.subarray(at, at + ID_BYTES)) !== 0) {
        const where = `the ${shape.chunkBytes} bytes at ${chunk * shape.chunkBytes}`
        throw new PluginError('CONFLICT', `changes: ${where} are said to be those of the base, and are not`, 'none')
      }
    }
    const bytes = chunks.length * shape.chunkBytes
    this.readBytes += bytes
    if (!check) progress.done = Math.min(progress.total, progress.done + bytes)
  }

  /** Stores the ids of a segment as a chunk, unless it is known. */
  #storeSegment({ ids }: SegmentPlan): Uint8Array {
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      if (!isZero(ids.subarray(at, at + ID_BYTES))) this.#dataBytes += this.#run.shape.chunkBytes
    }
    if (isZero(ids)) return zeroId()
    const { archive, task, shape } = this.#run
    const id = chunkId(ids, archive.ring?.idKey)
    if (!this.#table.claim(id)) return id
    this.#builder ??= new PackBuilder({
      buffer: Buffer.allocUnsafe(packBufferBytes(shape.chunkBytes)),
      attempt: task.id,
      keys: archive.ring && packKeysOf(archive.ring),
    })
    this.#builder.add(id, ids)
    if (this.#builder.full) this.#finishSegments()
    return id
  }

  #finishSegments(): void {
    const pack = this.#builder?.finish()
    this.#builder = undefined
    if (pack) this.#uploads.begin(pack.id, pack.bytes, () => {})
  }

  async #finish(): Promise<void> {
    await this.#ready()
    await this.#pool.all({ chunks: [] } satisfies WorkerTask)
    this.#finishSegments()
    await this.#uploads.settled()
    await this.#ready()
  }
}
