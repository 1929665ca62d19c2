import { deleteStandInsOf } from './stand-ins.ts'
import type { Reader, Tx } from './store.ts'

/** A user as authentication needs it, with its account and domain. Holds secrets: it stays inside `operations`. */
export type Credentials = Awaited<ReturnType<typeof selectCredentials>>[number]

/** Which user: by its key, by its id, by name in a domain (by path), or the installation's first administrator. */
export type WhichUser =
  | { readonly apiKey: string }
  | { readonly id: string }
  | { readonly username: string; readonly domainPath: string }
  | { readonly first: 'administrator' }

/** The user and its credentials; `undefined` when there is none, or when it, its account or its domain was removed. */
export async function credentialsOf(reader: Reader, which: WhichUser): Promise<Credentials | undefined> {
  return (await selectCredentials(reader, which))[0]
}

function selectCredentials(reader: Reader, which: WhichUser) {
  const all = reader
    .selectFrom('principal')
    .innerJoin('account', 'account.id', 'principal.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where('principal.removedAt', 'is', null)
    .where('account.removedAt', 'is', null)
    .select(['principal.id', 'principal.username', 'principal.firstname', 'principal.lastname', 'principal.email'])
    .select(['principal.passwordHash', 'principal.apiKey', 'principal.sealedSecretKey', 'principal.state'])
    .select(['account.id as accountId', 'account.name as accountName', 'account.role', 'account.state as accountState'])
    .select(['domain.id as domainId', 'domain.name as domainName', 'domain.path as domainPath'])
    .orderBy('principal.seq')
    .limit(1)
  if ('apiKey' in which) return all.where('principal.apiKey', '=', which.apiKey).execute()
  if ('id' in which) return all.where('principal.id', '=', which.id).execute()
  if ('first' in which) return all.where('account.role', '=', 'admin').where('domain.path', '=', '/').execute()
  const { username, domainPath } = which
  return all.where('principal.username', '=', username).where('domain.path', '=', domainPath).execute()
}

/** A domain to make. */
export interface NewDomain {
  readonly id: string
  readonly name: string
  /** Absent for the root. */
  readonly parent?: string
  /** Ends in `/`. */
  readonly path: string
}

/** Makes a domain. Answers false when there is one of that path already. */
export async function insertDomain(tx: Tx, domain: NewDomain): Promise<boolean> {
  const { id, name, path, parent } = domain
  const done = await tx
    .insertInto('domain')
    .values({ id, name, path, parentId: parent ?? null })
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst()
  return done.numInsertedOrUpdatedRows === 1n
}

/**
 * Path of a domain that is there, its row locked until the transaction ends: who adds a name to a domain holds it, so that
 * no name is given twice.
 */
export async function lockDomain(tx: Tx, id: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('domain')
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .select('path')
    .forUpdate()
    .executeTakeFirst()
  return row?.path
}

/** An account to make. */
export interface NewAccount {
  readonly id: string
  readonly domain: string
  readonly name: string
  readonly role: 'admin' | 'domain-admin' | 'user' | 'read-only-admin'
}

/** Makes an account. Answers false when the domain has one of that name. */
export async function insertAccount(tx: Tx, account: NewAccount): Promise<boolean> {
  const { id, name, role } = account
  const taken = await tx
    .selectFrom('account')
    .where('domainId', '=', account.domain)
    .where('name', '=', name)
    .where('removedAt', 'is', null)
    .select('id')
    .executeTakeFirst()
  if (taken) return false
  // The array sees this name only: it is as unique as the id, and short enough for any array.
  const chapAccount = `moorage-${id.replaceAll('-', '').slice(0, 16)}`
  await tx.insertInto('account').values({ id, name, role, domainId: account.domain, chapAccount }).execute()
  return true
}

/** A user to make. `passwordHash` is what `hashPassword` made. */
export interface NewUser {
  readonly id: string
  readonly account: string
  readonly username: string
  readonly passwordHash: string
  readonly firstname: string
  readonly lastname: string
  readonly email: string
}

/** Makes a user. Answers false when the domain of the account has one of that name; hold `lockDomain`. */
export async function insertUser(tx: Tx, user: NewUser): Promise<boolean> {
  const { account, ...rest } = user
  const taken = await tx
    .selectFrom('principal')
    .innerJoin('account', 'account.id', 'principal.accountId')
    .where('principal.username', '=', user.username)
    .where('principal.removedAt', 'is', null)
    .where('account.domainId', '=', (eb) => eb.selectFrom('account').where('id', '=', account).select('domainId'))
    .select('principal.id')
    .executeTakeFirst()
  if (taken) return false
  await tx
    .insertInto('principal')
    .values({ ...rest, accountId: account })
    .execute()
  return true
}

/** Gives a user keys in place of those it has. `sealedSecretKey` is sealed under `principal:ID`. */
export async function updateKeys(
  tx: Tx,
  user: string,
  keys: { readonly apiKey: string; readonly sealedSecretKey: Buffer },
): Promise<void> {
  await tx.updateTable('principal').set(keys).where('id', '=', user).where('removedAt', 'is', null).execute()
}

/** What an account still has, each counted: while any is above 0 it cannot be removed. */
export async function belongingsOf(tx: Tx, account: string) {
  return await tx
    .selectNoFrom((eb) => [
      eb
        .selectFrom('volume')
        .where('accountId', '=', account)
        .where('removedAt', 'is', null)
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .as('volumes'),
      eb
        .selectFrom('snapshot')
        .where('accountId', '=', account)
        .where('removedAt', 'is', null)
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .as('snapshots'),
      eb
        .selectFrom('vm')
        .where('accountId', '=', account)
        .where('removedAt', 'is', null)
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .as('virtualMachines'),
      eb
        .selectFrom('template')
        .where('accountId', '=', account)
        .where('removedAt', 'is', null)
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .as('templates'),
    ])
    .executeTakeFirstOrThrow()
}

/** Removes an account with its users, their keys and sessions. What was removed before stays as it is. */
export async function removeAccount(tx: Tx, account: string): Promise<void> {
  const users = await tx.selectFrom('principal').where('accountId', '=', account).select('id').execute()
  for (const { id } of users) await removeUser(tx, id)
  await deleteStandInsOf(tx, account)
  await tx
    .updateTable('account')
    .set({ removedAt: new Date() })
    .where('id', '=', account)
    .where('removedAt', 'is', null)
    .execute()
}

/** Removes a user with its keys and sessions. */
export async function removeUser(tx: Tx, user: string): Promise<void> {
  await tx.deleteFrom('session').where('principalId', '=', user).execute()
  await tx
    .updateTable('principal')
    .set({ removedAt: new Date(), apiKey: null, sealedSecretKey: null, passwordHash: '' })
    .where('id', '=', user)
    .where('removedAt', 'is', null)
    .execute()
}
