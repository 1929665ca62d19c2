import type { Submission } from '../jobs/journal.ts'
import type { Lane } from '../jobs/saga.ts'
import type { Tx } from '../store/store.ts'

/** What a saga contributes to a submission; the operation adds id, account, user and command. */
export type SagaSubmission = Pick<Submission, 'saga' | 'version' | 'lane' | 'input' | 'resources' | 'subject'>

/** Name of a saga, and how to ask for it. */
export interface SagaHead<Input> {
  readonly name: string
  readonly version: number
  readonly lane: Lane
  /**
   * What to submit so that the saga runs with `input`. Reads, in the caller's transaction, which locks it will need:
   * submit in that same transaction.
   */
  submission(tx: Tx, input: Input): Promise<SagaSubmission>
}

/** Declares a saga's head. `needs` names the locks, `about` what the operation is about. */
export function sagaHead<Input>(head: {
  readonly name: string
  readonly version: number
  readonly lane: Lane
  needs(tx: Tx, input: Input): Promise<readonly string[]>
  about?(input: Input): NonNullable<SagaSubmission['subject']>
}): SagaHead<Input> {
  const { name, version, lane } = head
  return {
    name,
    version,
    lane,
    submission: async (tx, input) => ({
      saga: name,
      version,
      lane,
      input,
      resources: await head.needs(tx, input),
      ...(head.about ? { subject: head.about(input) } : {}),
    }),
  }
}
