import { sql } from 'kysely'
import type { Tx } from './store.ts'

/** States of accounts and users. Only those of an enabled account that are enabled themselves may do anything. */
export type IdentityState = 'enabled' | 'disabled' | 'locked'

/** Sets the state of an account that is there; ends the sessions of its users unless it is enabled. */
export async function setAccountState(tx: Tx, id: string, state: IdentityState): Promise<void> {
  await tx.updateTable('account').set({ state }).where('id', '=', id).where('removedAt', 'is', null).execute()
  if (state === 'enabled') return
  const users = tx.selectFrom('principal').where('accountId', '=', id).select('id')
  await tx.deleteFrom('session').where('principalId', 'in', users).execute()
}

/** Sets the state of a user that is there; ends its sessions unless it is enabled. */
export async function setUserState(tx: Tx, id: string, state: IdentityState): Promise<void> {
  await tx.updateTable('principal').set({ state }).where('id', '=', id).where('removedAt', 'is', null).execute()
  if (state !== 'enabled') await endSessionsOf(tx, id)
}

/** Ends every session of a user. */
export async function endSessionsOf(tx: Tx, user: string): Promise<void> {
  await tx.deleteFrom('session').where('principalId', '=', user).execute()
}

/** Names an account. Answers false when its domain has another of that name; hold `lockDomain`. */
export async function renameAccount(
  tx: Tx,
  account: { readonly id: string; readonly domain: string; readonly name: string },
): Promise<boolean> {
  const { id, domain, name } = account
  const taken = await tx
    .selectFrom('account')
    .where('domainId', '=', domain)
    .where('name', '=', name)
    .where('removedAt', 'is', null)
    .where('id', '<>', id)
    .select('id')
    .executeTakeFirst()
  if (taken) return false
  await tx.updateTable('account').set({ name }).where('id', '=', id).where('removedAt', 'is', null).execute()
  return true
}

/** What of a user may be changed; absent fields stay. */
export interface UserChange {
  readonly username?: string
  readonly firstname?: string
  readonly lastname?: string
  readonly email?: string
  readonly passwordHash?: string
}

/** Changes a user. Answers false when its domain has another of that name; hold `lockDomain` to name it. */
export async function updateUserRow(
  tx: Tx,
  user: { readonly id: string; readonly domain: string },
  change: UserChange,
): Promise<boolean> {
  if (change.username !== undefined) {
    const taken = await tx
      .selectFrom('principal')
      .innerJoin('account', 'account.id', 'principal.accountId')
      .where('principal.username', '=', change.username)
      .where('principal.removedAt', 'is', null)
      .where('account.domainId', '=', user.domain)
      .where('principal.id', '<>', user.id)
      .select('principal.id')
      .executeTakeFirst()
    if (taken) return false
  }
  if (Object.keys(change).length === 0) return true
  await tx.updateTable('principal').set(change).where('id', '=', user.id).where('removedAt', 'is', null).execute()
  return true
}

/** A domain with what it holds that keeps it from being deleted. */
export interface DomainContents {
  readonly accounts: number
  readonly domains: number
}

/** Counts what lies in a domain: accounts, and domains directly below it. */
export async function contentsOfDomain(tx: Tx, id: string): Promise<DomainContents> {
  const { rows } = await sql<DomainContents>`select
    (select count(*) from account where domain_id = ${id} and removed_at is null) as accounts,
    (select count(*) from domain where parent_id = ${id} and removed_at is null) as domains`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error('a query without a table answers one row')
  return row
}

/** Removes a domain that is empty. Its path is freed for another of the name. */
export async function removeDomain(tx: Tx, id: string): Promise<void> {
  await sql`update domain set removed_at = now(), path = path || '#' || seq where id = ${id} and removed_at is null`.execute(
    tx,
  )
}

/**
 * Names a domain: its path and those of all domains below it change with it. Answers false when its parent has another of
 * that name; hold `lockDomain`.
 */
export async function renameDomain(
  tx: Tx,
  domain: { readonly id: string; readonly path: string; readonly name: string },
): Promise<boolean> {
  const { id, path, name } = domain
  const renamed = path.replace(/[^/]+\/$/, `${name}/`)
  if (renamed !== path) {
    const taken = await tx.selectFrom('domain').where('path', '=', renamed).select('id').executeTakeFirst()
    if (taken) return false
    await sql`update domain set path = ${renamed} || substr(path, ${path.length + 1})
      where starts_with(path, ${path}) and removed_at is null`.execute(tx)
  }
  await tx.updateTable('domain').set({ name }).where('id', '=', id).execute()
  return true
}
