import { asPluginError, type MoverReport, PluginError } from '@moorage/contract'
import { recordEvent } from '../store/events.ts'
import type { MoverRow } from '../store/generated/schema.ts'
import { allMovers, moverSilent, reportMover } from '../store/movers.ts'
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
  const resource = { kind: 'Mover', id: row.id }
  if (!(answer instanceof PluginError)) {
    const { initiator, accepts, archives, version } = answer
    await deps.store.transact(async (tx) => {
      const said = { initiator, accepts: [...accepts], archives: [...archives], version }
      const since = await reportMover(tx, row.id, said)
      if (!since) return
      const description = `Mover ${row.name} answers again, which it did not since ${since.toISOString()}`
      await recordEvent(tx, { type: 'MOVER.RECONNECT', state: 'Completed', description, resource })
    })
    return
  }
  const news = await deps.store.transact(async (tx) => {
    if (!(await moverSilent(tx, row.id))) return false
    const description = `Mover ${row.name} does not answer`
    await recordEvent(tx, { type: 'MOVER.ALERT', level: 'WARN', state: 'Completed', description, resource })
    return true
  })
  const { code, message } = answer
  if (news) deps.log.warn({ mover: row.id, name: row.name, code, why: message }, 'a mover does not report')
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
