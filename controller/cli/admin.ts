import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBootstrap } from '../operations/bootstrap.ts'
import type { Store } from '../store/store.ts'

/** What `DIR/admin.json` holds, mode 0600. `password` is absent where another controller made the administrator. */
export interface AdminFile {
  readonly username: string
  readonly password?: string
  readonly apiKey?: string
  readonly secretKey?: string
}

/**
 * Makes the root domain and its administrator at the first start and writes `DIR/admin.json`. The password is on disk before
 * it is in force, so that no crash can lose it. `passwordFile` holds the password to use instead of a random one.
 */
export async function ensureAdministrator(
  store: Store,
  options: { readonly data: string; readonly passwordFile: string | undefined },
): Promise<void> {
  const path = join(options.data, 'admin.json')
  const draft = readAdmin(path)
  const password = draft?.password ?? chosenPassword(options.passwordFile)
  if (!draft) write(path, { username: 'admin', password })
  const { made, username, apiKey, secretKey } = await ensureBootstrap(store, { password })
  const known = made || draft?.password !== undefined
  write(path, { username, ...(known ? { password } : {}), apiKey, secretKey })
}

function readAdmin(path: string): AdminFile | undefined {
  if (!existsSync(path)) return undefined
  // Written below, by this or an earlier release.
  return JSON.parse(readFileSync(path, 'utf8')) as AdminFile
}

function chosenPassword(file: string | undefined): string {
  if (file === undefined) return randomBytes(18).toString('base64url')
  const password = read(file).replace(/\r?\n$/, '')
  if (password.length < 8) throw new Error(`--admin-password-file: ${file} must hold at least 8 characters`)
  return password
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`--admin-password-file: ${file} cannot be read`, { cause: error })
  }
}

function write(path: string, content: AdminFile): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}
