import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { LEAST_POOL_BYTES } from './engine/pool-file.ts'

/** What a SAN needs to know to start. */
export interface SanOptions {
  /** Directory of everything it keeps: state, pool image, logs. Absolute. */
  readonly data: string
  readonly listen: { readonly host: string; readonly port: number }
  /** `host:port` of the iSCSI portal. */
  readonly portal: string
  readonly user: string
  readonly password: string
  readonly pool: string
  readonly poolBytes: number
  readonly iops: number
}

/** An argument that cannot be used; the message names it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** How to call the program. */
export const USAGE = `usage: node daemons/san/main.ts --data DIR --listen HOST:PORT --portal HOST:PORT --credentials FILE
  --data DIR          everything the SAN keeps: state, pool image, logs
  --listen HOST:PORT  HTTP API; port 0 takes a free one, which DIR/ready.json tells
  --portal HOST:PORT  iSCSI portal
  --credentials FILE  JSON { "user", "password" } of the API; mode 0600
  --pool NAME         name of the pool in the API (pool1)
  --pool-bytes N      size of the pool when it is made; the image is sparse (200 GiB)
  --iops N            operations per second that the machine can do: guarantees are given from it (10000)`

const DEFAULT_POOL_BYTES = 200 * 1024 ** 3
/** What the path through tgtd, FUSE and qemu-storage-daemon did on two cores of 2025: 11,000 writes, 29,000 reads. */
const DEFAULT_IOPS = 10_000
/** A unix socket's path has 107 characters (unix(7)); the longest we append has 15. */
const LONGEST_DATA_PATH = 90

/** Reads the command line. Throws `UsageError`. */
export function parseOptions(argv: readonly string[]): SanOptions {
  const text = { type: 'string' } as const
  const options = {
    data: text,
    listen: text,
    portal: text,
    credentials: text,
    pool: text,
    'pool-bytes': text,
    iops: text,
  }
  const { values } = parse(argv, options)
  const data = resolve(required(values['data'], '--data'))
  if (Buffer.byteLength(data) > LONGEST_DATA_PATH) {
    throw new UsageError(
      `--data: the path has more than ${LONGEST_DATA_PATH} characters, too many for unix sockets in it`,
    )
  }
  if (/[,\s]/.test(data)) throw new UsageError('--data: the path contains a comma or a space, which tgtd cannot take')
  const listen = address(required(values['listen'], '--listen'), '--listen')
  const portal = address(required(values['portal'], '--portal'), '--portal')
  if (portal.port === 0) throw new UsageError('--portal: the port must not be 0')
  const pool = values['pool'] ?? 'pool1'
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(pool))
    throw new UsageError('--pool: letters, digits, dot, underscore, hyphen')
  return {
    data,
    listen,
    portal: `${portal.host}:${portal.port}`,
    ...readCredentials(required(values['credentials'], '--credentials')),
    pool,
    poolBytes: whole(values['pool-bytes'], '--pool-bytes', { least: LEAST_POOL_BYTES, otherwise: DEFAULT_POOL_BYTES }),
    iops: whole(values['iops'], '--iops', { least: 100, otherwise: DEFAULT_IOPS }),
  }
}

function parse(argv: readonly string[], options: Readonly<Record<string, { readonly type: 'string' }>>) {
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true })
    return { values: values as Readonly<Record<string, string | undefined>> } // Every option is declared a text, given once.
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw new UsageError(`${name} is missing`)
  return value
}

function address(value: string, name: string): { readonly host: string; readonly port: number } {
  const match = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(value)
  const port = Number(match?.[2])
  if (!match?.[1] || port > 65_535)
    throw new UsageError(`${name} must be an IPv4 address and a port, as 127.0.0.1:9000`)
  return { host: match[1], port }
}

function whole(
  value: string | undefined,
  name: string,
  range: { readonly least: number; readonly otherwise: number },
): number {
  if (value === undefined) return range.otherwise
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < range.least) {
    throw new UsageError(`${name} must be a whole number of at least ${range.least}`)
  }
  return number
}

function readCredentials(path: string): { readonly user: string; readonly password: string } {
  let given: unknown
  try {
    if ((statSync(path).mode & 0o077) !== 0) throw new UsageError(`--credentials: ${path} must have mode 0600`)
    given = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`--credentials: ${path} cannot be read as JSON`)
  }
  const { user, password } = (given ?? {}) as { user?: unknown; password?: unknown } // Checked on the next line.
  if (typeof user !== 'string' || user === '' || typeof password !== 'string' || password === '') {
    throw new UsageError(`--credentials: ${path} must hold "user" and "password"`)
  }
  return { user, password }
}
