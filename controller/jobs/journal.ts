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
  /** Whose it is, for fairness and listing. */
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
  readonly abortAsked: boolean
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

/**
 * The durable side of the runner, implemented by the store. Every write is one transaction that throws `LostLease`
 * unless `held.fence` is the operation's; time is the database's.
 */
export interface Journal<Tx> {
  /** Takes up to `max` operations: runnable ones in order of lane, fairness and age; and those whose lease ran out. */
  claim(node: string, max: number): Promise<readonly Claim[]>
  /** Extends the leases of this node; answers those whose abort was asked. Stores progress. */
  heartbeat(
    node: string,
    held: readonly (Held & { readonly progress?: Progress })[],
  ): Promise<{ readonly lost: readonly string[]; readonly abortAsked: readonly string[] }>
  /** Journals what `record` answers, plain JSON, as the step's result, and answers it as a reader of the journal would see it. */
  commitStep(
    held: Held,
    step: { readonly name: string; readonly ordinal: number; readonly calls: readonly CallRecord[] },
    record: (tx: Tx) => Promise<unknown>,
  ): Promise<unknown>
  /** A failed attempt that will be repeated: why, and when (milliseconds from now). Releases nothing. */
  noteRetry(
    held: Held,
    retry: { readonly step: string; readonly attempt: number; readonly why: string; readonly inMs: number; readonly calls: readonly CallRecord[] },
  ): Promise<void>
  beginUndo(held: Held, failure: Failure & { readonly step: string }, calls: readonly CallRecord[]): Promise<void>
  commitUndo(
    held: Held,
    step: { readonly name: string; readonly ordinal: number; readonly calls: readonly CallRecord[] },
    unrecord: (tx: Tx) => Promise<void>,
  ): Promise<void>
  /** Ends the operation and releases its locks. */
  finish(
    held: Held,
    end: { readonly state: 'succeeded' | 'failed' | 'aborted'; readonly failure?: Failure },
    record: (tx: Tx) => Promise<void>,
  ): Promise<void>
  /** Calls `wake` when there may be something to claim: a hint, possibly late or lost. Returns its end. */
  listen(wake: () => void): Promise<() => Promise<void>>
}
