import { type Expression, type SqlBool } from 'kysely'
import type { AuditOutcome } from '../audit.ts'
import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import type { Listed, Window } from './page.ts'

/** Which audit records to list; absent fields do not filter. */
export interface AuditFilter {
  readonly account?: string
  readonly principal?: string
  readonly source?: string
  readonly command?: string
  readonly outcome?: AuditOutcome
  readonly request?: string
  readonly operation?: string
  /** Written at or after. */
  readonly since?: Date
  /** Written before. */
  readonly until?: Date
}

/** An audit record as it is listed. `position`, `previous` and `hash` are null until it is sealed. */
export type AuditView = Awaited<ReturnType<typeof listAudit>>['items'][number]

const COLUMNS = [
  'seq',
  'position',
  'at',
  'node',
  'request',
  'accountId',
  'account',
  'principalId',
  'username',
  'source',
  'command',
  'params',
  'outcome',
  'code',
  'text',
  'operationId',
  'previous',
  'hash',
] as const

/** Audit records, the newest first. */
export async function listAudit(reader: Reader, filter: AuditFilter, window: Window) {
  const { account, principal, source, command, outcome, request, operation, since, until } = filter
  const query = reader
    .selectFrom('auditRecord')
    .select(COLUMNS)
    .where((eb) => {
      const wanted: Expression<SqlBool>[] = []
      if (account !== undefined) wanted.push(eb('accountId', '=', account))
      if (principal !== undefined) wanted.push(eb('principalId', '=', principal))
      if (source !== undefined) wanted.push(eb('source', '=', source))
      if (command !== undefined) wanted.push(eb('command', '=', command))
      if (outcome !== undefined) wanted.push(eb('outcome', '=', outcome))
      if (request !== undefined) wanted.push(eb('request', '=', request))
      if (operation !== undefined) wanted.push(eb('operationId', '=', operation))
      if (since !== undefined) wanted.push(eb('at', '>=', since))
      if (until !== undefined) wanted.push(eb('at', '<', until))
      return eb.and(wanted)
    })
    .orderBy('seq', 'desc')
  const found: Listed<Awaited<ReturnType<(typeof query)['execute']>>[number]> = await listed(query, window)
  return found
}
