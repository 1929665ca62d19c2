import { type SagaDefinition, saga } from '../jobs/saga.ts'
import type { Tx } from '../store/store.ts'
import { sagaHead } from './head.ts'

/** What was recorded: a row of the database, by kind and id. */
export interface RecordedInput {
  readonly kind: string
  readonly id: string
}

/**
 * Of what was done whole in the transaction that submits it: nothing is left to do. It gives commands that CloudStack
 * answers with a job their job.
 */
export const recorded = sagaHead<RecordedInput>({
  name: 'recorded',
  version: 1,
  lane: 'access',
  needs: async () => [],
  about: ({ kind, id }) => ({ kind, id }),
})

/** A single step without an effect. */
export function recordedSaga(): SagaDefinition<Tx> {
  return saga<RecordedInput, Tx>(recorded)
    .step('begin', { decide: async () => ({}) })
    .build()
}
