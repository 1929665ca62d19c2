import { availableParallelism } from 'node:os'
import { extname, join } from 'node:path'
import { type Transferable, Worker } from 'node:worker_threads'
import { type Effect, type FailureCode, PluginError } from '@moorage/contract'

/** What a worker is started with. */
export interface WorkerStart {
  /** What all of its tasks are of. */
  readonly role: 'archive' | 'restore' | 'check'
}

/** What travels between the main thread and a worker. */
export interface Envelope {
  /** Begins a job, and nothing else. */
  readonly start?: WorkerStart
  /** Ends it, and is answered likewise once the worker has let go of all that it was about. */
  readonly end?: true
  /** Number of the task; absent: an event. */
  readonly task?: number
  readonly body?: unknown
  readonly failure?: { readonly code: FailureCode; readonly message: string; readonly effect: Effect }
}

const PROGRAM = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)
/** Tasks that wait in a worker while it does another: enough that it never waits for us. */
const AHEAD = 2

interface Waiting {
  readonly member: Member
  resolve(answer: unknown): void
  reject(error: Error): void
}

interface Member {
  readonly thread: Thread
  busy: number
  /** Once it has let go of its job: true; false: it is gone. */
  readonly ended: Promise<boolean>
  /** Stops listening to it. */
  leave(): void
}

interface PoolOptions {
  readonly start: WorkerStart
  readonly size?: number
  readonly shelf?: WorkerShelf | undefined
  onEvent?(body: unknown, worker: Worker): void
}

/** A thread, and whether it has ended. */
interface Thread {
  readonly worker: Worker
  isGone: boolean
}

/** Worker threads between two jobs: starting one takes longer than a small increment does. */
export class WorkerShelf {
  #idle: readonly Thread[] = []
  #closed = false

  /** One that waits, or a new one. */
  take(): Thread {
    const [thread, ...others] = this.#idle.filter(({ isGone }) => !isGone)
    this.#idle = others
    return thread ?? newThread()
  }

  /** Takes one that has ended its job; not more than there are cores. */
  put(thread: Thread): void {
    if (this.#closed || this.#idle.length >= availableParallelism()) void thread.worker.terminate()
    else this.#idle = [...this.#idle, thread]
  }

  /** Ends those that wait, and those that come back. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#idle.map(({ worker }) => worker.terminate()))
  }
}

function newThread(): Thread {
  const thread = { worker: new Worker(PROGRAM), isGone: false }
  // What fails is told to the pool that uses it; of one that waits nobody needs to hear.
  thread.worker.on('error', () => {}).once('exit', () => (thread.isGone = true))
  return thread
}

/** Worker threads, one for each core, that do tasks of one job. The first failure ends them all. */
export class WorkerPool {
  readonly #members: readonly Member[]
  readonly #shelf: WorkerShelf | undefined
  readonly #open = new Map<number, Waiting>()
  #free: (() => void)[] = []
  #tasks = 0
  #failure: Error | undefined

  /** `onEvent`: what a worker says without being asked. `shelf`: where workers are from, and where they go if all went well. */
  constructor(options: PoolOptions) {
    this.#shelf = options.shelf
    const size = options.size ?? availableParallelism()
    this.#members = Array.from({ length: size }, () => this.#newMember(options))
  }

  get size(): number {
    return this.#members.length
  }

  /** Waits until a worker can take a task. Throws what made any of them fail. */
  async ready(): Promise<void> {
    while (!this.#failure && this.#least().busy >= AHEAD) {
      await new Promise<void>((resolve) => this.#free.push(resolve))
    }
    if (this.#failure) throw this.#failure
  }

  /** Gives a task to the worker that has the least to do; answers what it made of it. `Answer` is the caller's claim. */
  run<Answer>(body: object, transfer: readonly Transferable[] = []): Promise<Answer> {
    return this.#give<Answer>(this.#least(), body, transfer)
  }

  /** Gives a task to every worker. */
  all<Answer>(body: object): Promise<readonly Answer[]> {
    return Promise.all(this.#members.map((member) => this.#give<Answer>(member, body, [])))
  }

  /** Ends the workers, whatever they do, or puts those that have done all they were asked for on the shelf. Idempotent; never rejects. */
  async close(): Promise<void> {
    const well = this.#failure === undefined && this.#open.size === 0
    if (well && this.#shelf) {
      await Promise.all(this.#members.map((member) => this.#shelve(member)))
      return
    }
    this.#fail(new PluginError('INTERNAL', 'the workers were ended', 'possible'))
    await Promise.all(this.#members.map(({ thread }) => thread.worker.terminate()))
  }

  #newMember({ start, shelf, onEvent }: PoolOptions): Member {
    const thread = shelf?.take() ?? newThread()
    const { worker } = thread
    const ended = Promise.withResolvers<boolean>()
    const onMessage = (envelope: Envelope) => {
      if (envelope.end === true) ended.resolve(true)
      else if (envelope.task === undefined) onEvent?.(envelope.body, worker)
      else this.#settle(envelope.task, envelope)
    }
    const onError = (error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error)))
    const onExit = () => ended.resolve(false)
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
    worker.postMessage({ start } satisfies Envelope, [])
    const leave = () => void worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    return { thread, busy: 0, ended: ended.promise, leave }
  }

  async #shelve({ thread, ended, leave }: Member): Promise<void> {
    thread.worker.postMessage({ end: true } satisfies Envelope, [])
    const isThere = await ended
    leave()
    if (isThere) this.#shelf?.put(thread)
  }

  #least(): Member {
    const [first, ...others] = this.#members
    if (!first) throw new Error('a pool has at least one worker')
    return others.reduce((least, one) => (one.busy < least.busy ? one : least), first)
  }

  #give<Answer>(member: Member, body: object, transfer: readonly Transferable[]): Promise<Answer> {
    if (this.#failure) return Promise.reject(this.#failure)
    const task = ++this.#tasks
    member.busy += 1
    member.thread.worker.postMessage({ task, body } satisfies Envelope, transfer)
    return new Promise<Answer>((resolve, reject) => {
      this.#open.set(task, { member, resolve: (answer) => resolve(answer as Answer), reject }) // The caller says what its tasks answer.
    })
  }

  #settle(task: number, { body, failure }: Envelope): void {
    const waiting = this.#open.get(task)
    if (!waiting) return
    this.#open.delete(task)
    waiting.member.busy -= 1
    if (failure) {
      const error = new PluginError(failure.code, failure.message, failure.effect)
      waiting.reject(error)
      this.#fail(error)
    } else waiting.resolve(body)
    this.#wake()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#open.values()) reject(this.#failure)
    this.#open.clear()
    this.#wake()
  }

  #wake(): void {
    const free = this.#free
    this.#free = []
    for (const wake of free) wake()
  }
}
