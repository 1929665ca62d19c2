import { asPluginError } from '@moorage/contract'
import { allPools, reportPool } from '../store/pools.ts'
import type { Reconciler } from './reconciler.ts'

/** The recorded capacity and use of every pool is what its array says. */
export const poolReport: Reconciler = {
  name: 'pool-report',
  everyMs: 60_000,
  async run(deps, turn) {
    for (const { id, name } of await allPools(deps.store.reader)) {
      try {
        const pool = await deps.plugins.pool(id)
        const report = await pool.provider(() => {}).pools.report(turn.call(`pool/${id}`))
        await deps.store.transact(async (tx) => reportPool(tx, id, report))
      } catch (error) {
        const { code, message } = asPluginError(error)
        deps.log.warn({ pool: id, name, code, why: message }, 'a pool does not report')
      }
    }
  },
}
