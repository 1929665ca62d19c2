import { randomUUID } from 'node:crypto'
import {
  belongingsOf,
  credentialsOf,
  insertAccount,
  insertDomain,
  insertUser,
  lockDomain,
  removeAccount,
  removeUser,
  updateKeys,
} from '../store/accounts.ts'
import { recorded } from '../sagas/recorded.ts'
import { accountNow } from '../store/queries/accounts.ts'
import type { Role } from './context.ts'
import { newKeys } from './keys.ts'
import { hashPassword } from './passwords.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut, note, submit } from './submit.ts'

/** A person who may log in. */
export interface Person {
  readonly username: string
  readonly password: string
  readonly firstname: string
  readonly lastname: string
  readonly email: string
}

const NAME = /^[^/\s][^/]{0,126}$/

/**
 * Makes a domain below `parent` and answers its id. Throws `Refusal` `INVALID` for a name that cannot be part of a path, or
 * that the parent has.
 */
export async function createDomain(
  by: By,
  domain: { readonly name: string; readonly parent: string },
): Promise<string> {
  checkName('name', domain.name)
  const id = randomUUID()
  await by.system.store.transact(async (tx) => {
    const above = await lockDomain(tx, domain.parent)
    if (above === undefined)
      throw refuse('NOT_FOUND', 'Invalid parameter parentdomainid: there is no such domain any more')
    const { name, parent } = domain
    if (!(await insertDomain(tx, { id, name, parent, path: `${above}${name}/` }))) {
      throw refuse('INVALID', `Invalid parameter name: there is a domain ${name} already`)
    }
    await note(tx, by, {
      type: 'DOMAIN.CREATE',
      description: `Domain ${name} was created`,
      resource: { kind: 'Domain', id },
    })
  })
  return id
}

/** An account to make, with its first user. */
export interface AccountRequest extends Person {
  readonly name: string
  readonly domain: string
  readonly role: Role
}

/**
 * Makes an account with its first user and answers their ids. Throws `Refusal`: `INVALID` for a name that is taken, `DENIED`
 * for a role above the caller's or an administrator outside the root domain.
 */
export async function createAccount(
  by: By,
  account: AccountRequest,
): Promise<{ readonly account: string; readonly user: string }> {
  checkName('account', account.name)
  checkPerson(account)
  if (by.caller.role !== 'admin' && account.role !== 'user' && account.role !== 'domain-admin') {
    throw refuse('DENIED', 'Only an administrator can create administrators')
  }
  const passwordHash = await hashPassword(account.password)
  const [id, user] = [randomUUID(), randomUUID()]
  await by.system.store.transact(async (tx) => {
    const { name, role, domain } = account
    const path = await lockDomain(tx, domain)
    if (path === undefined) throw refuse('NOT_FOUND', 'Invalid parameter domainid: there is no such domain any more')
    if (path !== '/' && (role === 'admin' || role === 'read-only-admin')) {
      throw refuse('DENIED', 'Administrators of everything belong to the root domain')
    }
    if (!(await insertAccount(tx, { id, domain, name, role }))) {
      throw refuse('INVALID', `Invalid parameter account: the domain has an account ${name} already`)
    }
    const { username, firstname, lastname, email } = account
    if (!(await insertUser(tx, { id: user, account: id, passwordHash, username, firstname, lastname, email }))) {
      throw taken(username)
    }
    await note(tx, by, {
      type: 'ACCOUNT.CREATE',
      description: `Account ${name} was created`,
      account: id,
      resource: { kind: 'Account', id },
    })
  })
  return { account: id, user }
}

/**
 * Removes an account with its users, and answers the operation. Throws `Refusal`: `IN_USE` naming what the account still
 * has, `INVALID` for the caller's own.
 */
export async function deleteAccount(by: By, id: string): Promise<string> {
  if (id === by.caller.accountId) throw refuse('INVALID', 'Invalid parameter id: it is your own account')
  return await carriedOut(by, async (tx) => {
    const account = await accountNow(tx, id)
    if (account === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such account any more')
    checkAbove(by, account.role)
    const has = Object.entries(await belongingsOf(tx, id)).filter(([, count]) => count !== null && count > 0)
    if (has.length > 0) {
      const what = has.map(([of, count]) => `${of}: ${count}`).join(', ')
      throw refuse('IN_USE', `Account ${account.name} cannot be deleted while it has something (${what})`)
    }
    await removeAccount(tx, id)
    return await submit(tx, by, {
      command: 'deleteAccount',
      head: recorded,
      input: { kind: 'account', id },
      event: {
        type: 'ACCOUNT.DELETE',
        description: `Account ${account.name} was deleted`,
        account: id,
        resource: { kind: 'Account', id },
      },
    })
  })
}

/** Makes another user of an account and answers its id. Throws `Refusal` `INVALID` for a name that the domain has. */
export async function createUser(by: By, user: Person & { readonly account: string }): Promise<string> {
  checkPerson(user)
  const passwordHash = await hashPassword(user.password)
  const id = randomUUID()
  await by.system.store.transact(async (tx) => {
    const account = await accountNow(tx, user.account)
    if (account === undefined) throw refuse('NOT_FOUND', 'Invalid parameter account: there is no such account any more')
    checkAbove(by, account.role)
    await lockDomain(tx, account.domainId)
    const { username, firstname, lastname, email } = user
    if (!(await insertUser(tx, { id, account: account.id, passwordHash, username, firstname, lastname, email }))) {
      throw taken(username)
    }
    await note(tx, by, {
      type: 'USER.CREATE',
      description: `User ${username} was created`,
      account: account.id,
      resource: { kind: 'User', id },
    })
  })
  return id
}

/** Removes a user with its keys and sessions. Throws `Refusal` `INVALID` for the caller itself. */
export async function deleteUser(by: By, id: string): Promise<void> {
  if (id === by.caller.principalId) throw refuse('INVALID', 'Invalid parameter id: it is you')
  await by.system.store.transact(async (tx) => {
    const user = await credentialsOf(tx, { id })
    if (user === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such user any more')
    checkAbove(by, user.role)
    await removeUser(tx, id)
    await note(tx, by, {
      type: 'USER.DELETE',
      description: `User ${user.username} was deleted`,
      account: user.accountId,
      resource: { kind: 'User', id },
    })
  })
}

/** Keys as their user may see them. Secret. */
export interface UserKeys {
  readonly apiKey?: string
  readonly secretKey?: string
}

/** Gives a user new keys; those before no longer hold. */
export async function registerKeys(by: By, id: string): Promise<UserKeys> {
  const { stored, ...shown } = newKeys(by.system.store, id)
  await by.system.store.transact(async (tx) => {
    const user = mayHoldKeysOf(by, await credentialsOf(tx, { id }))
    await updateKeys(tx, id, stored)
    await note(tx, by, {
      type: 'REGISTER.USER.KEY',
      description: `User ${user.username} was given new keys`,
      account: user.accountId,
      resource: { kind: 'User', id },
    })
  })
  return shown
}

/** The keys of a user; without any, empty. */
export async function keysOf(by: By, id: string): Promise<UserKeys> {
  const { store } = by.system
  const user = mayHoldKeysOf(by, await credentialsOf(store.reader, { id }))
  if (user.apiKey === null || user.sealedSecretKey === null) return {}
  return { apiKey: user.apiKey, secretKey: store.unseal(`principal:${id}`, user.sealedSecretKey) }
}

/** Keys are the user: nobody holds those of one who may do more, and a user of an account only its own. */
function mayHoldKeysOf<User extends { readonly id: string; readonly role: Role }>(
  by: By,
  user: User | undefined,
): User {
  if (user === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such user any more')
  checkAbove(by, user.role)
  if (by.caller.role === 'user' && user.id !== by.caller.principalId) {
    throw refuse('DENIED', 'Caller does not have permission to see the keys of another user')
  }
  return user
}

/** Throws `Refusal` `DENIED` for an account that may do more than the caller's own. */
export function checkAbove({ caller }: By, role: Role): void {
  if (caller.role === 'admin' || role === 'user' || role === caller.role) return
  throw refuse('DENIED', 'Caller does not have permission to operate with an account that may do more than its own')
}

/** Throws `Refusal` `INVALID` naming the parameter for a name that cannot be one. */
export function checkName(parameter: string, name: string): void {
  if (NAME.test(name)) return
  throw refuse('INVALID', `Invalid parameter ${parameter}: it has 1 to 127 characters, none of them a slash`)
}

function checkPerson(person: Person): void {
  checkName('username', person.username)
  checkPassword(person.password)
}

/** Throws `Refusal` `INVALID` for a password that is too short. */
export function checkPassword(password: string): void {
  if (password.length < 8) throw refuse('INVALID', 'Invalid parameter password: it has at least 8 characters')
}

/** The refusal of a username that its domain has. */
export function taken(username: string): Error {
  return refuse('INVALID', `Invalid parameter username: the domain has a user ${username} already`)
}
