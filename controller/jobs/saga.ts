import type { Call } from '@moorage/contract'

/** How far a step has come; shown with the operation. `total` absent: unknown. */
export interface Progress {
  readonly done: number
  readonly total?: number
  readonly unit: 'bytes' | 'items'
  readonly note?: string
}

/** One call of a plug-in, for the operation's log. Holds no arguments: they may be secret. */
export interface CallRecord {
  /** Pool or host by id, with what it is: `pool:ID`, `host:ID`. */
  readonly target: string
  readonly method: string
  readonly key: string
  readonly fence: number
  /** Epoch milliseconds of the controller's clock. */
  readonly began: number
  readonly ms: number
  /** `ok`, or the failure code. */
  readonly outcome: string
  readonly effect?: 'none' | 'possible'
  readonly message?: string
}

/** What a running step may use. */
export interface StepContext {
  readonly operation: string
  /** The call to hand to a plug-in: key `operation/step`, the fence under which this run holds its locks. */
  readonly call: Call
  /** Attempt of this step, from 1. */
  readonly attempt: number
  /** Adds to the operation's log of plug-in calls; plugin-host calls it. */
  readonly log: (record: CallRecord) => void
  /** Replaces the progress shown; returns at once, is stored with the next heartbeat or commit. */
  readonly progress: (progress: Progress) => void
}

/** Which operation works, and the fence under which it holds its locks. */
export interface Under {
  readonly operation: string
  readonly fence: number
}

/**
 * A step that touches the world outside. What it does there is in `run` and `undo`; what it records is in `record` and
 * `unrecord`, which run in the transaction that commits the step's journal row under the fence: so a record is there
 * exactly when the journal says so. `run` repeats after a crash and must be idempotent. `undo` runs for every step that
 * started, finished or not, and must accept that nothing happened; `unrecord` likewise must accept that `record` did not
 * run. A step with nothing to undo says so by an empty `undo`. What `undo` answers is what it found to be true once it was
 * done (an array cannot shrink, a guest may have let go all the same), and `unrecord` gets it as `found`.
 */
export interface OuterStep<Seen, Out, Tx, Found = unknown> {
  run(seen: Seen, context: StepContext): Promise<Out>
  record?(tx: Tx, seen: Seen, out: Out, under: Under): Promise<void>
  undo(seen: Seen, context: StepContext): Promise<Found>
  unrecord?(tx: Tx, seen: Seen, under: Under & { readonly found: Found }): Promise<void>
}

/**
 * A step that only reads and writes the database: it decides in the very transaction that journals its result. May run
 * several times (serialization retries), so it touches nothing else. Throwing leaves nothing behind and fails the saga.
 */
export interface LocalStep<Seen, Out, Tx> {
  decide(tx: Tx, seen: Seen, under: Under): Promise<Out>
  unrecord?(tx: Tx, seen: Seen, under: Under): Promise<void>
}

/** One step of a saga. */
export type Step<Seen, Out, Tx, Found = unknown> = OuterStep<Seen, Out, Tx, Found> | LocalStep<Seen, Out, Tx>

/** Order in which waiting operations are taken up. */
export const LANES = ['access', 'motion', 'housekeeping'] as const
/** A name in `LANES`: attach and detach before data motion before housekeeping. */
export type Lane = (typeof LANES)[number]

/** Why an operation failed. `text` is for whoever asked: no path, host, stack or secret. `internal` is for operators. */
export interface Failure {
  readonly code: string
  readonly text: string
  readonly internal?: string
  /** What it was decided by: goes into the log, and is not kept with the operation itself. */
  readonly reasons?: object
}

/** A saga, built: what the runner needs. Steps see `{ input }` and the results of the steps before them, by name. */
export interface SagaDefinition<Tx> {
  readonly name: string
  /** Stored with the journal; a running operation goes on under the version it began with, or fails loudly. */
  readonly version: number
  readonly lane: Lane
  readonly steps: readonly NamedStep<Tx>[]
  /** In the transaction that journals the last step and ends the operation; when it throws, that step has failed. */
  readonly succeeded?: (tx: Tx, seen: Readonly<Record<string, unknown>>, under: Under) => Promise<void>
  /** In the transaction that ends the operation once everything that started is undone; also when it was aborted. */
  readonly failed?: (tx: Tx, input: unknown, end: Under & { readonly failure: Failure }) => Promise<void>
}

/** A step under its name, with the types of its data erased: the builder has checked them. */
export interface NamedStep<Tx> {
  readonly name: string
  readonly step: Step<Readonly<Record<string, unknown>>, unknown, Tx>
}

/** Builds a saga so that a step cannot read what no earlier step produced, nor repeat a name. */
export interface SagaBuilder<Seen, Tx> {
  step<Name extends string, Out>(
    name: Name extends keyof Seen ? never : Name,
    step: LocalStep<Seen, Out, Tx>,
  ): SagaBuilder<Seen & { readonly [N in Name]: Out }, Tx>
  step<Name extends string, Out, Found>(
    name: Name extends keyof Seen ? never : Name,
    step: OuterStep<Seen, Out, Tx, Found>,
  ): SagaBuilder<Seen & { readonly [N in Name]: Out }, Tx>
  build(ends?: {
    readonly succeeded?: (tx: Tx, seen: Seen, under: Under) => Promise<void>
    readonly failed?: (
      tx: Tx,
      input: Seen extends { readonly input: infer I } ? I : never,
      end: Under & { readonly failure: Failure },
    ) => Promise<void>
  }): SagaDefinition<Tx>
}

/** Begins a saga whose input is plain JSON data of type `Input`. */
export function saga<Input, Tx>(head: {
  readonly name: string
  readonly version: number
  readonly lane: Lane
}): SagaBuilder<{ readonly input: Input }, Tx> {
  return builder<{ readonly input: Input }, Tx>(head, [])
}

function builder<Seen, Tx>(
  head: { readonly name: string; readonly version: number; readonly lane: Lane },
  steps: readonly NamedStep<Tx>[],
): SagaBuilder<Seen, Tx> {
  return {
    step<Name extends string, Out>(name: Name, step: Step<Seen, Out, Tx>) {
      // The journal hands each step exactly the results that its `Seen` lists, so erasing the type here loses nothing.
      const erased = { name, step } as unknown as NamedStep<Tx>
      return builder(head, [...steps, erased])
    },
    // As above: what `ends` sees is what the journal holds.
    build: (ends) => ({ ...head, steps, ...(ends as Partial<SagaDefinition<Tx>> | undefined) }),
  }
}
