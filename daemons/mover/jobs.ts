import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  abandonWriting,
  type Archive,
  collect,
  type CollectOptions,
  endWriting,
  openArchive,
} from '@moorage/archive-format'
import {
  type ArchiveAccess,
  asPluginError,
  type Call,
  FAILURES,
  type MoverJob,
  type MoverJobId,
  type MoverResult,
  type MoverTask,
  PluginError,
} from '@moorage/contract'
import { dropDownload } from '@moorage/files'
import { aboutOf } from '@moorage/wire'
import type { Logger } from 'pino'
import { openStore } from './archives.ts'
import { runArchive } from './engine/archive-run.ts'
import { Progress } from './engine/budget.ts'
import { runCopy } from './engine/copy-run.ts'
import { runImport } from './engine/import-run.ts'
import { patientStore } from './engine/patience.ts'
import { WorkerShelf } from './engine/pool.ts'
import { runRestore } from './engine/restore-run.ts'
import { runVerify } from './engine/verify-run.ts'
import { type End, openEnd } from './ends/ends.ts'
import { openFooters } from './footers.ts'
import type { JobRecords } from './records.ts'

/** A job that this process works on. */
interface Running {
  readonly abort: AbortController
  readonly progress: Progress
  readonly ended: Promise<void>
  cancelled: boolean
}

/** Jobs that are worked on at the same time; others wait, and count as running. */
const AT_ONCE = 2

/** What jobs work with. */
export interface JobOptions {
  readonly log: Logger
  /** A directory for what is kept of archives between jobs. */
  readonly footers: string
  /** A directory for files that are fetched. */
  readonly spools: string
}

/** The jobs of a mover. */
export class Jobs {
  readonly #records: JobRecords
  readonly #log: Logger
  readonly #footers: string
  readonly #spools: string
  readonly #running = new Map<MoverJobId, Running>()
  readonly #waiting: (() => void)[] = []
  readonly #shelf = new WorkerShelf()
  #busy = 0

  private constructor(records: JobRecords, options: JobOptions) {
    this.#records = records
    this.#log = options.log
    this.#footers = options.footers
    this.#spools = options.spools
  }

  /** Begins with the jobs on record. Files of others, fetched and left by a crash, go. */
  static async open(records: JobRecords, options: JobOptions): Promise<Jobs> {
    const { spools } = options
    await mkdir(spools, { recursive: true, mode: 0o700 })
    const jobs = new Jobs(records, options)
    for (const name of await readdir(spools)) {
      const id = name.split('.')[0] as MoverJobId // What is no id is not on record.
      const state = records.get(id)?.job.state
      if (state !== 'paused' && state !== 'failed') await dropDownload(join(spools, id))
    }
    return jobs
  }

  /** `Mover.submit`. */
  async submit(task: MoverTask): Promise<MoverJob> {
    const about = aboutOf(task)
    const known = this.#records.get(task.id)
    if (known && known.about !== about) {
      throw new PluginError('CONFLICT', `job ${task.id} is known with another task`, 'none')
    }
    const job = this.get(task.id)
    if (job && (job.state === 'running' || job.state === 'done')) return job
    const { id, kind } = task
    const abort = new AbortController()
    const progress = new Progress()
    const begun = Promise.withResolvers<void>()
    const ended = begun.promise.then(() => this.#work(task, { abort, progress }))
    this.#running.set(id, { abort, progress, ended, cancelled: false })
    try {
      await this.#records.set({ about, job: { id, kind, progress: progress.report(), state: 'paused' } })
    } finally {
      begun.resolve()
    }
    return this.get(id) ?? { id, kind, progress: progress.report(), state: 'running' }
  }

  /** `Mover.job`. */
  get(id: MoverJobId): MoverJob | undefined {
    const job = this.#records.get(id)?.job
    const running = this.#running.get(id)
    return job && running ? { id, kind: job.kind, progress: running.progress.report(), state: 'running' } : job
  }

  /** `Mover.cancel`. */
  async cancel(id: MoverJobId): Promise<void> {
    const running = this.#running.get(id)
    if (running) {
      running.cancelled = true
      running.abort.abort()
      await running.ended
    }
    const record = this.#records.get(id)
    if (record && record.job.state === 'paused') {
      await this.#records.set({ ...record, job: { ...record.job, state: 'cancelled' } })
    }
    if (record && record.job.state !== 'done') await dropDownload(this.#spoolOf(id))
  }

  /** `Mover.abandon`. */
  async abandon(access: ArchiveAccess, id: MoverJobId, call: Call): Promise<void> {
    await this.cancel(id)
    const store = openStore(access)
    const { conditionalPut } = await store.probe(call)
    if (conditionalPut !== 'atomic') {
      const message = 'this archive cannot decide between a job and who gives it up: repeat the job instead'
      throw new PluginError('UNSUPPORTED', message, 'none')
    }
    await abandonWriting(store, id, call)
  }

  /** `Mover.forget`. */
  async forget(id: MoverJobId): Promise<void> {
    if (this.#running.has(id)) throw new PluginError('BUSY', `job ${id} is running`, 'none')
    await this.#records.delete(id)
    await dropDownload(this.#spoolOf(id))
  }

  /** Ends what runs, to be taken up by whoever comes after. */
  async close(): Promise<void> {
    for (const { abort } of this.#running.values()) abort.abort()
    await Promise.all([...this.#running.values()].map(({ ended }) => ended))
    await this.#shelf.close()
  }

  /** Never rejects. */
  async #work(task: MoverTask, { abort, progress }: Pick<Running, 'abort' | 'progress'>): Promise<void> {
    const { id, kind } = task
    while (this.#busy >= AT_ONCE && !abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        abort.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    this.#busy += 1
    try {
      const paths = { footers: this.#footers, spool: this.#spoolOf(id) }
      const result = await runTask(task, { signal: abort.signal, progress, shelf: this.#shelf, ...paths })
      await this.#end(task, { id, kind, progress: progress.report(), state: 'done', result })
      this.#log.info({ job: id, kind, result }, 'done')
    } catch (thrown) {
      const { code, message, effect } = asPluginError(thrown)
      const common = { id, kind, progress: progress.report() }
      const cancelled = this.#running.get(id)?.cancelled === true
      if (cancelled) await this.#returnLease(task)
      // Ended by us: whoever asks again goes on. A bug is told with its stack.
      const state = cancelled ? 'cancelled' : 'paused'
      const job: MoverJob = abort.signal.aborted
        ? { ...common, state }
        : { ...common, state: 'failed', failure: { code, message, effect } }
      await this.#end(task, job)
      this.#log.warn({ job: id, kind, code, effect, ...(code === 'INTERNAL' && { err: thrown }) }, message)
    } finally {
      this.#busy -= 1
      this.#waiting.shift()?.()
    }
  }

  async #end(task: MoverTask, job: MoverJob): Promise<void> {
    const { id } = task
    try {
      await this.#records.set({ about: aboutOf(task), job })
      // What was fetched is kept for a job that may go on; of any other it is fetched anew.
      if (task.kind === 'import' && !mayGoOn(job)) await dropDownload(this.#spoolOf(id))
    } catch (error) {
      this.#log.error({ err: error, job: id }, 'what came of a job is not recorded')
    }
    this.#running.delete(id)
  }

  #spoolOf(id: MoverJobId): string {
    return join(this.#spools, id)
  }

  /** Collections do not wait for a job that was cancelled. Where that fails, they do: until it is given up. */
  async #returnLease({ kind, archive, id }: MoverTask): Promise<void> {
    if (kind !== 'archive' && kind !== 'import' && kind !== 'copy') return
    const signal = AbortSignal.timeout(RETURN_MS)
    const call = { key: id, fence: 0, deadline: Date.now() + RETURN_MS, signal }
    await endWriting(openStore(archive), id, call).catch((error: unknown) => {
      this.#log.warn({ err: error, job: id }, 'its lease is not returned')
    })
  }
}

function mayGoOn(job: MoverJob): boolean {
  return job.state === 'paused' || (job.state === 'failed' && FAILURES[job.failure.code].retry === 'later')
}

const RETURN_MS = 10_000
/** A job takes as long as it takes: each operation on the store has its own deadline. */
const JOB_MS = 365 * 24 * 3_600_000

interface RunOptions {
  readonly signal: AbortSignal
  readonly progress: Progress
  readonly footers: string
  readonly spool: string
  readonly shelf: WorkerShelf
}

async function runTask(task: MoverTask, options: RunOptions): Promise<MoverResult> {
  const { signal, progress, footers, spool, shelf } = options
  const call: Call = { key: task.id, fence: 0, deadline: Date.now() + JOB_MS, signal }
  const store = patientStore(openStore(task.archive), signal)
  const archive = await openArchive({ store, key: task.archive.key }, call)
  // What is kept would hide what has happened to the archive.
  if (task.kind === 'verify') return runVerify({ archive, snapshot: task.snapshot, progress, shelf }, call)
  const cache = await openFooters(footers, archive.head.id)
  try {
    if (task.kind === 'collect') return await runCollect(archive, { run: task.id, cache }, call)
    if (task.kind === 'copy') return await runCopy({ archive, task, cache }, call)
    if (task.kind === 'import') return await runImport({ archive, task, spool, progress, cache }, call)
    return await withEnd(task, (end) =>
      task.kind === 'restore'
        ? runRestore({ archive, task, target: end, progress, cache, shelf }, call)
        : runArchive({ archive, task, source: end, progress, cache, shelf, random: Math.random }, call),
    )
  } finally {
    await cache.save()
  }
}

/** Does something with the source or the target of a task. */
async function withEnd(
  task: Extract<MoverTask, { kind: 'archive' | 'restore' }>,
  work: (end: End) => Promise<MoverResult>,
): Promise<MoverResult> {
  const end =
    task.kind === 'restore'
      ? await openEnd(task.target, { use: 'write', blank: task.blank })
      : await openEnd(task.source, { use: 'read' })
  try {
    return await work(end)
  } finally {
    await end.close()
  }
}

async function runCollect(archive: Archive, options: CollectOptions, call: Call): Promise<MoverResult> {
  const { listing } = await archive.store.probe(call)
  if (listing === 'strong') return collect(archive, options, call)
  const message = 'this archive shows late what was stored: what is not needed cannot be told'
  throw new PluginError('UNSUPPORTED', message, 'none')
}
