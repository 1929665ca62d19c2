import type { Failure, Under } from '../jobs/saga.ts'
import { recordEvent } from '../store/events.ts'
import type { Tx } from '../store/store.ts'

/** How the end of an operation shows in `listEvents`. */
export interface Outcome<Input> {
  /** CloudStack's event type, as `VOLUME.ATTACH`. */
  readonly type: string | ((input: Input) => string)
  /** CloudStack's resource type. */
  readonly kind: 'Volume' | 'Snapshot' | 'UserVm' | 'StoragePool' | 'Host' | 'Template' | 'ImageStore' | 'CensusFinding'
  readonly id: (input: Input) => string
  /** What was done, as `attaching volume`. */
  readonly doing: string
}

/** The ends of a saga: `work` in the transaction of success, `clearUp` in that of failure, and an event in either case. */
export function ends<Input, Seen extends { readonly input: Input }>(
  outcome: Outcome<Input>,
  work: (tx: Tx, seen: Seen, under: Under) => Promise<void>,
  clearUp?: (tx: Tx, input: Input, failure: Failure) => Promise<void>,
): {
  readonly succeeded: (tx: Tx, seen: Seen, under: Under) => Promise<void>
  readonly failed: (tx: Tx, input: Input, end: Under & { readonly failure: Failure }) => Promise<void>
} {
  return {
    succeeded: async (tx, seen, under) => {
      await work(tx, seen, under)
      await record(tx, outcome, { input: seen.input, under })
    },
    failed: async (tx, input, { failure, ...under }) => {
      await clearUp?.(tx, input, failure)
      await record(tx, outcome, { input, under, failure })
    },
  }
}

async function record<Input>(
  tx: Tx,
  outcome: Outcome<Input>,
  what: { readonly input: Input; readonly under: Under; readonly failure?: Failure },
): Promise<void> {
  const { input, under, failure } = what
  const id = outcome.id(input)
  await recordEvent(tx, {
    type: typeof outcome.type === 'string' ? outcome.type : outcome.type(input),
    level: failure ? 'ERROR' : 'INFO',
    state: 'Completed',
    description: failure
      ? `Error while ${outcome.doing} ${id}: ${failure.text}`
      : `Successfully completed ${outcome.doing} ${id}`,
    byAsker: true,
    resource: { kind: outcome.kind, id },
    operation: under.operation,
  })
}
