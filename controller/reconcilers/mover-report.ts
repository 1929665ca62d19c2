import { asPluginError, type MoverReport, PluginError } from '@moorage/contract'
import type { MoverRow } from '../store/generated/schema.ts'
import { allMovers, reportMover } from '../store/movers.ts'
import { recordAnswer } from './answered.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** What is recorded of every mover is what it says of itself, and that one does not answer is recorded. */
export const moverReport: Reconciler = {
  name: 'mover-report',
  everyMs: 60_000,
  async run(deps, turn) {
    await inParallel(await allMovers(deps.store.reader), async (mover) => visit(deps, turn, mover))
  },
}

async function visit(deps: ReconcilerDeps, turn: Turn, row: MoverRow): Promise<void> {
  const answer = await reportOf(deps, turn, row)
  if (turn.signal.aborted) return
  const { id, name } = row
  const asked = { table: 'mover', id, name, kind: 'Mover', event: 'MOVER', title: 'Mover', one: 'a mover' } as const
  await recordAnswer(deps, asked, {
    answer,
    record: async (tx, { initiator, accepts, archives, version }) =>
      reportMover(tx, row.id, { initiator, accepts: [...accepts], archives: [...archives], version }),
  })
}

/** What the mover says of itself, or why it does not. Another one at its address is not it. */
async function reportOf(deps: ReconcilerDeps, turn: Turn, row: MoverRow): Promise<MoverReport | PluginError> {
  try {
    const { mover } = await deps.plugins.mover(row.id)
    const report = await mover(() => {}).report(turn.call(`mover/${row.id}`))
    if (report.id === row.identity) return report
    return new PluginError('CONFLICT', `reports as ${report.id}, registered is ${row.identity}`, 'none')
  } catch (error) {
    return asPluginError(error)
  }
}
