import { sql } from 'kysely'
import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Ownership, type Window } from './page.ts'

/** What `listEvents` may ask for; absent fields do not filter. */
export interface EventFilter {
  readonly ownership: Ownership
  readonly id?: string
  readonly type?: string
  readonly level?: string
  readonly state?: string
  readonly keyword?: string
  readonly since?: Date
  readonly until?: Date
  readonly resource?: string
  readonly resourceKind?: string
  readonly operation?: string
  /** Archived ones, too: else they are left out. */
  readonly archived?: boolean
}

/** An event as it is listed. */
export type EventView = Awaited<ReturnType<typeof listEvents>>['items'][number]

/** Events, newest first. Events of nobody are there for those who may see everything. */
export async function listEvents(reader: Reader, filter: EventFilter, window: Window) {
  const { ownership } = filter
  let query = reader
    .selectFrom('event')
    .leftJoin('account', 'account.id', 'event.accountId')
    .leftJoin('domain', 'domain.id', 'account.domainId')
    .leftJoin('principal', 'principal.id', 'event.principalId')
  if (ownership.of === 'account') query = query.where('event.accountId', '=', ownership.id)
  if (ownership.of === 'domain') {
    const { path, recursive } = ownership
    query = query.where(
      recursive ? sql<boolean>`starts_with(domain.path, ${path})` : sql<boolean>`domain.path = ${path}`,
    )
  }
  if (filter.archived !== true) query = query.where('event.archived', '=', false)
  if (filter.id !== undefined) query = query.where('event.id', '=', filter.id)
  if (filter.type !== undefined) query = query.where('event.type', '=', filter.type)
  if (filter.level !== undefined) query = query.where('event.level', '=', filter.level)
  if (filter.state !== undefined) query = query.where('event.state', '=', filter.state)
  if (filter.keyword !== undefined) query = query.where('event.description', 'ilike', containing(filter.keyword))
  if (filter.since !== undefined) query = query.where('event.createdAt', '>=', filter.since)
  if (filter.until !== undefined) query = query.where('event.createdAt', '<=', filter.until)
  if (filter.resource !== undefined) query = query.where('event.resourceId', '=', filter.resource)
  if (filter.resourceKind !== undefined) query = query.where('event.resourceKind', 'ilike', filter.resourceKind)
  if (filter.operation !== undefined) query = query.where('event.operationId', '=', filter.operation)
  const selected = query
    .select(['event.id', 'event.type', 'event.level', 'event.state', 'event.description', 'event.createdAt'])
    .select(['event.resourceKind', 'event.resourceId', 'event.operationId', 'event.archived', 'principal.username'])
    .select(['account.name as accountName', 'domain.id as domainId', 'domain.name as domainName'])
    .select('domain.path as domainPath')
  return await listed(selected.orderBy('event.seq', 'desc'), window)
}
