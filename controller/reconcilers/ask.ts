import { derivedId } from '../domain/derived-id.ts'
import { resourceName, type ResourceKind } from '../domain/resource.ts'
import type { SagaHead } from '../sagas/head.ts'
import { submitInternal } from '../sagas/internal.ts'
import { type Attempts, attemptsAt } from '../store/operation-history.ts'
import { isBusy } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import type { ReconcilerDeps, Turn } from './reconciler.ts'

/** A thing about which an operation should be done. */
export interface Wish<Input> {
  readonly kind: ResourceKind
  readonly id: string
  /** Whose it is. */
  readonly account: string
  readonly input: Input
  /** Read in the transaction that submits, in place of `input`: what others change meanwhile. */
  readonly inputNow?: (tx: Tx) => Promise<Input>
  /** Looked at in the transaction that submits, before anything else: false when there is nothing to wish for any more. */
  readonly still?: (tx: Tx) => Promise<boolean>
  /** Records what goes with the operation, in the transaction that submits it. */
  readonly note?: (tx: Tx, operation: string) => Promise<void>
}

/** The same operation wished for several things. */
export interface Order<Input> {
  readonly head: SagaHead<Input>
  /** For the log. */
  readonly reason: string
  readonly wishes: readonly Wish<Input>[]
}

/** Operations asked for in one turn: a backlog of thousands must not stand in the queue before everybody else. */
const MOST = 500

/** Things whose history is looked up in one query. */
const CHUNK = 500

const FIRST_WAIT_MS = 60_000
const LONGEST_WAIT_MS = 3_600_000

/**
 * Submits an operation for each thing on which none is open or waits. After a failure it is asked for again a minute later,
 * then two, four, up to an hour. Ids derive from the attempt before, so that several controllers ask once.
 */
export async function askFor<Input>(deps: ReconcilerDeps, turn: Turn, order: Order<Input>): Promise<void> {
  let asked = 0
  for (let from = 0; from < order.wishes.length && asked < MOST; from += CHUNK) {
    const some = order.wishes.slice(from, from + CHUNK)
    const ids = some.map(({ id }) => id)
    const before = await attemptsAt(deps.store.reader, order.head.name, ids)
    for (const wish of some.filter(({ id }) => isDue(before.get(id), turn))) {
      if (turn.signal.aborted || asked === MOST) return
      if (await ask(deps, order, { wish, turn })) asked += 1
    }
  }
}

async function ask<Input>(
  deps: ReconcilerDeps,
  order: Order<Input>,
  { wish, turn }: { readonly wish: Wish<Input>; readonly turn: Turn },
): Promise<boolean> {
  const { head, reason } = order
  const { kind, id, account } = wish
  const operation = await deps.store.transact(async (tx) => {
    if (wish.still && !(await wish.still(tx))) return undefined
    if (await isBusy(tx, resourceName(kind, id))) return undefined
    const before = (await attemptsAt(tx, head.name, [id])).get(id)
    if (!isDue(before, turn)) return undefined
    const derived = derivedId('reconciler', head.name, id, before?.last ?? '')
    const input = (await wish.inputNow?.(tx)) ?? wish.input
    await submitInternal(tx, deps.jobs, { head, input, id: derived, account })
    await wish.note?.(tx, derived)
    return derived
  })
  if (operation === undefined) return false
  deps.log.info({ operation, saga: head.name, about: resourceName(kind, id), reason }, 'asked for an operation')
  return true
}

function isDue(before: Attempts | undefined, turn: Turn): boolean {
  if (!before) return true
  if (before.endedAgoMs === undefined) return false
  // What ended since the turn began, another controller's attempt say, may have done what is wished for.
  if (before.endedAgoMs <= performance.now() - turn.began) return false
  if (before.failures === 0) return true
  return before.endedAgoMs >= Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (before.failures - 1))
}
