import type { Mover, MoverJobId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import type { StepContext } from '../jobs/saga.ts'
import { archiveById } from '../store/archives.ts'
import type { Tx } from '../store/store.ts'
import { moverFor, moverOf, sayingOf } from './archiving.ts'
import { part } from './calls.ts'
import type { SagaDeps } from './deps.ts'

/** What sees to an archive: a job of a mover. Plain data. */
export interface Upkeep {
  readonly archive: string
  readonly mover: string
  readonly job: string
  /** Epoch milliseconds at which it began. */
  readonly at: number
}

/** Begins to see to an archive, by a job under the operation's id. Throws `Refusal` where the archive or a mover is not there. */
export async function beginUpkeep(tx: Tx, archive: string, operation: string): Promise<Upkeep> {
  const row = await archiveById(tx, archive)
  if (!row || row.removedAt) throw new Refusal('NOT_FOUND', `There is no secondary storage ${archive}`)
  const mover = await moverFor(tx, row.zoneId, { provider: row.provider })
  return { archive, mover: mover.id, job: operation, at: Date.now() }
}

/** Ends the job, and has its mover forget it. */
export async function endUpkeep(deps: SagaDeps, upkeep: Upkeep, context: StepContext): Promise<void> {
  await atMover(deps, { upkeep, context }, async (mover, job) => {
    await mover.cancel(job, part(context.call, 'cancel'))
    await mover.forget(job, part(context.call, 'forget'))
  })
}

/** Has its mover forget a job that has ended. */
export async function forgetUpkeep(deps: SagaDeps, upkeep: Upkeep, context: StepContext): Promise<void> {
  await atMover(deps, { upkeep, context }, async (mover, job) => mover.forget(job, part(context.call, 'forget')))
}

/** One that was removed has nothing to end or to forget. */
async function atMover(
  deps: SagaDeps,
  { upkeep, context }: { readonly upkeep: Upkeep; readonly context: StepContext },
  work: (mover: Mover, job: MoverJobId) => Promise<void>,
): Promise<void> {
  const { mover: id, job } = upkeep
  try {
    const mover = await moverOf(deps, id, context)
    await sayingOf(async () => work(mover, job as MoverJobId)) // An id of ours is made by us.
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
}
