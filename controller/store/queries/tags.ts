import { sql } from 'kysely'
import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Ownership, type Window } from './page.ts'

/** What `listTags` may ask for; absent fields do not filter. */
export interface TagsFilter {
  readonly ownership: Ownership
  readonly resourceType?: string
  readonly resource?: string
  readonly key?: string
  readonly value?: string
  readonly keyword?: string
}

/** Tags by resource and key. */
export async function listTags(reader: Reader, filter: TagsFilter, window: Window) {
  const { ownership } = filter
  let query = reader
    .selectFrom('tag')
    .innerJoin('account', 'account.id', 'tag.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
  if (ownership.of === 'account') query = query.where('tag.accountId', '=', ownership.id)
  if (ownership.of === 'domain') {
    const { path, recursive } = ownership
    query = query.where(
      recursive ? sql<boolean>`starts_with(domain.path, ${path})` : sql<boolean>`domain.path = ${path}`,
    )
  }
  if (filter.resourceType !== undefined) query = query.where('tag.resourceType', '=', filter.resourceType)
  if (filter.resource !== undefined) query = query.where('tag.resourceId', '=', filter.resource)
  if (filter.key !== undefined) query = query.where('tag.key', '=', filter.key)
  if (filter.value !== undefined) query = query.where('tag.value', '=', filter.value)
  if (filter.keyword !== undefined) query = query.where('tag.key', 'ilike', containing(filter.keyword))
  const selected = query
    .select(['tag.resourceType', 'tag.resourceId', 'tag.key', 'tag.value', 'account.name as accountName'])
    .select(['domain.id as domainId', 'domain.name as domainName'])
  return await listed(selected.orderBy('tag.resourceType').orderBy('tag.resourceId').orderBy('tag.key'), window)
}

/** Whose resources of a table are, by id: of those with an owner. */
export async function ownersOf(
  reader: Reader,
  table: 'volume' | 'snapshot' | 'vm' | 'template',
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await reader.selectFrom(table).where('id', 'in', ids).select(['id', 'accountId']).execute()
  return new Map(rows.map(({ id, accountId }) => [id, accountId]))
}
