import { createHash, randomBytes } from 'node:crypto'
import { type Credentials, credentialsOf, type WhichUser } from '../store/accounts.ts'
import { setting } from '../store/configurations.ts'
import { endIdleSessions, endSession, findSession, insertSession, touchSession } from '../store/sessions.ts'
import type { Caller, System } from './context.ts'
import { isPassword } from './passwords.ts'
import { refuse } from './refusals.ts'

/** A user who may sign, with the key that its signatures are checked under. */
export interface Signer {
  readonly caller: Caller
  readonly secretKey: string
}

/** The user of an API key; `undefined` when there is none, or when it or its account is not enabled. */
export async function signerOf(system: System, apiKey: string): Promise<Signer | undefined> {
  const found = await enabled(system, { apiKey })
  if (!found?.sealedSecretKey) return undefined
  return { caller: callerOf(found), secretKey: system.store.unseal(`principal:${found.id}`, found.sealedSecretKey) }
}

/** The caller of the integration port: the installation's first administrator. Throws `Refusal` when there is none. */
export async function rootAdministrator(system: System): Promise<Caller> {
  const found = await enabled(system, { first: 'administrator' })
  if (found === undefined) throw refuse('UNAVAILABLE', 'This installation has no administrator yet')
  return callerOf(found)
}

/** A session that has begun. `id` and `key` go to the browser and are kept nowhere; `timeout` in seconds of idleness. */
export interface Login {
  readonly id: string
  readonly key: string
  readonly caller: Caller
  readonly firstname: string
  readonly lastname: string
  readonly timeout: number
}

/**
 * Begins a session. `domain` is a path, with or without slashes around it and CloudStack's `ROOT` before it; absent or
 * empty: the root. Throws `Refusal` `DENIED`, the same whatever was wrong.
 */
export async function logIn(
  system: System,
  given: { readonly username: string; readonly password: string; readonly domain?: string },
): Promise<Login> {
  const found = await enabled(system, { username: given.username, domainPath: pathOf(given.domain ?? '') })
  const right = await isPassword(given.password, found?.passwordHash)
  if (!found || !right) {
    throw refuse('DENIED', 'Failed to authenticate user: either the username, the password or the domain is wrong')
  }
  const [id, key] = [randomBytes(24).toString('base64url'), randomBytes(24).toString('base64url')]
  const timeout = await setting(system.store.reader, 'session.timeout')
  await system.store.transact(async (tx) => {
    await endIdleSessions(tx, timeout)
    await insertSession(tx, { id: digest(id), key: digest(key), user: found.id })
  })
  const { firstname, lastname } = found
  return { id, key, caller: callerOf(found), firstname, lastname, timeout }
}

/**
 * The caller of a session. `keys` are those that came with the request, as parameter or cookie: at least one, and all of
 * them the session's, or else `undefined`; a wrong one ends the session, since somebody may be guessing.
 */
export async function callerOfSession(
  system: System,
  session: { readonly id: string; readonly keys: readonly string[] },
): Promise<Caller | undefined> {
  const id = digest(session.id)
  const found = await findSession(system.store.reader, id, await setting(system.store.reader, 'session.timeout'))
  if (found === undefined || session.keys.length === 0) return undefined
  if (session.keys.some((key) => digest(key) !== found.key)) {
    await system.store.transact((tx) => endSession(tx, id))
    return undefined
  }
  // Not at every request: a page of a browser makes dozens in a second.
  if (found.idle > 20) await system.store.transact((tx) => touchSession(tx, id))
  const user = await enabled(system, { id: found.user })
  return user && callerOf(user)
}

/** Ends a session; ending what is not there succeeds. */
export async function logOut(system: System, session: string): Promise<void> {
  await system.store.transact((tx) => endSession(tx, digest(session)))
}

async function enabled(system: System, which: WhichUser): Promise<Credentials | undefined> {
  const found = await credentialsOf(system.store.reader, which)
  return found?.state === 'enabled' && found.accountState === 'enabled' ? found : undefined
}

function callerOf(found: Credentials): Caller {
  return {
    principalId: found.id,
    username: found.username,
    accountId: found.accountId,
    accountName: found.accountName,
    domainId: found.domainId,
    domainPath: found.domainPath,
    role: found.role,
  }
}

function pathOf(domain: string): string {
  const names = domain.split('/').filter((name) => name !== '')
  if (names[0] === 'ROOT') names.shift()
  return names.length === 0 ? '/' : `/${names.join('/')}/`
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
