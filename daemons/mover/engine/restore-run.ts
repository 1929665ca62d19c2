import {
  type Archive,
  chunkKeyOf,
  forEach,
  type FooterCache,
  needManifest,
  packKey,
  type PackRead,
  planRestore,
  readCatalog,
  type ZeroRun,
  zeroSegments,
} from '@moorage/archive-format'
import { type Call, PluginError, type RestoreResult, type RestoreTask } from '@moorage/contract'
import type { End } from '../ends/ends.ts'
import { Budget, type Progress } from './budget.ts'
import { WorkerPool, type WorkerShelf } from './pool.ts'
import type { RestoreStart, RestoreTask as WorkerTask } from './restore-tasks.ts'

/** What a restore job runs with. */
export interface RestoreRun {
  readonly archive: Archive
  readonly task: Pick<RestoreTask, 'snapshot' | 'blank' | 'bytesPerSecond'>
  readonly target: End
  readonly progress: Progress
  readonly cache?: FooterCache | undefined
  readonly threads?: number | undefined
  /** Where threads wait between jobs; absent: each job has its own. */
  readonly shelf?: WorkerShelf | undefined
}

/** Reads of packs at the same time: a store far away answers late, not slowly. */
const WIDTH = 4

/** Writes a snapshot to a target. Every chunk is checked before it is written. Repeating it is harmless. */
export async function runRestore(run: RestoreRun, call: Call): Promise<RestoreResult> {
  const { archive, task, target, progress } = run
  const manifest = await needManifest(archive, task.snapshot, call)
  if (manifest.bytes > target.bytes) {
    const message = `the target has ${target.bytes} bytes, and snapshot ${task.snapshot} ${manifest.bytes}`
    throw new PluginError('INVALID', message, 'none')
  }
  const catalog = await readCatalog(archive.store, { cache: run.cache }, call)
  progress.total = Math.min(manifest.dataBytes, manifest.bytes)
  const start: RestoreStart = { role: 'restore', target: target.address, idKey: archive.ring?.idKey }
  const pool = new WorkerPool({
    start,
    shelf: run.shelf,
    ...(run.threads !== undefined && { size: run.threads }),
  })
  try {
    const writing = new Restoring(run, pool, call)
    if (!task.blank) await writing.zero(zeroSegments(manifest))
    await planRestore(
      { archive, catalog, manifest },
      async ({ reads, zeros }) => {
        if (!task.blank) await writing.zero(zeros)
        await writing.write(reads)
      },
      call,
    )
    await pool.all({ do: 'flush' } satisfies WorkerTask)
    return { kind: 'restore', bytes: manifest.bytes, writtenBytes: writing.writtenBytes }
  } finally {
    await pool.close()
  }
}

class Restoring {
  readonly #run: RestoreRun
  readonly #pool: WorkerPool
  readonly #call: Call
  readonly #budget: Budget
  writtenBytes = 0

  constructor(run: RestoreRun, pool: WorkerPool, call: Call) {
    this.#run = run
    this.#pool = pool
    this.#call = call
    this.#budget = new Budget(run.task.bytesPerSecond)
  }

  async write(reads: readonly PackRead[]): Promise<void> {
    await forEach(reads, WIDTH, (read) => this.#write(read))
  }

  async zero(runs: readonly ZeroRun[]): Promise<void> {
    for (const run of runs) {
      await this.#ready()
      await this.#pool.run({ do: 'zero', ...run } satisfies WorkerTask)
    }
  }

  async #write({ offset, length, needed }: PackRead): Promise<void> {
    const footer = needed[0]?.place.footer
    if (!footer) return
    const { archive, progress } = this.#run
    await this.#budget.take(length, this.#call.signal)
    await this.#ready()
    const object = packKey(footer.pack)
    const bytes = await archive.store.get(object, { offset, length }, this.#call)
    if (bytes?.length !== length)
      throw new PluginError('DAMAGED', `${object}: ends before ${offset + length}`, 'possible')
    const chunks = needed.map(({ place, offsets }) => ({
      id: place.id,
      from: place.offset - offset,
      length: place.length,
      plainBytes: place.plainBytes,
      crc: place.crc,
      number: place.number,
      offsets,
    }))
    const task: WorkerTask = { do: 'write', object, key: chunkKeyOf(archive, footer), bytes, chunks }
    const written = await this.#pool.run<number>(task, own(bytes))
    this.writtenBytes += written
    progress.done = Math.min(progress.total, progress.done + written)
  }

  async #ready(): Promise<void> {
    await this.#pool.ready()
    if (this.#call.signal.aborted) throw new PluginError('TIMEOUT', 'the job was ended', 'possible')
  }
}

/** Bytes that have their memory to themselves are handed over, others copied. */
function own(bytes: Uint8Array): readonly ArrayBuffer[] {
  const { buffer } = bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? [buffer] : []
}
