import { AsyncResource } from 'node:async_hooks'
import { restUntil } from './backoff.ts'
import { execute, mismatch, release } from './execute.ts'
import type { Jobs } from './jobs.ts'
import type { Claim, Hint, Journal, Submission } from './journal.ts'
import { Offers } from './offers.ts'
import { Run } from './run.ts'
import type { JobsLog, JobsObserver, RunDeps } from './run.ts'
import type { Failure, Lane, SagaDefinition } from './saga.ts'
import { createWaiters } from './waiters.ts'

/** How a node runs operations. Times in milliseconds. */
export interface RunnerOptions<Tx> {
  readonly journal: Journal<Tx>
  /** By name. */
  readonly sagas: ReadonlyMap<string, SagaDefinition<Tx>>
  /** Unlike that of any other process, past or present: leases are told apart by it. */
  readonly node: string
  /**
   * Operations at a time; 64 unless told. A quarter of them is kept for lane `access`. What is submitted at the same moment
   * may exceed it for a while.
   */
  readonly concurrency?: number
  /** The journal's lease; renewed four times within it. */
  readonly leaseMs: number
  /** How long a step is tried again without progress before the operation is undone; 5 minutes unless told. */
  readonly patienceMs?: number
  /** How long one attempt at a step may take without progress; 60 s unless told. */
  readonly stepDeadlineMs?: number
  /** How often to look for work that no hint told of; 500 ms unless told. */
  readonly pollMs?: number
  readonly describe: (error: unknown) => Failure
  readonly log: JobsLog
  readonly observe?: JobsObserver
}

/** The runner of a node. */
export interface Runner<Tx> extends Jobs<Tx> {
  /** Looks at once for what was not submitted here, or not in a transaction of the store's. */
  wake(): void
  /**
   * Takes nothing up any more, lets attempts at work end for `graceMs`, interrupts the rest, and gives all leases back.
   * The operations go on where any node runs. Idempotent.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>
}

/** How long an operation that no saga fits is left alone before this node looks again; others may know it. */
const UNKNOWN_MS = 30_000
const INTERRUPTED_MS = 2_000

/** Begins to run operations; returns once this node is registered. */
export async function startRunner<Tx>(options: RunnerOptions<Tx>): Promise<Runner<Tx>> {
  const runner = new NodeRunner(options)
  await runner.start()
  return runner
}

class NodeRunner<Tx> implements Runner<Tx> {
  readonly #options: RunnerOptions<Tx>
  readonly #deps: RunDeps<Tx>
  readonly #active = new Map<Run<Tx>, Promise<void>>()
  readonly #waiters = createWaiters()
  readonly #offers = new Offers()
  /** No part of the request that submits: what runs outlives it, and is followed on its own. */
  readonly #outside = new AsyncResource('moorage runner')
  /** Lanes in which operations may wait for room on this node. */
  readonly #behind = new Set<'any' | 'background'>()
  readonly #stopAsked = new AbortController()
  readonly #stopped = new AbortController()
  #stopping: Promise<void> | undefined
  #wake = new AbortController()
  #renew = new AbortController()
  #renewedAt = performance.now()
  #others = 0
  #claiming: Promise<void> = Promise.resolve()
  #loops: readonly Promise<void>[] = []
  #unlisten: () => Promise<void> = () => Promise.resolve()

  constructor(options: RunnerOptions<Tx>) {
    this.#options = options
    const { journal, describe, log, observe, patienceMs = 300_000, stepDeadlineMs = 60_000 } = options
    this.#deps = { journal, describe, log, patienceMs, stepDeadlineMs, ...(observe ? { observe } : {}) }
  }

  async start(): Promise<void> {
    const { journal } = this.#options
    await this.#heartbeat()
    this.#unlisten = await journal.listen((what) => this.#hear(what))
    this.#claiming = this.#claimLoop()
    this.#loops = [this.#renewLoop(), this.#awaitLoop()]
  }

  async submit(tx: Tx, submission: Submission): Promise<void> {
    const definition = this.#options.sagas.get(submission.saga)
    const first = definition?.steps[0]
    if (!first) throw new Error(`there is no saga ${submission.saga}`)
    const { journal, node } = this.#options
    const { id, lane } = submission
    const offered = this.#hasRoom(lane)
    if (offered) this.#offers.make(id)
    const committed = (claim: Claim | undefined) => {
      this.#offers.taken(id)
      if (claim) this.#outside.runInAsyncScope(() => this.#begin(claim))
      else this.wake()
    }
    await journal.submitAndClaim(tx, submission, { step: first.name, ...(offered ? { node } : {}), committed })
  }

  /** Whether an operation may begin here without a look at who else waits: only when lately nobody had to. */
  #hasRoom(lane: Lane): boolean {
    if (this.#stopAsked.signal.aborted || this.#behind.has(lane === 'access' ? 'any' : 'background')) return false
    const { all, background } = this.#room()
    return (lane === 'access' ? all : Math.min(all, background)) > this.#offers.count()
  }

  /** How many operations more this node would run: of all lanes, and of those after `access`. */
  #room(): { readonly all: number; readonly background: number } {
    const { concurrency = 64 } = this.#options
    const inBackground = [...this.#active.keys()].filter(({ definition }) => definition.lane !== 'access').length
    const all = Math.max(0, concurrency - this.#active.size)
    return { all, background: Math.max(0, concurrency - Math.floor(concurrency / 4) - inBackground) }
  }

  wake(): void {
    this.#wake.abort()
    if (this.#others > 0) this.#options.journal.hint('work')
  }

  async ended(operation: string, timeoutMs: number, options: { readonly until?: AbortSignal } = {}): Promise<boolean> {
    const ended = this.#waiters.wait(operation, timeoutMs, options)
    // The end of what runs here is told.
    if (this.#runsOf(operation).length === 0) await this.#lookForEnds([operation])
    return ended
  }

  async abort(operation: string): Promise<void> {
    await this.#options.journal.askAbort(operation)
    for (const run of this.#runsOf(operation)) run.abort()
    this.#tellAsked()
  }

  async retry(operation: string): Promise<void> {
    await this.#options.journal.askRetry(operation)
    for (const run of this.#runsOf(operation)) run.hasten()
    this.#tellAsked()
  }

  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#end(options.graceMs ?? 3_000)
    return this.#stopping
  }

  async #end(graceMs: number): Promise<void> {
    this.#stopAsked.abort()
    this.#wake.abort()
    for (const run of this.#active.keys()) run.stop({ interrupt: false })
    // What is being claimed just now is given back like the rest.
    await this.#claiming
    await this.#idleWithin(graceMs)
    for (const run of this.#active.keys()) run.stop({ interrupt: true })
    await this.#idleWithin(INTERRUPTED_MS)
    // A renewal that is under way would take back what is given back.
    this.#stopped.abort()
    await Promise.all(this.#loops)
    const why = 'the controller stops; a call had not come back'
    await Promise.all([...this.#active.keys()].map(({ claim }) => release(this.#deps, claim, { inMs: 0, why })))
    await this.#unlisten()
    await this.#options.journal.leave(this.#options.node).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'the node could not sign off')
    })
  }

  async #idleWithin(ms: number): Promise<void> {
    const over = new AbortController()
    const idle = Promise.all(this.#active.values()).then(() => over.abort())
    await Promise.race([idle, restUntil(ms, over.signal)])
    over.abort()
  }

  #hear(what: Hint): void {
    if (what === 'asked') this.#renew.abort()
    if (what === 'ended') void this.#lookForEnds(this.#waiters.awaited())
    this.#wake.abort()
  }

  #tellAsked(): void {
    this.#wake.abort()
    if (this.#others > 0) this.#options.journal.hint('asked')
  }

  #runsOf(operation: string): readonly Run<Tx>[] {
    return [...this.#active.keys()].filter(({ claim }) => claim.id === operation)
  }

  async #claimLoop(): Promise<void> {
    const { journal, node, log, pollMs = 500 } = this.#options
    while (!this.#stopAsked.signal.aborted) {
      this.#wake = new AbortController()
      const { all: max, background } = this.#room()
      try {
        const claims = max > 0 ? await journal.claim(node, { max, background }) : []
        for (const claim of claims) this.#begin(claim)
        this.#note(claims, { max, background })
      } catch (error) {
        log.warn({ err: error }, 'operations could not be claimed')
      }
      await restUntil(pollMs, this.#wake.signal)
    }
  }

  /** A look that filled all the room there was may have left others waiting. */
  #note(claims: readonly Claim[], room: { readonly max: number; readonly background: number }): void {
    const inBackground = claims.filter(({ saga }) => this.#options.sagas.get(saga)?.lane !== 'access').length
    this.#behind.clear()
    if (claims.length >= room.max) this.#behind.add('any').add('background')
    if (inBackground >= room.background) this.#behind.add('background')
  }

  #begin(claim: Claim): void {
    const definition = this.#options.sagas.get(claim.saga)
    const why = mismatch(claim, definition)
    if (!definition || why !== undefined) {
      this.#options.log.error(
        { operation: claim.id, saga: claim.saga, why },
        'an operation cannot be run by this release',
      )
      void release(this.#deps, claim, { inMs: UNKNOWN_MS, why: why ?? '' })
      return
    }
    this.#deps.observe?.claimed(claim.firstRun ? 'new' : 'resumed')
    const run = new Run(claim, definition, this.#deps)
    // Claimed while the stop began: it goes back at its first check.
    if (this.#stopAsked.signal.aborted) run.stop({ interrupt: false })
    this.#active.set(run, this.#carryOut(run))
  }

  async #carryOut(run: Run<Tx>): Promise<void> {
    const outcome = await execute(run)
    this.#active.delete(run)
    this.#wake.abort()
    if (outcome === 'lost') this.#deps.observe?.lost()
    if (outcome === 'ended') this.#waiters.tell([run.claim.id])
    if (outcome !== 'lost' && this.#others > 0) this.#options.journal.hint(outcome === 'ended' ? 'ended' : 'work')
  }

  async #renewLoop(): Promise<void> {
    const { leaseMs, log } = this.#options
    for (;;) {
      this.#renew = new AbortController()
      await restUntil(leaseMs / 4, AbortSignal.any([this.#renew.signal, this.#stopped.signal]))
      if (this.#stopped.signal.aborted) return
      try {
        await within(leaseMs / 2, this.#heartbeat())
      } catch (error) {
        this.#deps.observe?.renewed('failed')
        log.warn({ err: error }, 'leases could not be renewed')
      }
      // Without an answer for a whole lease, another node may have our operations by now.
      if (performance.now() - this.#renewedAt > leaseMs) for (const run of this.#active.keys()) run.lose()
    }
  }

  async #heartbeat(): Promise<void> {
    const { journal, node } = this.#options
    const runs = [...this.#active.keys()]
    const asked = performance.now()
    const renewed = await journal.heartbeat(
      node,
      runs.map(({ held }) => held),
    )
    this.#renewedAt = asked
    this.#deps.observe?.renewed('ok')
    this.#others = renewed.others
    for (const run of runs) {
      const { id } = run.claim
      if (renewed.lost.includes(id)) run.lose()
      if (renewed.abortAsked.includes(id)) run.abort()
      if (renewed.retryNow.includes(id)) run.hasten()
    }
  }

  /** Ends that other nodes brought about, where no hint of them came. */
  async #awaitLoop(): Promise<void> {
    const { pollMs = 500 } = this.#options
    while (!this.#stopAsked.signal.aborted) {
      await restUntil(pollMs / 2, this.#stopAsked.signal)
      await this.#lookForEnds(this.#waiters.awaited())
    }
  }

  async #lookForEnds(operations: readonly string[]): Promise<void> {
    if (operations.length === 0) return
    try {
      this.#waiters.tell(await this.#options.journal.endedAmong(operations))
    } catch (error) {
      this.#options.log.warn({ err: error }, 'ends of operations could not be looked up')
    }
  }
}

/** A database that hangs must not hide that a lease is running out. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms)
  // Whichever loses the race has nobody who looks at it.
  work.catch(() => {})
  await Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
