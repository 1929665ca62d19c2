import { randomUUID } from 'node:crypto'
import { credentialsOf, insertAccount, insertDomain, insertUser, updateKeys } from '../store/accounts.ts'
import type { Store } from '../store/store.ts'
import { newKeys } from './keys.ts'
import { hashPassword } from './passwords.ts'

/** Keys of the installation's first administrator. Secret. */
export interface AdministratorKeys {
  readonly username: string
  readonly apiKey: string
  readonly secretKey: string
}

/** What the first start made or found. */
export interface Bootstrapped extends AdministratorKeys {
  /** True when this call made the administrator: the given password is its. */
  readonly made: boolean
}

/**
 * Makes the root domain, its administrator `admin` with the given password, and API keys, unless they are there. Idempotent,
 * and safe when several controllers start at once: all get the same keys.
 */
export async function ensureBootstrap(store: Store, options: { readonly password: string }): Promise<Bootstrapped> {
  const passwordHash = await hashPassword(options.password)
  const made = await store.transact(async (tx) => {
    const root = randomUUID()
    // The path is unique: of several controllers one makes the domain, and with it everything else.
    if (!(await insertDomain(tx, { id: root, name: 'ROOT', path: '/' }))) return false
    const account = randomUUID()
    await insertAccount(tx, { id: account, domain: root, name: 'admin', role: 'admin' })
    const user = randomUUID()
    const person = { username: 'admin', firstname: 'admin', lastname: 'cloud', email: '' }
    await insertUser(tx, { id: user, account, passwordHash, ...person })
    await updateKeys(tx, user, newKeys(store, user).stored)
    return true
  })
  const keys = await administratorKeys(store)
  if (keys === undefined) throw new Error('the first administrator of this installation was removed, or has no keys')
  return { ...keys, made }
}

/** Keys of the first administrator; `undefined` before the first start, or when it was removed or has none. */
export async function administratorKeys(store: Store): Promise<AdministratorKeys | undefined> {
  const found = await credentialsOf(store.reader, { first: 'administrator' })
  if (!found?.apiKey || !found.sealedSecretKey) return undefined
  const secretKey = store.unseal(`principal:${found.id}`, found.sealedSecretKey)
  return { username: found.username, apiKey: found.apiKey, secretKey }
}
