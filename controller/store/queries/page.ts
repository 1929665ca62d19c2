import { type Expression, type ExpressionBuilder, type RawBuilder, sql, type SqlBool } from 'kysely'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { type Counting, longCount } from './long-count.ts'

/** Which part of a list is asked for: `limit` rows after the first `offset`. `limit` absent: all of them. */
export interface Window {
  readonly offset: number
  readonly limit?: number
}

/** Part of a list. `count` is over all parts, as CloudStack's `count` is. */
export interface Listed<Item> {
  readonly count: number
  readonly items: readonly Item[]
}

/** Whose rows a list shows. `path`: of the domain; `recursive` takes the domains below it in. */
export type Ownership =
  | { readonly of: 'everyone' }
  | { readonly of: 'account'; readonly id: string }
  | { readonly of: 'domain'; readonly path: string; readonly recursive: boolean }

/** A tag that must be there. `value` absent: any. */
export interface TagFilter {
  readonly key: string
  readonly value?: string
}

/** The pattern of `like` for a substring match: what the user typed stands for itself. */
export function containing(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, (special) => `\\${special}`)}%`
}

/**
 * The ids of one part of a list, and the length of the whole, as `longCount` has it. Counts only when the part does not
 * tell: a part that is not full is the last one.
 */
export async function cutPage(
  reader: Reader,
  window: Window,
  from: { readonly ids: () => Promise<readonly { readonly id: string }[]>; readonly counting: Counting },
): Promise<{ readonly count: number; readonly ids: readonly string[] }> {
  const ids = (await from.ids()).map((row) => row.id)
  const last = window.limit === undefined || ids.length < window.limit
  if (last && (ids.length > 0 || window.offset === 0)) return { count: window.offset + ids.length, ids }
  return { count: await longCount(reader, from.counting), ids }
}

/** More rows than any list holds: PostgreSQL's `limit` where none is asked for. */
export const NO_LIMIT = 2_147_483_647

/** The condition, in SQL, that `account_id` of the row is of whom `ownership` names. */
export function ofOwner(ownership: Ownership): RawBuilder<unknown> {
  if (ownership.of === 'everyone') return sql`true`
  if (ownership.of === 'account') return sql`account_id = ${ownership.id}`
  const { path, recursive } = ownership
  return sql`account_id in (select account.id from account join domain on domain.id = account.domain_id
    where ${recursive ? sql`starts_with(domain.path, ${path})` : sql`domain.path = ${path}`})`
}

type Owned = 'volume' | 'snapshot' | 'snapshotPolicy' | 'vm' | 'template'
type Conditions<Table extends keyof Database> = ExpressionBuilder<Database, Table>

/** The condition that a row belongs to whom `ownership` names. */
export function ownedBy(eb: Conditions<Owned>, table: Owned, ownership: Ownership): Expression<SqlBool> {
  if (ownership.of === 'everyone') return sql<SqlBool>`true`
  const column = sql.ref<string>(`${table}.accountId`)
  if (ownership.of === 'account') return sql<SqlBool>`${column} = ${ownership.id}`
  const accounts = eb
    .selectFrom('account')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .select('account.id')
    .where(
      ownership.recursive
        ? sql<SqlBool>`starts_with(domain.path, ${ownership.path})`
        : sql<SqlBool>`domain.path = ${ownership.path}`,
    )
  return sql<SqlBool>`${column} in ${accounts}`
}

/** The condition that a row carries every one of `tags`. `kind` is the resource type under which its tags are kept. */
export function taggedWith(
  eb: Conditions<Owned>,
  table: Owned,
  wanted: { readonly kind: string; readonly tags: readonly TagFilter[] },
): Expression<SqlBool> {
  return eb.and(
    wanted.tags.map((tag) => {
      let found = eb
        .selectFrom('tag')
        .select('tag.resourceId')
        .where('tag.resourceType', '=', wanted.kind)
        .where('tag.key', '=', tag.key)
      if (tag.value !== undefined) found = found.where('tag.value', '=', tag.value)
      return sql<SqlBool>`${sql.ref(`${table}.id`)} in ${found}`
    }),
  )
}

/** Puts rows that were fetched by id back into the order of the ids; ids without a row are left out. */
export function inOrder<Row extends { readonly id: string }>(
  ids: readonly string[],
  rows: readonly Row[],
): readonly Row[] {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}
