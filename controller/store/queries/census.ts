import { type Expression, type ExpressionBuilder, sql, type SqlBool } from 'kysely'
import { allowedActions, type FindingAction, isFindingClass } from '../../domain/census-classes.ts'
import { setting } from '../configurations.ts'
import type { CensusFindingRow, Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { containing, type Listed, NO_LIMIT, type Window } from './page.ts'

/** What `listCensusFindings` may ask for; absent fields do not filter. */
export interface FindingFilter {
  readonly ids?: readonly string[]
  readonly kind?: CensusFindingRow['kind']
  readonly class?: string
  readonly state?: CensusFindingRow['state']
  /** Part of the object's name or of the place. */
  readonly keyword?: string
}

/**
 * What a census found. `ageSeconds` is counted from when it was first seen, by the database's clock. `actions` are
 * those that may be taken now.
 */
export type FindingView = Awaited<ReturnType<typeof selectFindings>>[number] & {
  readonly actions: readonly FindingAction[]
  /** From when on what is recycled may be deleted; absent unless it is. */
  readonly expiresAt?: Date
}

/** A page of findings, the newest first. */
export async function listFindings(
  reader: Reader,
  filter: FindingFilter,
  window: Window,
): Promise<Listed<FindingView>> {
  const wanted = reader.selectFrom('censusFinding').where((eb) => eb.and(conditions(eb, filter)))
  const [{ n }, items, seconds] = await Promise.all([
    wanted.select(({ fn }) => fn.countAll<number>().as('n')).executeTakeFirstOrThrow(),
    selectFindings(reader, filter, window),
    setting(reader, 'census.recycle.retention'),
  ])
  return { count: n, items: items.map((item) => ({ ...item, actions: actionsOf(item), ...expiry(item, seconds) })) }
}

function expiry({ state, recycledAt }: Pick<CensusFindingRow, 'state' | 'recycledAt'>, seconds: number) {
  return state === 'recycled' && recycledAt ? { expiresAt: new Date(recycledAt.getTime() + seconds * 1000) } : {}
}

/** A finding of an older version has no class: the next census gives it one. */
function actionsOf({ class: name, state }: Pick<CensusFindingRow, 'class' | 'state'>): readonly FindingAction[] {
  return isFindingClass(name) ? allowedActions(name, state) : []
}

function conditions(eb: ExpressionBuilder<Database, 'censusFinding'>, filter: FindingFilter) {
  const found: Expression<SqlBool>[] = []
  if (filter.ids !== undefined) found.push(eb('id', 'in', filter.ids.length > 0 ? filter.ids : [null]))
  if (filter.kind !== undefined) found.push(eb('kind', '=', filter.kind))
  if (filter.class !== undefined) found.push(eb('class', '=', filter.class))
  if (filter.state !== undefined) found.push(eb('state', '=', filter.state))
  if (filter.keyword !== undefined)
    found.push(
      eb.or([eb('object', 'ilike', containing(filter.keyword)), eb('place', 'ilike', containing(filter.keyword))]),
    )
  return found
}

function selectFindings(reader: Reader, filter: FindingFilter, window: Window) {
  return reader
    .selectFrom('censusFinding')
    .where((eb) => eb.and(conditions(eb, filter)))
    .select(['id', 'kind', 'class', 'place', 'object', 'detail', 'bytes', 'state', 'firstSeenAt', 'lastSeenAt'])
    .select(['reason', 'ignoredUntil', 'recycledAt', 'resolution'])
    .select(sql<number>`floor(extract(epoch from now() - first_seen_at))::bigint`.as('ageSeconds'))
    .orderBy('seq', 'desc')
    .offset(window.offset)
    .limit(window.limit ?? NO_LIMIT)
    .execute()
}
