import type { CallRecord, Failure, Lane, Progress } from './saga.ts'

/** States of an operation. `queued` covers waiting behind a conflict. The last three are final. */
export const OPERATION_STATES = ['queued', 'running', 'undoing', 'succeeded', 'failed', 'aborted'] as const
/** A name in `OPERATION_STATES`. */
export type OperationState = (typeof OPERATION_STATES)[number]

/** What to do, durably. */
export interface Submission {
  /** UUID; the job id of the CloudStack API. Submitting an id again changes nothing. */
  readonly id: string
  readonly saga: string
  readonly version: number
  readonly lane: Lane
  /** Plain JSON. Secrets do not belong here. */
  readonly input: unknown
  /** Names of what it needs alone, as `volume:ID`. Operations that share one run in the order of submission. */
  readonly resources: readonly string[]
  /** Whose it is, for fairness and listing: ids of account and principal, or '' for the controller itself. */
  readonly account: string
  readonly user: string
  /** API command that asked, as `attachVolume`; internal operations give their saga's name. */
  readonly command: string
  /** What it is about: CloudStack's job instance. Absent for operations about nothing in particular. */
  readonly subject?: { readonly kind: string; readonly id: string }
}

/** An operation under lease, with what its journal holds. */
export interface Claim {
  readonly id: string
  readonly saga: string
  readonly version: number
  readonly state: 'running' | 'undoing'
  readonly input: unknown
  /** Drawn from one sequence when the locks were taken or taken over: grows with every claim. */
  readonly fence: number
  readonly account: string
  readonly steps: readonly JournaledStep[]
  /** Present while undoing. */
  readonly failure?: Failure
  /** Present while undoing when a step without an end may have started before. */
  readonly undoFrom?: string
  readonly abortAsked: boolean
  /** No run of it came before: no step can have started. */
  readonly firstRun: boolean
  /** W3C traceparent of what asked for it; absent for operations of releases that kept none. */
  readonly trace?: string
}

/** A step that has an end in the journal. The first step that has none is the one that may have started. */
export interface JournaledStep {
  readonly name: string
  readonly state: 'done' | 'undone'
  readonly result: unknown
}

/** Who holds a claim: every write checks that it still does. */
export type Held = Pick<Claim, 'id' | 'fence'>

/** Thrown by every write of a claim that was taken over: the loser stops without a word. */
export class LostLease extends Error {
  override readonly name = 'LostLease'
}

/** A step that ends, with the calls it made. `next` is the step that follows it: shown as the one at work. */
export interface StepEnd {
  readonly name: string
  readonly ordinal: number
  readonly calls: readonly CallRecord[]
  readonly next?: string | undefined
}

/** A failed attempt that will be repeated: why, and when (milliseconds from now). */
export interface RetryNote {
  readonly step: string
  readonly attempt: number
  readonly why: string
  readonly inMs: number
  readonly calls: readonly CallRecord[]
}

/** What a node learns when it renews its leases. */
export interface Renewed {
  /** Operations that this node holds no more. */
  readonly lost: readonly string[]
  readonly abortAsked: readonly string[]
  /** Operations without a time to wait for: an attempt that waits should run now. */
  readonly retryNow: readonly string[]
  /** Other nodes that are alive: whether hints are worth sending. */
  readonly others: number
}

/** What other nodes may want to look at: something to claim, an operation that ended, an abort or retry asked. */
export type Hint = 'work' | 'ended' | 'asked'

/**
 * The durable side of the runner, implemented by the store. Every write is one transaction that throws `LostLease`
 * unless `held.fence` is the operation's; time is the database's. A write whose outcome was not learnt (`unavailable`) may
 * be repeated: it recognises its own work.
 */
export interface Journal<Tx> {
  /** Records the operation in the caller's transaction; `step` is its first. An id that is there already changes nothing. */
  submit(tx: Tx, submission: Submission, step: string): Promise<void>
  /**
   * As `submit`; and, with `node`, takes the operation up for it in the same transaction when its locks are free and nobody
   * is in line for them, which saves looking for it. `committed` is called once the transaction has committed, with the
   * claim, or without one when the operation waits. It is not called when the end of the transaction is not learnt: a lease
   * that nobody knows of runs out.
   */
  submitAndClaim(
    tx: Tx,
    submission: Submission,
    by: {
      readonly step: string
      readonly node?: string
      readonly committed: (claim: Claim | undefined) => void
    },
  ): Promise<void>
  /**
   * Takes up to `max` operations: runnable ones in order of lane, fairness and age; and those whose lease ran out. Of the
   * lanes after `access`, at most `background`.
   */
  claim(node: string, limit: { readonly max: number; readonly background: number }): Promise<readonly Claim[]>
  /** Says that the node lives and extends the leases it holds. Stores progress. */
  heartbeat(node: string, held: readonly (Held & { readonly progress?: Progress })[]): Promise<Renewed>
  /** Journals what `record` answers, plain JSON, as the step's result, and answers it as a reader of the journal would see it. */
  commitStep(held: Held, step: StepEnd, record: (tx: Tx) => Promise<unknown>): Promise<unknown>
  /**
   * Journals the last step like `commitStep`, ends the operation well and releases its locks, all in one transaction.
   * `succeeded` gets the step's result as a reader of the journal would see it. When it throws, the step has no end either.
   */
  commitLast(
    held: Held,
    step: StepEnd,
    work: {
      readonly record: (tx: Tx) => Promise<unknown>
      readonly succeeded: (tx: Tx, result: unknown) => Promise<void>
    },
  ): Promise<void>
  /** Releases nothing. */
  noteRetry(held: Held, retry: RetryNote): Promise<void>
  /** `mayHaveStarted`: the failed step is without an end and must be undone too. */
  beginUndo(
    held: Held,
    failure: Failure & { readonly step: string; readonly mayHaveStarted: boolean },
    calls: readonly CallRecord[],
  ): Promise<void>
  commitUndo(held: Held, step: StepEnd, unrecord: (tx: Tx) => Promise<void>): Promise<void>
  /** Ends an operation that failed, once everything is undone, and releases its locks. */
  finish(
    held: Held,
    end: { readonly state: 'failed' | 'aborted'; readonly failure?: Failure },
    record: (tx: Tx) => Promise<void>,
  ): Promise<void>
  /** Gives up the lease, keeping the locks: any node may take the operation over after `inMs`. No error when it was lost. */
  release(held: Held, options: { readonly inMs: number; readonly why: string }): Promise<void>
  /** Marks an operation that has not ended, so that whoever runs it stops and undoes. */
  askAbort(operation: string): Promise<void>
  /** Clears the time that a waiting attempt waits for. */
  askRetry(operation: string): Promise<void>
  /** Which of these have ended. */
  endedAmong(operations: readonly string[]): Promise<readonly string[]>
  /** The node stops: it is listed no more. */
  leave(node: string): Promise<void>
  /** Whether an error of this journal says that the database was out of reach, so that the write may be repeated. */
  unavailable(error: unknown): boolean
  /** Tells the other nodes; best effort, returns at once. */
  hint(what: Hint): void
  /** Calls `heard` on hints of other nodes (and of this one), possibly late or never. Returns its end. */
  listen(heard: (what: Hint) => void): Promise<() => Promise<void>>
}
