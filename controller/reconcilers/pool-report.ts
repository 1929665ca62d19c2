import { asPluginError, PluginError, type PoolReport } from '@moorage/contract'
import type { PoolRow } from '../store/generated/schema.ts'
import { allPools, reportPool } from '../store/pools.ts'
import { poolRegistration } from '../store/registrations.ts'
import { recordAnswer } from './answered.ts'
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
  const { id, name } = pool
  const asked = {
    table: 'pool',
    id,
    name,
    kind: 'StoragePool',
    event: 'STORAGE.POOL',
    title: 'Storage pool',
    one: 'a pool',
  } as const
  await recordAnswer(deps, asked, {
    answer,
    record: async (tx, report) => reportPool(tx, pool.id, report),
  })
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
