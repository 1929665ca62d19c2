import { trimAudit } from '../store/audit-chain.ts'
import { setting } from '../store/configurations.ts'
import type { Reconciler } from './reconciler.ts'

/** Audit records older than `audit.retention` are gone from the beginning of the chain, which stays verifiable. */
export const auditRetention: Reconciler = {
  name: 'audit-retention',
  everyMs: 3_600_000,
  async run(deps, turn) {
    const days = await setting(deps.store.reader, 'audit.retention')
    let deleted = 0
    for (let last = 1; last > 0 && !turn.signal.aborted; deleted += last) last = await trimAudit(deps.store, days)
    if (deleted > 0) deps.log.info({ records: deleted, days }, 'deleted old audit records')
  },
}
