import type { CallRecord } from '../jobs/saga.ts'
import { jsonText } from './json.ts'
import { sql } from 'kysely'
import { LATER } from './pipeline.ts'
import type { Tx } from './store.ts'

/** What an entry of an operation's log says. `call` is one call of a plug-in, `placed` why a volume is where it is; the rest are the operation's own turns. */
export const LOG_KINDS = [
  'submitted',
  'claimed',
  'taken over',
  'step done',
  'retry',
  'undo begun',
  'step undone',
  'released',
  'abort asked',
  'retry asked',
  'ended',
  'call',
  'placed',
] as const
/** A name in `LOG_KINDS`. */
export type LogKind = (typeof LOG_KINDS)[number]

/** One entry to write. */
export interface LogEntry {
  readonly operation: string
  readonly kind: LogKind
  readonly step?: string | undefined
  readonly node?: string | undefined
  readonly fence?: number | undefined
  readonly detail?: object
}

/** The entries of plug-in calls, in the order in which they were made. */
export function callEntries(operation: string, step: string, calls: readonly CallRecord[]): readonly LogEntry[] {
  return calls.map((call) => ({ operation, kind: 'call', step, fence: call.fence, detail: call }))
}

/** Writes entries in order, in one statement that is not waited for. */
export async function writeLog(tx: Tx, entries: readonly LogEntry[]): Promise<void> {
  if (entries.length === 0) return
  const rows = entries.map(({ operation, kind, step, node, fence, detail }) => ({
    operation_id: operation,
    kind,
    step,
    node,
    fence,
    detail: detail ?? {},
  }))
  await sql`
    insert into operation_log (operation_id, kind, step, node, fence, detail)
    select operation_id, kind, step, node, fence, detail
    from jsonb_to_recordset(${jsonText(rows)}::jsonb)
      as entry (operation_id uuid, kind text, step text, node text, fence bigint, detail jsonb) ${LATER}`.execute(tx)
}
