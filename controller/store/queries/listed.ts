import { sql, type SelectQueryBuilder } from 'kysely'
import { type Listed, NO_LIMIT, type Window } from './page.ts'

/**
 * One part of what `query` selects, in its order, and the length of the whole. Counts only when the part does not tell.
 * For lists whose rows are cheap to skip; `cutPage` is for those that join much.
 */
export async function listed<DB, TB extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, TB, Row>,
  window: Window,
): Promise<Listed<Row>> {
  const items = await query
    .offset(window.offset)
    .limit(window.limit ?? NO_LIMIT)
    .execute()
  const last = window.limit === undefined || items.length < window.limit
  if (last && (items.length > 0 || window.offset === 0)) return { count: window.offset + items.length, items }
  const [whole] = await query
    .clearSelect()
    .clearOrderBy()
    .select(sql<number>`count(*)`.as('n'))
    .$castTo<{ readonly n: number }>()
    .execute()
  return { count: whole?.n ?? 0, items }
}
