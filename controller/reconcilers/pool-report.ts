import { asPluginError, PluginError, type PoolReport } from '@moorage/contract'
import { recordEvent } from '../store/events.ts'
import type { PoolRow } from '../store/generated/schema.ts'
import { allPools, poolSilent, reportPool } from '../store/pools.ts'
import { poolRegistration } from '../store/registrations.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** The recorded capacity and use of every pool are what its array says, and that an array does not answer is recorded. */
export const poolReport: Reconciler = {
  name: 'pool-report',
  everyMs: 60_000,
  async run(deps, turn) {
    const pools = await allPools(deps.store.reader)
    // The array of a pool in maintenance may be off: that is what maintenance is for.
    const inService = pools.filter(({ state }) => state !== 'Maintenance')
    await inParallel(inService, async (pool) => visit(deps, turn, pool))
  },
}

async function visit(deps: ReconcilerDeps, turn: Turn, pool: PoolRow): Promise<void> {
  const answer = await reportOf(deps, turn, pool)
  if (turn.signal.aborted) return
  const resource = { kind: 'StoragePool', id: pool.id }
  if (!(answer instanceof PluginError)) {
    await deps.store.transact(async (tx) => {
      const silentSince = await reportPool(tx, pool.id, answer)
      if (!silentSince) return
      const description = `Storage pool ${pool.name} answers again, which it did not since ${silentSince.toISOString()}`
      await recordEvent(tx, { type: 'STORAGE.POOL.RECONNECT', state: 'Completed', description, resource })
    })
    return
  }
  const news = await deps.store.transact(async (tx) => {
    if (!(await poolSilent(tx, pool.id))) return false
    const description = `Storage pool ${pool.name} does not answer`
    await recordEvent(tx, { type: 'STORAGE.POOL.ALERT', level: 'WARN', state: 'Completed', description, resource })
    return true
  })
  const { code, message } = answer
  if (news) deps.log.warn({ pool: pool.id, name: pool.name, code, why: message }, 'a pool does not report')
}

/** What the array says of the pool, or why it does not. Another pool at its address is not the pool. */
async function reportOf(deps: ReconcilerDeps, turn: Turn, pool: PoolRow): Promise<PoolReport | PluginError> {
  // What cannot be opened here is wrong with this controller, not with the array.
  const { provider } = await deps.plugins.openPool(poolRegistration(deps.store, pool))
  try {
    const report = await provider(() => {}).pools.report(turn.call(`pool/${pool.id}`))
    if (report.identity === pool.identity) return report
    return new PluginError('CONFLICT', `reports as ${report.identity}, registered is ${pool.identity}`, 'none')
  } catch (error) {
    return asPluginError(error)
  }
}
