import { derivedId } from '../domain/derived-id.ts'
import type { SagaHead } from '../sagas/head.ts'
import { submitInternal } from '../sagas/internal.ts'
import { isBusy } from '../store/resources.ts'
import type { ReconcilerDeps, Turn } from './reconciler.ts'

/** An operation that a reconciler wants to see done. */
export interface Wish<Input> {
  readonly reason: string
  readonly head: SagaHead<Input>
  readonly input: Input
  /** Lock of the thing it is about: while an operation has it, or waits for it, the wish waits for the next turn. */
  readonly about: string
  readonly account: string
}

/** Submits the operation unless something is being done already. Asked for once per turn, however many controllers ask. */
export async function ask<Input>(deps: ReconcilerDeps, turn: Turn, wish: Wish<Input>): Promise<void> {
  const { reason, head, input, about, account } = wish
  const id = derivedId('reconciler', reason, about, String(turn.number))
  const asked = await deps.store.transact(async (tx) => {
    if (await isBusy(tx, about)) return false
    await submitInternal(tx, deps.jobs, { head, input, id, account })
    return true
  })
  if (!asked) return
  deps.log.info({ operation: id, saga: head.name, about, reason }, 'asked for an operation')
  deps.jobs.wake()
}
