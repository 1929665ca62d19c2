import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { later } from './pipeline.ts'
import type { Tx } from './store.ts'

/** How far what an event tells has come, as CloudStack names it. */
export const EVENT_STATES = ['Created', 'Scheduled', 'Started', 'Completed'] as const
/** A name in `EVENT_STATES`. */
export type EventState = (typeof EVENT_STATES)[number]

/** How much an event asks for attention. */
export const EVENT_LEVELS = ['INFO', 'WARN', 'ERROR'] as const
/** A name in `EVENT_LEVELS`. */
export type EventLevel = (typeof EVENT_LEVELS)[number]

/** What happened, to whom and at whose wish. */
export interface NewEvent {
  /** CloudStack's event type, as `VOLUME.CREATE`. */
  readonly type: string
  readonly state: EventState
  /** `INFO` unless said. */
  readonly level?: EventLevel
  /** For whoever owns the resource: no path, host or secret. */
  readonly description: string
  /** Whose event it is, by id. Absent or '': nobody's, seen by operators only. */
  readonly account?: string
  /** Who asked, by id. Absent or '': Moorage itself. */
  readonly principal?: string
  /** It is of whoever asked for `operation`, whose account and principal count instead. */
  readonly byAsker?: boolean
  /** `kind` as CloudStack's resource type, as `Volume`. */
  readonly resource?: { readonly kind: string; readonly id: string }
  /** The operation it belongs to: events of one operation are listed by `startid`. */
  readonly operation?: string
}

/** Records an event in the caller's transaction: it is there exactly when that commits. */
export async function recordEvent(tx: Tx, event: NewEvent): Promise<void> {
  await later(
    tx.insertInto('event').values({
      id: randomUUID(),
      ...whoseOf(event),
      type: event.type,
      level: event.level ?? 'INFO',
      state: event.state,
      description: event.description,
      resourceKind: event.resource?.kind ?? null,
      resourceId: event.resource?.id ?? null,
      operationId: event.operation ?? null,
    }),
  )
}

function whoseOf(event: NewEvent) {
  const { operation, account, principal, byAsker = false } = event
  if (!byAsker || operation === undefined) return { accountId: account || null, principalId: principal || null }
  return {
    accountId: sql<string | null>`(select account_id from operation where id = ${operation})`,
    principalId: sql<string | null>`(select principal_id from operation where id = ${operation})`,
  }
}
