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
  readonly worker: Worker
  busy: number
  readonly gone: Promise<void>
}

/** Worker threads, one for each core, that do tasks of one job. The first failure ends them all. */
export class WorkerPool {
  readonly #members: readonly Member[]
  readonly #open = new Map<number, Waiting>()
  #free: (() => void)[] = []
  #tasks = 0
  #failure: Error | undefined

  /** `onEvent`: what a worker says without being asked. */
  constructor(options: {
    readonly start: WorkerStart
    readonly size?: number
    onEvent?(body: unknown, worker: Worker): void
  }) {
    this.#members = Array.from({ length: options.size ?? availableParallelism() }, () => {
      const worker = new Worker(PROGRAM, { workerData: options.start })
      const member: Member = { worker, busy: 0, gone: new Promise((resolve) => worker.once('exit', () => resolve())) }
      worker.on('message', (envelope: Envelope) => {
        if (envelope.task === undefined) options.onEvent?.(envelope.body, worker)
        else this.#settle(envelope.task, envelope)
      })
      worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
      return member
    })
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

  /** Ends the workers, whatever they do. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#fail(new PluginError('INTERNAL', 'the workers were ended', 'possible'))
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()))
    await Promise.all(this.#members.map(({ gone }) => gone))
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
    member.worker.postMessage({ task, body } satisfies Envelope, transfer)
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
