import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
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
  if (!create && !existsSync(data)) throw new Error(`--data: there is no directory ${data}`)
  const dir = usable(data)
  const keyFile = process.env['MOORAGE_MASTER_KEY_FILE']
  const masterKey = loadMasterKey(keyFile ?? join(dir, 'master.key'), { create: create && keyFile === undefined })
  const store = await openStore({ url: process.env['MOORAGE_DATABASE_URL'] || undefined, dataDir: dir, masterKey, log })
  return { dir, store }
}

/** The directory, made where it is not there, without symbolic links. Throws naming the flag when it cannot be kept data in. */
function usable(data: string): string {
  try {
    makeDirectory(resolve(data))
    const dir = realpathSync(data)
    if (!statSync(dir).isDirectory()) throw new Error(`${dir} is no directory`)
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    return dir
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`--data: ${data} cannot be used: ${why}`, { cause: error })
  }
}

/** One level at a time: Node's recursive `mkdir` never returns where a parent is there but takes no directories, as /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another controller that starts at the same time may have been faster.
    if (!existsSync(path)) throw error
  }
}
