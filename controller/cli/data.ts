import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openStore } from '../store/open.ts'
import type { OpenedStore } from '../store/open.ts'
import { loadMasterKey } from '../store/secrets.ts'
import type { Logger } from '../telemetry/logger.ts'

/** A controller's directory, opened. */
export interface OpenData {
  /** Without symbolic links: what names it in command lines is always the same. */
  readonly dir: string
  readonly store: OpenedStore
}

/**
 * Opens the store of a data directory: `MOORAGE_DATABASE_URL`, else our own server below it, under the master key of
 * `MOORAGE_MASTER_KEY_FILE`, else `DIR/master.key`. `create` makes what is not there; without it nothing is made.
 */
export async function openData(
  data: string,
  options: { readonly log: Logger; readonly create: boolean },
): Promise<OpenData> {
  const { log, create } = options
  if (create) mkdirSync(resolve(data), { recursive: true, mode: 0o700 })
  else if (!existsSync(data)) throw new Error(`--data: there is no directory ${data}`)
  const dir = realpathSync(data)
  const keyFile = process.env['MOORAGE_MASTER_KEY_FILE']
  const masterKey = loadMasterKey(keyFile ?? join(dir, 'master.key'), { create: create && keyFile === undefined })
  const store = await openStore({ url: process.env['MOORAGE_DATABASE_URL'], dataDir: dir, masterKey, log })
  return { dir, store }
}
