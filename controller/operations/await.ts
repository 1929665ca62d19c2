import { asRefusalCode, Refusal } from '../domain/failures.ts'
import { outcomeOf } from '../store/queries/pending.ts'
import type { System } from './context.ts'

/** How long a command that answers at once, as CloudStack's does, waits for the operation behind it. */
const PATIENCE_MS = 30_000

/**
 * Waits until operations have ended well. Throws `Refusal`: their own when one failed; `UNAVAILABLE`, naming the job, when
 * one still runs after `PATIENCE_MS`, unless told otherwise: it goes on, and its job id answers.
 */
export async function endedWell(
  system: System,
  operations: readonly string[],
  { withinMs }: { readonly withinMs: number } = { withinMs: PATIENCE_MS },
): Promise<void> {
  const until = Date.now() + withinMs
  for (const operation of operations) {
    const ended = await system.jobs.ended(operation, Math.max(0, until - Date.now()))
    if (!ended)
      throw new Refusal(
        'UNAVAILABLE',
        `This takes longer than ${withinMs / 1000} seconds and goes on: its job is ${operation}`,
      )
    const outcome = await outcomeOf(system.store.reader, operation)
    if (outcome?.state === 'succeeded') continue
    const { code, text, internal } = outcome?.failure ?? {
      code: 'INTERNAL',
      text: 'The operation was aborted',
      internal: undefined,
    }
    throw new Refusal(asRefusalCode(code), text, internal === undefined ? {} : { internal })
  }
}
