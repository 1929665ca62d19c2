import { attemptStep } from './attempt.ts'
import { backoffMs, restUntil } from './backoff.ts'
import { LostLease } from './journal.ts'
import type { Claim, Held, Journal } from './journal.ts'
import type { CallRecord, Failure, Progress, SagaDefinition, StepContext, Under } from './saga.ts'

/** What the runner tells; a pino logger fits. */
export interface JobsLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Hears of what was done, for metrics. Times in seconds. */
export interface JobsObserver {
  step(
    of: { readonly saga: string; readonly step: string; readonly outcome: 'done' | 'failed' | 'undone' },
    seconds: number,
  ): void
  ended(of: { readonly saga: string; readonly state: 'succeeded' | 'failed' | 'aborted' }, seconds: number): void
  /** An operation came into the hands of this node: `resumed` where a run of it came before, here or elsewhere. */
  claimed(how: 'new' | 'resumed'): void
  /** An operation was taken from this node while it ran it. */
  lost(): void
  /** Whether the database took a heartbeat. */
  renewed(outcome: 'ok' | 'failed'): void
}

/** What running an operation takes. */
export interface RunDeps<Tx> {
  readonly journal: Journal<Tx>
  /** How long a step is tried again without progress before the operation is undone, in milliseconds. */
  readonly patienceMs: number
  /** How long one attempt may take without progress, in milliseconds. */
  readonly stepDeadlineMs: number
  /** Puts whatever a step threw into words. */
  readonly describe: (error: unknown) => Failure
  readonly log: JobsLog
  readonly observe?: JobsObserver
}

/** Ends a run on this node without a verdict on the operation: its lease is given back, and some node goes on. */
export class Released extends Error {
  override readonly name = 'Released'
}

/** One attempt at a step, as seen from the run. */
export interface Try {
  readonly step: string
  readonly attempt: number
  readonly calls: CallRecord[]
  /** Interrupts the attempt besides what interrupts the run. */
  readonly alsoUntil?: AbortSignal
  readonly onProgress?: () => void
}

/** An operation in the hands of this node: what forward and backward steps share. */
export class Run<Tx> {
  readonly claim: Claim
  readonly definition: SagaDefinition<Tx>
  readonly deps: RunDeps<Tx>
  /** Results by step, journaled. */
  readonly results: Map<string, unknown>
  readonly under: Under
  readonly #began = performance.now()
  readonly #interrupted = new AbortController()
  readonly #abortAsked = new AbortController()
  #hasten = new AbortController()
  #stopping = false
  #progress: Progress | undefined

  constructor(claim: Claim, definition: SagaDefinition<Tx>, deps: RunDeps<Tx>) {
    this.claim = claim
    this.definition = definition
    this.deps = deps
    this.results = new Map(claim.steps.map(({ name, result }) => [name, result]))
    this.under = { operation: claim.id, fence: claim.fence }
    if (claim.abortAsked) this.#abortAsked.abort()
  }

  /** The claim as the journal checks it, with the progress to store. */
  get held(): Held & { readonly progress?: Progress } {
    const { id, fence } = this.claim
    return this.#progress ? { id, fence, progress: this.#progress } : { id, fence }
  }

  /** Aborted when the operation was asked to stop and undo. */
  get abortAsked(): AbortSignal {
    return this.#abortAsked.signal
  }

  /** Whether the run was taken from this node, so that nothing may be written any more. */
  get lost(): boolean {
    // An abort reason is whatever was given; comparing it says nothing of its type.
    return (this.#interrupted.signal.reason as unknown) === 'lost'
  }

  /** Why the run is released, for the log. */
  get whyReleased(): string {
    return this.#stopping ? 'the controller stops' : 'to go on under a new fence'
  }

  /** Asks it to stop and undo: heard between steps, and inside a call by its signal. */
  abort(): void {
    this.#abortAsked.abort()
  }

  /** Ends a wait for the next attempt. */
  hasten(): void {
    this.#hasten.abort()
  }

  /** Another node has the operation, or nobody knows. */
  lose(): void {
    this.#interrupted.abort('lost')
  }

  /** Releases the operation after the attempt at work; `interrupt` ends that too. */
  stop(options: { readonly interrupt: boolean }): void {
    this.#stopping = true
    this.#hasten.abort()
    if (options.interrupt) this.#interrupted.abort('stopped')
  }

  /** What a step may read: the input and the results of the steps before `ordinal`. */
  seenBefore(ordinal: number): Readonly<Record<string, unknown>> {
    const before = this.definition.steps.slice(0, ordinal).map(({ name }) => [name, this.results.get(name)] as const)
    return { input: this.claim.input, ...Object.fromEntries(before) }
  }

  /** Throws when the run is over on this node: to be called before every step and attempt. */
  check(): void {
    if (this.lost) throw new LostLease(this.claim.id)
    if (this.#stopping) throw new Released()
  }

  /** Throws what ends the run on this node; returns when `error` is a matter of the step. */
  sift(error: unknown): void {
    if (error instanceof LostLease || error instanceof Released) throw error
    if (this.lost) throw new LostLease(this.claim.id)
    if (this.#interrupted.signal.aborted) throw new Released()
  }

  /** Calls a step's outer part. */
  async call<Out>(attempt: Try, work: (context: StepContext) => Promise<Out>): Promise<Out> {
    const { signal } = this.#interrupted
    const out = await attemptStep(
      {
        operation: this.claim.id,
        step: attempt.step,
        number: attempt.attempt,
        fence: this.claim.fence,
        deadlineMs: this.deps.stepDeadlineMs,
        interrupted: attempt.alsoUntil ? AbortSignal.any([signal, attempt.alsoUntil]) : signal,
        calls: attempt.calls,
        progressed: (progress) => {
          this.#progress = progress
          attempt.onProgress?.()
        },
      },
      work,
    )
    this.#progress = undefined
    return out
  }

  /** Notes a failed attempt and waits until the next one is due. */
  async retryLater(attempt: Try, error: unknown, longestMs: number): Promise<void> {
    const { step, attempt: number, calls } = attempt
    const inMs = backoffMs(number, longestMs)
    const { text, internal } = this.deps.describe(error)
    const why = internal ?? text
    this.deps.log.warn(
      { operation: this.claim.id, saga: this.claim.saga, step, attempt: number, why, inMs },
      'a step will be tried again',
    )
    this.#hasten = new AbortController()
    await this.write(() => this.deps.journal.noteRetry(this.held, { step, attempt: number, why, inMs, calls }))
    const until = [this.#hasten.signal, this.#interrupted.signal]
    if (!this.#stopping)
      await restUntil(inMs, AbortSignal.any(attempt.alsoUntil ? [...until, attempt.alsoUntil] : until))
    this.check()
  }

  /** Writes to the journal; again while the database is out of reach, which the end of the lease ends. */
  async write<Result>(write: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await write()
      } catch (error) {
        this.sift(error)
        if (!this.deps.journal.unavailable(error)) throw error
        this.deps.log.warn({ err: error, operation: this.claim.id }, 'the journal is out of reach')
        await restUntil(backoffMs(attempt, 2_000), this.#interrupted.signal)
        this.sift(error)
      }
    }
  }

  /** Tells metrics how a step went. */
  observe(step: string, outcome: 'done' | 'failed' | 'undone', began: number): void {
    this.deps.observe?.step({ saga: this.claim.saga, step, outcome }, (performance.now() - began) / 1000)
  }

  /** Tells log and metrics that the operation ended here, and for how long it ran on this node. */
  observeEnd(state: 'succeeded' | 'failed' | 'aborted', failure?: Failure): void {
    const { id: operation, saga } = this.claim
    const why = failure && { code: failure.code, why: failure.internal ?? failure.text }
    const ms = Math.round(performance.now() - this.#began)
    this.deps.log.info({ operation, saga, state, ms, ...why }, 'an operation ended')
    this.deps.observe?.ended({ saga: this.claim.saga, state }, (performance.now() - this.#began) / 1000)
  }
}
