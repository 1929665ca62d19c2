import { type ExpressionBuilder, sql, type SqlBool } from 'kysely'
import { statusOf } from '../../domain/template.ts'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { containing, cutPage, inOrder, type Listed, NO_LIMIT, type Ownership, ownedBy, type Window } from './page.ts'

/** What `listTemplates` may ask for; absent fields do not filter. */
export interface TemplateFilter {
  /** Whose templates; public ones are added where `publicToo`. */
  readonly ownership: Ownership
  readonly publicToo: boolean
  readonly featured?: true
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
  readonly zone?: string
  readonly hypervisor?: string
}

/** A template with the names of what it points to. */
export type TemplateView = Awaited<ReturnType<typeof selectTemplates>>[number] & {
  /** In CloudStack's words. */
  readonly status: string
}

/** A page of templates, in the order in which they were registered. */
export async function listTemplates(
  reader: Reader,
  filter: TemplateFilter,
  window: Window,
): Promise<Listed<TemplateView>> {
  const wanted = reader
    .selectFrom('template')
    .where('template.removedAt', 'is', null)
    .where((eb) => eb.and(conditions(eb, filter)))
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('template.id')
        .orderBy('template.seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await templateViews(reader, ids) }
}

/** Templates by id in that order, removed ones too. */
export async function templateViews(reader: Reader, ids: readonly string[]): Promise<readonly TemplateView[]> {
  if (ids.length === 0) return []
  const rows = await selectTemplates(reader, ids)
  // The progress is what the saga has noted of itself.
  const views = rows.map((row) => ({
    ...row,
    status: statusOf(row, row.progress ?? undefined),
  }))
  return inOrder(ids, views)
}

function conditions(eb: ExpressionBuilder<Database, 'template'>, filter: TemplateFilter) {
  const mine = ownedBy(eb, 'template', filter.ownership)
  const found = [filter.publicToo ? eb.or([mine, eb('template.public', '=', true)]) : mine]
  if (filter.featured === true) found.push(eb('template.featured', '=', true))
  if (filter.ids !== undefined) found.push(eb('template.id', 'in', filter.ids.length > 0 ? [...filter.ids] : [null]))
  if (filter.name !== undefined) found.push(eb('template.name', '=', filter.name))
  if (filter.keyword !== undefined) found.push(eb('template.name', 'ilike', containing(filter.keyword)))
  if (filter.zone !== undefined)
    found.push(eb.or([eb('template.zoneId', '=', filter.zone), eb('template.zoneId', 'is', null)]))
  if (filter.hypervisor !== undefined)
    found.push(sql<SqlBool>`lower(template.hypervisor) = ${filter.hypervisor.toLowerCase()}`)
  return found
}

function selectTemplates(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('template')
    .innerJoin('account', 'account.id', 'template.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .leftJoin('zone', 'zone.id', 'template.zoneId')
    .leftJoin('operation', 'operation.id', 'template.operationId')
    .where('template.id', 'in', [...ids])
    .selectAll('template')
    .select([
      'account.name as accountName',
      'domain.id as domainId',
      'domain.name as domainName',
      'domain.path as domainPath',
      'zone.name as zoneName',
      'operation.progress',
    ])
    .execute()
}
