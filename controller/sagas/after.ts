import { asRefusalCode, Refusal } from '../domain/failures.ts'
import { outcomeOf } from '../store/queries/pending.ts'
import type { Tx } from '../store/store.ts'

/** Throws what `operation`, behind which this one has waited, failed with: it was only to be done if that went well. */
export async function checkAfter(tx: Tx, operation: string | undefined): Promise<void> {
  const outcome = operation === undefined ? undefined : await outcomeOf(tx, operation)
  if (outcome === undefined || outcome.state === 'succeeded') return
  const { code = 'ABORTED', text = 'What was to be done before was given up', internal } = outcome.failure ?? {}
  throw new Refusal(asRefusalCode(code), text, internal === undefined ? {} : { internal })
}
