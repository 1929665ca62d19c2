import { auditChain, sealAudit } from '../store/audit-chain.ts'
import type { Reconciler } from './reconciler.ts'

/** How often at most the end of the chain is told to the log. */
const TOLD_MS = 600_000

/**
 * Audit records get their place in the chain within a second or two. Now and then the log tells the chain's end: who keeps
 * the log elsewhere can prove later that no end of the chain was cut off.
 */
export function createAuditSeal(): Reconciler {
  let toldAt = -TOLD_MS
  return {
    name: 'audit-seal',
    everyMs: 1_000,
    async run(deps, turn) {
      let sealed = 0
      for (let last = 1; last > 0 && !turn.signal.aborted; sealed += last) last = await sealAudit(deps.store)
      if (sealed === 0 || performance.now() - toldAt < TOLD_MS) return
      const { head } = await auditChain(deps.store, deps.store.reader)
      toldAt = performance.now()
      deps.log.info({ position: head.position, hash: head.hash.toString('hex') }, 'the audit is sealed up to here')
    },
  }
}
