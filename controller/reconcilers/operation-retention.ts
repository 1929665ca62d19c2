import { setting } from '../store/configurations.ts'
import { deleteEndedOperations } from '../store/operation-history.ts'
import type { Reconciler } from './reconciler.ts'

/** Operations deleted in one transaction: their logs are many times as many rows. */
const BATCH = 200

/** Operations that ended longer than `operation.retention` ago are gone, with their steps and logs. */
export const operationRetention: Reconciler = {
  name: 'operation-retention',
  everyMs: 3_600_000,
  async run(deps, turn) {
    const days = await setting(deps.store.reader, 'operation.retention')
    let deleted = 0
    for (let last = BATCH; last === BATCH && !turn.signal.aborted; deleted += last)
      last = await deps.store.transact(async (tx) => deleteEndedOperations(tx, { days, most: BATCH }))
    if (deleted > 0) deps.log.info({ operations: deleted, days }, 'deleted operations that ended long ago')
  },
}
