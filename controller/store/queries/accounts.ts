import { sql } from 'kysely'
import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Ownership, type Window } from './page.ts'

/** The account of that name in a domain (by id), with the path of the domain; `undefined` when there is none. */
export function findAccount(reader: Reader, wanted: { readonly name: string; readonly domain: string }) {
  return reader
    .selectFrom('account')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where('account.domainId', '=', wanted.domain)
    .where('account.name', '=', wanted.name)
    .where('account.removedAt', 'is', null)
    .select(['account.id', 'domain.path as domainPath'])
    .executeTakeFirst()
}

/** The account, unless it was removed. */
export function accountNow(reader: Reader, id: string) {
  return reader
    .selectFrom('account')
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .select(['id', 'name', 'role', 'domainId'])
    .executeTakeFirst()
}

/** The id of the user of an API key; `undefined` when there is none. */
export async function findUserByKey(reader: Reader, apiKey: string): Promise<string | undefined> {
  const found = await reader.selectFrom('principal').where('apiKey', '=', apiKey).select('id').executeTakeFirst()
  return found?.id
}

/** Name and path of a domain; `undefined` when it is gone. */
export function domainNow(reader: Reader, id: string) {
  return reader
    .selectFrom('domain')
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .select(['id as domainId', 'name as domainName', 'path as domainPath'])
    .executeTakeFirst()
}

/** Path of a domain that is there: `/` for the root, `/a/b/` below it, so that a prefix is an ancestor. */
export async function domainPath(reader: Reader, id: string): Promise<string> {
  return (await reader.selectFrom('domain').where('id', '=', id).select('path').executeTakeFirstOrThrow()).path
}

/** A domain as it is listed. */
export type DomainView = Awaited<ReturnType<typeof listDomains>>['items'][number]
/** An account as it is listed. */
export type AccountView = Awaited<ReturnType<typeof listAccounts>>['items'][number]
/** A user as it is listed. */
export type UserView = Awaited<ReturnType<typeof listUsers>>['items'][number]

/** Domains by path. `within`: that domain and those below it. */
export async function listDomains(
  reader: Reader,
  filter: {
    readonly within: string
    readonly id?: string
    readonly name?: string
    readonly keyword?: string
    readonly level?: number
  },
  window: Window,
) {
  let query = reader
    .selectFrom('domain')
    .leftJoin('domain as parent', 'parent.id', 'domain.parentId')
    .where('domain.removedAt', 'is', null)
    .where(sql<boolean>`starts_with(domain.path, ${filter.within})`)
  if (filter.id !== undefined) query = query.where('domain.id', '=', filter.id)
  if (filter.name !== undefined) query = query.where('domain.name', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('domain.name', 'ilike', containing(filter.keyword))
  if (filter.level !== undefined) {
    query = query.where(sql<boolean>`array_length(string_to_array(domain.path, '/'), 1) - 2 = ${filter.level}`)
  }
  const selected = query
    .select(['domain.id', 'domain.name', 'domain.path', 'domain.parentId', 'parent.name as parentName'])
    .select(['domain.createdAt'])
    .select(
      sql<boolean>`exists (select 1 from domain d where d.parent_id = domain.id and d.removed_at is null)`.as('parted'),
    )
  return await listed(selected.orderBy('domain.path'), window)
}

/** What lists of accounts and users may ask for; absent fields do not filter. */
export interface AccountFilter {
  readonly ownership: Ownership
  readonly id?: string
  readonly name?: string
  readonly keyword?: string
  readonly role?: string
  readonly state?: string
  /** Only users: of this account, by id. */
  readonly account?: string
}

/** Accounts by domain and name, with the number of things they have. */
export async function listAccounts(reader: Reader, filter: AccountFilter, window: Window) {
  let query = reader
    .selectFrom('account')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where('account.removedAt', 'is', null)
    .where(ownedAccount(filter.ownership))
  if (filter.id !== undefined) query = query.where('account.id', '=', filter.id)
  if (filter.name !== undefined) query = query.where('account.name', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('account.name', 'ilike', containing(filter.keyword))
  if (filter.role !== undefined) query = query.where(sql<boolean>`account.role = ${filter.role}`)
  if (filter.state !== undefined) query = query.where('account.state', '=', filter.state.toLowerCase())
  const belongings = (table: 'vm' | 'volume' | 'snapshot' | 'template') =>
    sql<number>`(select count(*) from ${sql.table(table)} b where b.account_id = account.id and b.removed_at is null)`
  const selected = query
    .select(['account.id', 'account.name', 'account.role', 'account.state', 'account.createdAt'])
    .select(['domain.id as domainId', 'domain.name as domainName', 'domain.path as domainPath'])
    .select([belongings('vm').as('vms'), belongings('volume').as('volumes')])
    .select([belongings('snapshot').as('snapshots'), belongings('template').as('templates')])
  return await listed(selected.orderBy('domain.path').orderBy('account.name'), window)
}

/** Users by domain and name, without their secrets. */
export async function listUsers(reader: Reader, filter: AccountFilter, window: Window) {
  let query = reader
    .selectFrom('principal')
    .innerJoin('account', 'account.id', 'principal.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where('principal.removedAt', 'is', null)
    .where('account.removedAt', 'is', null)
    .where(ownedAccount(filter.ownership))
  if (filter.id !== undefined) query = query.where('principal.id', '=', filter.id)
  if (filter.account !== undefined) query = query.where('account.id', '=', filter.account)
  if (filter.name !== undefined) query = query.where('principal.username', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('principal.username', 'ilike', containing(filter.keyword))
  if (filter.role !== undefined) query = query.where(sql<boolean>`account.role = ${filter.role}`)
  if (filter.state !== undefined) query = query.where('principal.state', '=', filter.state.toLowerCase())
  const selected = query
    .select(['principal.id', 'principal.username', 'principal.firstname', 'principal.lastname', 'principal.email'])
    .select(['principal.state', 'principal.apiKey', 'principal.createdAt'])
    .select(['account.id as accountId', 'account.name as accountName', 'account.role'])
    .select(['domain.id as domainId', 'domain.name as domainName', 'domain.path as domainPath'])
  return await listed(selected.orderBy('domain.path').orderBy('principal.username'), window)
}

function ownedAccount(ownership: Ownership) {
  if (ownership.of === 'everyone') return sql<boolean>`true`
  if (ownership.of === 'account') return sql<boolean>`account.id = ${ownership.id}`
  return ownership.recursive
    ? sql<boolean>`starts_with(domain.path, ${ownership.path})`
    : sql<boolean>`domain.path = ${ownership.path}`
}

/** The ids of the accounts that `ownership` covers; `undefined` when it covers all. */
export async function accountsWithin(reader: Reader, ownership: Ownership): Promise<readonly string[] | undefined> {
  if (ownership.of === 'everyone') return undefined
  if (ownership.of === 'account') return [ownership.id]
  const rows = await reader
    .selectFrom('account')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where(ownedAccount(ownership))
    .select('account.id')
    .execute()
  return rows.map(({ id }) => id)
}

/** Names of accounts and their domains, removed ones included. Unknown ids are left out. */
export async function identitiesOf(reader: Reader, accounts: readonly string[]) {
  if (accounts.length === 0) return []
  return await reader
    .selectFrom('account')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where('account.id', 'in', accounts)
    .select(['account.id', 'account.name as accountName'])
    .select(['domain.id as domainId', 'domain.name as domainName', 'domain.path as domainPath'])
    .execute()
}
