import {
  asPluginError,
  type MoverJob,
  type MoverJobId,
  type MoverProgress,
  type MoverTask,
  PluginError,
} from '@moorage/contract'
import { aboutOf, moverArgs } from '@moorage/wire'
import type { Store } from '../store.ts'
import { urlOf } from './archives.ts'
import { ACCEPTS, type MoverRequest } from './mover.ts'
import { type Fetched, fetchFile } from './importing.ts'
import type { Work } from './step.ts'
import { advance, begin } from './work.ts'
import { endWriting, giveUp } from './writers.ts'

interface JobRow {
  readonly id: MoverJobId
  readonly about: string
  readonly kind: MoverTask['kind']
  readonly state: MoverJob['state']
  readonly done: number
  readonly total: number
  /** JSON: what came of it, and how long it will take. */
  readonly outcome: string
}

/** Jobs at work, by store: what they have of secrets is in memory only, so that a restart pauses them. */
const working = new WeakMap<Store, Map<string, Work>>()

const FETCH_MS = 30_000
/** Files that imports have fetched, or are fetching, by their work. */
const files = new WeakMap<MoverTask, { readonly coming: Promise<Fetched>; there?: Fetched }>()

/** Resolves once the file that a job is to import is there, or cannot be had: what follows then runs in one go. */
export async function fetchFor(store: Store, args: MoverRequest['args']): Promise<void> {
  const task = worksOf(store).get(moverArgs.job(args))?.task
  if (task?.kind !== 'import') return
  const known = files.get(task)
  // Whoever asks may be gone before it has come.
  const file = known ?? { coming: fetchFile(task, AbortSignal.timeout(FETCH_MS)) }
  if (!known) files.set(task, file)
  file.there = await file.coming
}

/** Method `jobs/submit`. */
export function submitJob({ store, args }: MoverRequest): MoverJob {
  const task = moverArgs.task(args, ACCEPTS)
  const about = aboutOf(task)
  const known = findJob(store, task.id)
  if (known && known.about !== about)
    throw new PluginError('CONFLICT', `job ${task.id} is known with another task`, 'none')
  if (known && (isAtWork(store, known) || known.state === 'done')) return shown(store, known)
  const sql = `INSERT OR REPLACE INTO moverJobs(id, about, kind, state, done, total) VALUES (?, ?, ?, 'running', 0, 0)`
  store.run(sql, task.id, about, task.kind)
  store.afterCommit(() => worksOf(store).set(task.id, begin(task)))
  return { id: task.id, kind: task.kind, progress: { done: 0, total: 0 }, state: 'running' }
}

/** Method `jobs/get`. A job goes on whenever it is looked at, and only then: nothing depends on a clock. */
export function getJob(request: MoverRequest): MoverJob | undefined {
  const { store } = request
  const job = findJob(store, moverArgs.job(request.args))
  const work = job && worksOf(store).get(job.id)
  if (!job || !work || job.state !== 'running') return job && shown(store, job)
  const failure = request.befalls(work.task)
  try {
    if (failure?.kind === 'error-before') throw new PluginError(failure.code, 'a fault on command', 'none')
    const step = advance(store, work, files.get(work.task)?.there)
    if (failure) throw new PluginError(failure.code, 'a fault on command', 'possible')
    const { done, total, ...left } = step.progress
    const progress = { done, total }
    if ('more' in step) {
      store.afterCommit(() => worksOf(store).set(job.id, step.more))
      return update(store, job, { state: 'running', progress, outcome: left })
    }
    store.afterCommit(() => worksOf(store).delete(job.id))
    return update(store, job, { state: 'done', progress, outcome: { ...left, result: step.result } })
  } catch (thrown) {
    const { code, message, effect } = asPluginError(thrown)
    if (code === 'INTERNAL') throw thrown
    store.afterCommit(() => worksOf(store).delete(job.id))
    return update(store, job, { state: 'failed', progress: job, outcome: { failure: { code, message, effect } } })
  }
}

/** Method `jobs/cancel`. */
export function cancelJob({ store, args }: MoverRequest): void {
  const id = moverArgs.job(args)
  const job = findJob(store, id)
  if (!job || job.state !== 'running') return
  const task = worksOf(store).get(id)?.task
  // Collections do not wait for it; one that was paused has no way into its archive.
  if (task && /^(archive|import|copy)$/.test(task.kind)) endWriting(store, { url: urlOf(task.archive) }, id)
  store.afterCommit(() => worksOf(store).delete(id))
  update(store, job, { state: 'cancelled', progress: job, outcome: {} })
}

/** Method `jobs/abandon`. */
export function abandonJob(request: MoverRequest): void {
  cancelJob(request)
  const { store, args } = request
  giveUp(store, { url: urlOf(moverArgs.access(args)) }, moverArgs.job(args))
}

/** Method `jobs/forget`. */
export function forgetJob({ store, args }: MoverRequest): void {
  const id = moverArgs.job(args)
  const job = findJob(store, id)
  if (job && isAtWork(store, job)) throw new PluginError('BUSY', `job ${id} is running`, 'none')
  store.run('DELETE FROM moverJobs WHERE id = ?', id)
}

/** Jobs as they stand; nothing goes on by it. */
export function allJobs(store: Store): readonly MoverJob[] {
  return store.all<JobRow>('SELECT * FROM moverJobs ORDER BY id').map((job) => shown(store, job))
}

function update(
  store: Store,
  job: JobRow,
  now: {
    readonly state: MoverJob['state']
    readonly progress: Pick<MoverProgress, 'done' | 'total'>
    readonly outcome: object
  },
): MoverJob {
  const { done, total } = now.progress
  const sql = 'UPDATE moverJobs SET state = ?, done = ?, total = ?, outcome = ? WHERE id = ?'
  store.run(sql, now.state, done, total, JSON.stringify(now.outcome), job.id)
  return show({ ...job, state: now.state, done, total, outcome: JSON.stringify(now.outcome) })
}

function shown(store: Store, job: JobRow): MoverJob {
  // It was running when the process ended.
  return show(job.state === 'running' && !isAtWork(store, job) ? { ...job, state: 'paused' } : job)
}

function show({ id, kind, state, done, total, outcome }: JobRow): MoverJob {
  const { leftMs, fetching, ...rest } = JSON.parse(outcome) as Omit<MoverProgress, 'done' | 'total'> // Written by `update` only.
  const progress = { done, total, ...(leftMs !== undefined && { leftMs }), ...(fetching && { fetching }) }
  return { id, kind, progress, state, ...rest } as MoverJob // What stands beside the state is what `getJob` stored with it.
}

function isAtWork(store: Store, { id, state }: JobRow): boolean {
  return state === 'running' && worksOf(store).has(id)
}

function findJob(store: Store, id: string): JobRow | undefined {
  return store.one<JobRow>('SELECT * FROM moverJobs WHERE id = ?', id)
}

function worksOf(store: Store): Map<string, Work> {
  const works = working.get(store) ?? new Map<string, Work>()
  working.set(store, works)
  return works
}
