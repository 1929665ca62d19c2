import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connection, PluginError } from '@moorage/contract'
import { connectQmp, type QmpClient, untilListening } from '@moorage/qmp'
import type { NbdAddress } from './nbd.ts'

/*
 * What we do not speak ourselves, qemu-storage-daemon does: it opens the connection and serves it as NBD on a socket that
 * only we can reach. Secrets go to it over its monitor, never in its arguments.
 */

/** A bridge that stands. */
export interface Bridge {
  readonly nbd: NbdAddress
  /** Takes it down. Idempotent; never rejects. */
  close(): Promise<void>
}

/** How a connection is to be opened. */
export interface BridgeOptions {
  readonly connection: Connection
  readonly writable: boolean
}

const START_MS = 10_000
/** A login, or finding out that nobody answers, may take this long. */
const OPEN_MS = 30_000
const EXPORT = 'end'

/**
 * libiscsi's words for a login that the target refuses (lib/login.c): RFC 7143 §11.13.5, class 2, details 1 to 3. A target
 * that does not admit an initiator may say that there is none.
 */
const REFUSED = /Status: [^()]*\(51[345]\)/

/** Starts a bridge. Effect `none`: `DENIED` when the other side does not let us in, `UNAVAILABLE` when it cannot be reached. */
export async function openBridge(options: BridgeOptions): Promise<Bridge> {
  const directory = await mkdtemp(join(tmpdir(), 'mover-'))
  const monitor = join(directory, 'q')
  const child = spawn(
    'qemu-storage-daemon',
    ['--chardev', `socket,id=qmp,path=${monitor},server=on,wait=off`, '--monitor', 'chardev=qmp'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-2000)))
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', (error) => {
      said = error.message
      resolve()
    })
  })
  const close = async () => {
    // It holds nothing that another one would need: what was flushed is durable.
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await untilListening({ path: monitor, timeoutMs: START_MS })
    const qmp = await connectQmp({ path: monitor, timeoutMs: START_MS })
    const path = join(directory, 'n')
    await serve(qmp, options, path)
    return { nbd: { at: { path }, export: EXPORT }, close }
  } catch (error) {
    await close()
    const why = error instanceof Error ? error.message : String(error)
    throw new PluginError(
      REFUSED.test(why) ? 'DENIED' : 'UNAVAILABLE',
      `cannot open ${options.connection.via} connection: ${why} ${said}`,
      'none',
      error,
    )
  }
}

async function serve(qmp: QmpClient, { connection, writable }: BridgeOptions, path: string): Promise<void> {
  const ask = (command: string, args: object) => qmp.execute(command, args, { timeoutMs: OPEN_MS })
  const secret = secretOf(connection)
  if (secret !== undefined) await ask('object-add', { 'qom-type': 'secret', id: 'secret', data: secret })
  const common = { 'read-only': !writable, discard: 'unmap', 'node-name': 'end' }
  await ask('blockdev-add', { ...common, ...nodeOf(connection, writable) })
  await ask('nbd-server-start', { addr: { type: 'unix', data: { path } }, 'max-connections': 0 })
  await ask('block-export-add', { type: 'nbd', id: 'end', 'node-name': 'end', name: EXPORT, writable })
}

function secretOf(connection: Connection): string | undefined {
  return connection.via === 'iscsi' ? connection.chap?.secret : undefined
}

/** The block node of a connection (QEMU's QAPI schema, BlockdevOptions). */
function nodeOf(connection: Connection, writable: boolean): object {
  if (connection.via === 'iscsi') {
    const { portal, iqn, lun, initiator, chap } = connection
    const login = chap ? { user: chap.user, 'password-secret': 'secret' } : {}
    return { driver: 'iscsi', transport: 'tcp', portal, target: iqn, lun, 'initiator-name': initiator, ...login }
  }
  if (connection.via === 'file') {
    const inside = { 'read-only': !writable, discard: 'unmap' }
    const file = { ...inside, driver: 'file', filename: connection.path, locking: writable ? 'on' : 'off' }
    // Whatever the file says: it stands alone.
    return { driver: connection.format, file, ...(connection.format === 'qcow2' && { backing: null }) }
  }
  throw new PluginError('UNSUPPORTED', `a mover does not speak ${connection.via} over a bridge`, 'none')
}
