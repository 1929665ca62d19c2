import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Connection, PluginError, type Protocol } from '@moorage/contract'
import { openBridge } from './bridge.ts'
import { type NbdAddress, NbdClient } from './nbd.ts'

const run = promisify(execFile)
/** What a map of a file may be long: a hundred bytes an extent. */
const MAP_BYTES = 1024 * 1024 * 1024

/** Protocols of sources and targets. */
export const PROTOCOLS: readonly Protocol[] = ['iscsi', 'nbd', 'file']

/** How a worker opens an end: plain data. */
export type EndAddress =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'nbd'; readonly nbd: NbdAddress }

/** A run of bytes. */
export interface Run {
  readonly offset: number
  readonly length: number
}

/** A source or a target that is open. */
export interface End {
  readonly address: EndAddress
  readonly bytes: number
  /** Runs that may hold something other than zeros, in order. */
  data(): Promise<readonly Run[]>
  close(): Promise<void>
}

/** How an end is opened. `write`: `blank` says that it reads as zeros all over. */
export type EndUse = { readonly use: 'read' } | { readonly use: 'write'; readonly blank: boolean }

/** Opens one end of a job. Raw files and NBD are spoken directly, all else over a bridge. */
export async function openEnd(connection: Connection, how: EndUse): Promise<End> {
  if (connection.via === 'nbd') return nbdEnd(parseNbd(connection.uri, connection.export), async () => {})
  // Only a bridge makes holes in a file that holds something.
  const direct = connection.via === 'file' && connection.format === 'raw' && (how.use === 'read' || how.blank)
  if (direct) return fileEnd(connection.path)
  const bridge = await openBridge({ connection, writable: how.use === 'write' })
  try {
    return await nbdEnd(bridge.nbd, () => bridge.close())
  } catch (error) {
    await bridge.close()
    throw error
  }
}

async function fileEnd(path: string): Promise<End> {
  const found = await stat(path).catch((error: unknown) => {
    throw new PluginError(
      'NOT_FOUND',
      `${path}: ${error instanceof Error ? error.message : String(error)}`,
      'none',
      error,
    )
  })
  if (!found.isFile()) throw new PluginError('UNSUPPORTED', `${path} is no regular file`, 'none')
  return {
    address: { kind: 'file', path },
    bytes: found.size,
    data: () => mapOf(path, found.size),
    close: async () => {},
  }
}

interface MapEntry {
  readonly start: number
  readonly length: number
  readonly zero: boolean
}

/** By qemu-img, which asks the file system (SEEK_DATA). */
async function mapOf(path: string, bytes: number): Promise<readonly Run[]> {
  const image = JSON.stringify({ driver: 'raw', file: { driver: 'file', filename: path, locking: 'off' } })
  const { stdout } = await run('qemu-img', ['map', '-U', '--output=json', `json:${image}`], { maxBuffer: MAP_BYTES })
  const map = JSON.parse(stdout) as readonly MapEntry[] // qemu-img(1): an array of such objects.
  const covered = map.reduce((sum, { length }) => sum + length, 0)
  // QEMU counts whole sectors.
  if (covered < bytes)
    throw new PluginError('INTERNAL', `qemu-img maps ${covered} of ${bytes} bytes of ${path}`, 'none')
  return map
    .filter(({ zero }) => !zero)
    .map(({ start, length }) => ({ offset: start, length: Math.min(length, bytes - start) }))
}

async function nbdEnd(nbd: NbdAddress, close: () => Promise<void>): Promise<End> {
  const client = await NbdClient.connect(nbd)
  return {
    address: { kind: 'nbd', nbd },
    bytes: client.bytes,
    data: async () => {
      const runs: Run[] = []
      for await (const { offset, length, zero } of client.layout()) {
        const last = runs.at(-1)
        if (zero) continue
        if (last && last.offset + last.length === offset)
          runs[runs.length - 1] = { ...last, length: last.length + length }
        else runs.push({ offset, length })
      }
      return runs
    },
    close: async () => {
      await client.close()
      await close()
    },
  }
}

/** Reads an NBD uri: `nbd://host:port` or `nbd+unix:///?socket=/path` (the NBD project's doc/uri.md). */
function parseNbd(uri: string, name: string): NbdAddress {
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  const path = url?.searchParams.get('socket')
  if (url?.protocol === 'nbd+unix:' && path) return { at: { path }, export: name }
  if (url?.protocol === 'nbd:' && url.hostname !== '') {
    return { at: { host: url.hostname, port: Number(url.port || '10809') }, export: name }
  }
  throw new PluginError('INVALID', 'connection.uri: must be nbd://HOST:PORT or nbd+unix:///?socket=PATH', 'none')
}
