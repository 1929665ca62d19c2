import type { Selectable } from 'kysely'
import type { AuditRecordRow } from './generated/schema.ts'
import type { Store, Tx } from './store.ts'

/** How a command that was asked for ended: at once, as an operation, or not. `failed`: a fault inside. */
export const AUDIT_OUTCOMES = ['done', 'accepted', 'refused', 'failed'] as const
/** A name in `AUDIT_OUTCOMES`. */
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

/** What is kept of an attempt. Absent ids: nobody who was recognised. No field holds a secret. */
export interface NewAuditRecord {
  readonly node: string
  /** Id of the request: records of one request share it. */
  readonly request: string
  readonly accountId?: string
  readonly account: string
  readonly principalId?: string
  readonly username: string
  /** Address from which the request came. */
  readonly source: string
  readonly command: string
  /** JSON of its parameters. */
  readonly params: string
  readonly outcome: AuditOutcome
  /** CloudStack's error code, of a refusal or failure. */
  readonly code?: number
  readonly text: string
  readonly operation?: string
}

/** Inserts a record in the caller's transaction: it is there exactly when that commits. `sealAudit` seals it later. */
export async function insertAuditRecord(store: Pick<Store, 'mac'>, tx: Tx, record: NewAuditRecord): Promise<void> {
  const { accountId, principalId, code, operation, ...rest } = record
  const row = {
    ...rest,
    accountId: accountId ?? null,
    principalId: principalId ?? null,
    code: code ?? null,
    operationId: operation ?? null,
  }
  await tx
    .insertInto('auditRecord')
    .values({ ...row, mac: contentMac(store, row) })
    .execute()
}

/** What the record's own MAC covers. */
export type AuditContent = Omit<Selectable<AuditRecordRow>, 'seq' | 'at' | 'mac' | 'position' | 'previous' | 'hash'>

/** Proves that a controller of this installation wrote the record, as it stands. */
export function contentMac(store: Pick<Store, 'mac'>, row: AuditContent): Buffer {
  const { node, request, accountId, account, principalId, username, source, command } = row
  const who = [node, request, accountId, account, principalId, username, source]
  const what = [command, row.params, row.outcome, row.code, row.text, row.operationId]
  return store.mac('audit record', JSON.stringify([...who, ...what]))
}
