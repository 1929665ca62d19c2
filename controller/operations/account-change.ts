import { recorded } from '../sagas/recorded.ts'
import {
  contentsOfDomain,
  endSessionsOf,
  type IdentityState,
  removeDomain,
  renameAccount,
  renameDomain,
  setAccountState,
  setUserState,
  type UserChange,
  updateUserRow,
} from '../store/account-states.ts'
import { credentialsOf, lockDomain } from '../store/accounts.ts'
import { accountNow } from '../store/queries/accounts.ts'
import { runningVmsOf } from '../store/queries/vms-of-account.ts'
import type { Tx } from '../store/store.ts'
import { checkAbove, checkName, checkPassword, taken } from './accounts.ts'
import { hashPassword, isPassword } from './passwords.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut, type Happening, note, submit } from './submit.ts'
import { submitStop } from './vm-stop.ts'

const VERBS = { enabled: 'ENABLE', disabled: 'DISABLE', locked: 'LOCK' } as const satisfies Record<
  IdentityState,
  string
>

/**
 * Enables or locks an account: users of a locked one can do nothing, what it has goes on as it is. Repeating is harmless.
 * Throws `Refusal`: `INVALID` for the caller's own, `DENIED` for one that may do more than the caller.
 */
export async function changeAccountState(by: By, id: string, state: 'enabled' | 'locked'): Promise<void> {
  await by.system.store.transact(async (tx) => {
    const name = await setState(tx, by, { id, state })
    await note(tx, by, happening({ id, name, state }))
  })
}

/**
 * Disables an account, or with `lock` only locks it, and answers the operation. The VMs of a disabled account are
 * stopped, each by an operation of its own that is submitted with this one. Throws as `changeAccountState`.
 */
export async function disableAccount(
  by: By,
  account: { readonly id: string; readonly lock: boolean },
): Promise<string> {
  const { id, lock } = account
  const state = lock ? 'locked' : 'disabled'
  return await carriedOut(by, async (tx) => {
    const name = await setState(tx, by, { id, state })
    const running = lock ? [] : await runningVmsOf(tx, id)
    for (const vm of running) await submitStop(tx, by, { vm, forced: false })
    return await submit(tx, by, {
      command: 'disableAccount',
      head: recorded,
      input: { kind: 'account', id },
      event: happening({ id, name, state }),
    })
  })
}

function happening(what: { readonly id: string; readonly name: string; readonly state: IdentityState }): Happening {
  const { id, name, state } = what
  return {
    type: `ACCOUNT.${VERBS[state]}`,
    description: `Account ${name} was ${state}`,
    account: id,
    resource: { kind: 'Account', id },
  }
}

/** Answers the name of the account. */
async function setState(
  tx: Tx,
  by: By,
  change: { readonly id: string; readonly state: IdentityState },
): Promise<string> {
  const { id, state } = change
  const account = await accountNow(tx, id)
  if (account === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such account any more')
  checkAbove(by, account.role)
  if (id === by.caller.accountId && state !== 'enabled') {
    throw refuse('INVALID', 'Invalid parameter id: it is your own account')
  }
  await setAccountState(tx, id, state)
  return account.name
}

/** Names an account anew. Throws `Refusal` `INVALID` for a name that the domain has. */
export async function nameAccount(by: By, id: string, name: string): Promise<void> {
  checkName('newname', name)
  await by.system.store.transact(async (tx) => {
    const account = await accountNow(tx, id)
    if (account === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such account any more')
    checkAbove(by, account.role)
    await lockDomain(tx, account.domainId)
    if (!(await renameAccount(tx, { id, domain: account.domainId, name }))) {
      throw refuse('INVALID', `Invalid parameter newname: the domain has an account ${name} already`)
    }
    await note(tx, by, {
      type: 'ACCOUNT.UPDATE',
      description: `Account ${account.name} was named ${name}`,
      account: id,
      resource: { kind: 'Account', id },
    })
  })
}

/** Enables or locks a user. Throws `Refusal`: `INVALID` for the caller itself, `DENIED` as for its account. */
export async function changeUserState(by: By, id: string, state: 'enabled' | 'locked'): Promise<void> {
  await by.system.store.transact(async (tx) => note(tx, by, await userState(tx, by, { id, state })))
}

/** Disables a user and answers the operation. Throws as `changeUserState`. */
export async function disableUser(by: By, id: string): Promise<string> {
  return await carriedOut(by, async (tx) => {
    const event = await userState(tx, by, { id, state: 'disabled' })
    return await submit(tx, by, { command: 'disableUser', head: recorded, input: { kind: 'user', id }, event })
  })
}

/** Answers what happened. */
async function userState(
  tx: Tx,
  by: By,
  change: { readonly id: string; readonly state: IdentityState },
): Promise<Happening> {
  const { id, state } = change
  if (id === by.caller.principalId && state !== 'enabled') throw refuse('INVALID', 'Invalid parameter id: it is you')
  const user = await credentialsOf(tx, { id })
  if (user === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such user any more')
  checkAbove(by, user.role)
  await setUserState(tx, id, state)
  return {
    type: `USER.${VERBS[state]}`,
    description: `User ${user.username} was ${state}`,
    account: user.accountId,
    resource: { kind: 'User', id },
  }
}

/** What of a user may be asked to change. `password` in clear; `currentPassword` proves that the caller is the user. */
export interface UserRequest extends Omit<UserChange, 'passwordHash'> {
  readonly id: string
  readonly password?: string
  readonly currentPassword?: string
}

/**
 * Changes a user. A user may change itself, whoever administers it everything. Whoever sets its own password gives the
 * current one; all its sessions end. Throws `Refusal`: `DENIED` for another's and for a wrong current password, `INVALID`
 * for a name that the domain has.
 */
export async function changeUser(by: By, request: UserRequest): Promise<void> {
  const { id, password, currentPassword, ...change } = request
  if (change.username !== undefined) checkName('username', change.username)
  if (password !== undefined) checkPassword(password)
  const before = await credentialsOf(by.system.store.reader, { id })
  const own = id === by.caller.principalId
  if (by.caller.role === 'user' && !own) {
    throw refuse('DENIED', 'Caller does not have permission to change another user')
  }
  if (password !== undefined && own && !(await isPassword(currentPassword ?? '', before?.passwordHash))) {
    throw refuse('DENIED', 'Invalid parameter currentpassword: it is not the password of the user')
  }
  const passwordHash = password === undefined ? undefined : await hashPassword(password)
  await by.system.store.transact(async (tx) => {
    const user = await credentialsOf(tx, { id })
    if (user === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such user any more')
    checkAbove(by, user.role)
    await lockDomain(tx, user.domainId)
    const named = { id, domain: user.domainId }
    if (!(await updateUserRow(tx, named, { ...change, ...(passwordHash === undefined ? {} : { passwordHash }) }))) {
      throw taken(change.username ?? '')
    }
    if (passwordHash !== undefined) await endSessionsOf(tx, id)
    await note(tx, by, {
      type: 'USER.UPDATE',
      description: `User ${user.username} was changed`,
      account: user.accountId,
      resource: { kind: 'User', id },
    })
  })
}

/** Names a domain anew; the paths below it follow. Throws `Refusal` `INVALID` for the root and a name that is taken. */
export async function nameDomain(by: By, id: string, name: string): Promise<void> {
  checkName('name', name)
  await by.system.store.transact(async (tx) => {
    const path = await lockDomain(tx, id)
    if (path === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such domain any more')
    if (path === '/') throw refuse('INVALID', 'Invalid parameter id: the root domain keeps its name')
    if (!(await renameDomain(tx, { id, path, name }))) {
      throw refuse('INVALID', `Invalid parameter name: there is a domain ${name} already`)
    }
    await note(tx, by, {
      type: 'DOMAIN.UPDATE',
      description: `A domain was named ${name}`,
      resource: { kind: 'Domain', id },
    })
  })
}

/** Deletes an empty domain and answers the operation. Throws `Refusal`: `IN_USE` saying what is in it, `INVALID` for the root. */
export async function deleteDomain(by: By, id: string): Promise<string> {
  return await carriedOut(by, async (tx) => {
    const path = await lockDomain(tx, id)
    if (path === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such domain any more')
    if (path === '/') throw refuse('INVALID', 'Invalid parameter id: the root domain cannot be deleted')
    const inside = Object.entries(await contentsOfDomain(tx, id)).filter(([, count]) => count > 0)
    if (inside.length > 0) {
      const what = inside.map(([of, count]) => `${of}: ${count}`).join(', ')
      throw refuse('IN_USE', `The domain cannot be deleted while there is something in it (${what})`)
    }
    await removeDomain(tx, id)
    return await submit(tx, by, {
      command: 'deleteDomain',
      head: recorded,
      input: { kind: 'domain', id },
      event: { type: 'DOMAIN.DELETE', description: 'A domain was deleted', resource: { kind: 'Domain', id } },
    })
  })
}
