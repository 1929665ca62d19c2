import { randomUUID } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import { later } from './pipeline.ts'
import { ofOwner, type Ownership } from './queries/page.ts'
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

/** Events by id, type or time, of those that `ownership` may see. Absent fields do not narrow. */
export interface EventSelection {
  readonly ownership: Ownership
  readonly ids?: readonly string[]
  readonly type?: string
  readonly since?: Date
  readonly until?: Date
}

/** Marks events as archived; repeating is harmless. */
export async function archiveEvents(tx: Tx, selection: EventSelection): Promise<void> {
  await sql`update event set archived = true where ${selecting(selection)} and not archived`.execute(tx)
}

/** Deletes events. */
export async function deleteEvents(tx: Tx, selection: EventSelection): Promise<void> {
  await sql`delete from event where ${selecting(selection)}`.execute(tx)
}

function selecting({ ownership, ids, type, since, until }: EventSelection): RawBuilder<unknown> {
  const conditions = [ofOwner(ownership)]
  if (ids !== undefined) conditions.push(sql`id = any(${ids}::uuid[])`)
  if (type !== undefined) conditions.push(sql`type = ${type}`)
  if (since !== undefined) conditions.push(sql`created_at >= ${since}`)
  if (until !== undefined) conditions.push(sql`created_at < ${until}`)
  return sql.join(conditions, sql` and `)
}
