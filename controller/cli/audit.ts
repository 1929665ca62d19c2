import { verifyAudit, type AuditVerdict } from '../store/audit-verify.ts'
import { createLogger } from '../telemetry/logger.ts'
import { openData } from './data.ts'

/** A place in the chain that was noted before. */
export interface ExpectedLink {
  readonly position: number
  readonly hash: string
}

/**
 * Verifies the audit in the database of `data`, whether a controller runs or not. Throws when no controller was ever
 * started there.
 */
export async function verifyAuditIn(data: string, expect: ExpectedLink | undefined): Promise<AuditVerdict> {
  const { store } = await openData(data, { log: createLogger({ level: 'silent' }), create: false })
  try {
    return await verifyAudit(store, expect)
  } finally {
    await store.close()
  }
}

/** What an operator is told, a line for each fault. */
export function verdictText({ records, unsealed, base, head, faults }: AuditVerdict): string {
  const from = base === 0 ? '' : `, from ${base + 1} on: those before are gone by retention`
  const lines = [
    ...faults.map(({ kind, text }) => `${kind}: ${text}`),
    faults.length === 0 ? 'the audit is whole' : 'the audit was tampered with',
    `${records} records${from}; ${unsealed} not sealed yet`,
    `last: ${head.position}:${head.hash}`,
  ]
  return `${lines.join('\n')}\n`
}
