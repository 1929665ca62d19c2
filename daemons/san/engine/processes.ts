import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

/** A daemon that lives in a session of its own and outlives us. */
export interface Daemon {
  readonly pid: number
  /** Tells this process from a later one with the same pid. */
  readonly instance: string
  /** True when it was running before us. */
  readonly adopted: boolean
  /**
   * Resolves once no thread of it is left: nothing that it had begun can still take effect. Does not keep this process alive
   * meanwhile, since daemons outlive it: who has nothing else to wait for uses `untilGone`.
   */
  readonly gone: Promise<void>
  /** Waits for `gone`, and keeps this process alive meanwhile. */
  untilGone(): Promise<void>
  /** Kills it with SIGKILL and waits until it is gone. Idempotent. */
  kill(): Promise<void>
}

/** What to run, and how to know it again. */
export interface DaemonSpec {
  readonly command: string
  readonly args: readonly string[]
  /** The argument that no other process has: it names a path of ours. */
  readonly mark: string
  readonly env: Readonly<Record<string, string>>
  /** File that takes its output. */
  readonly log: string
}

const POLL_MS = 50

/**
 * Finds the daemon if it runs, else starts it. It is known by its command line, so that one whose starter was killed at
 * any moment is found again.
 */
export async function adoptOrStart(spec: DaemonSpec): Promise<Daemon> {
  const found = await findProcess(spec)
  if (found !== undefined) return daemonOf(found, waitUntilGone(found))
  const log = openSync(spec.log, 'a', 0o600)
  try {
    const child = spawn(spec.command, spec.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...spec.env },
    })
    child.unref()
    return await startedDaemon(child, spec.command)
  } finally {
    closeSync(log)
  }
}

async function startedDaemon(child: ChildProcess, command: string): Promise<Daemon> {
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error) => reject(new Error(`cannot run ${command}: ${error.message}`, { cause: error })))
  })
  const pid = child.pid ?? 0
  return { ...daemonOf({ pid, started: (await startTime(pid)) ?? '' }, gone), adopted: false }
}

interface Found {
  readonly pid: number
  readonly started: string
}

function daemonOf(found: Found, gone: Promise<void>): Daemon {
  const untilGone = async () => {
    const awake = setInterval(() => {}, POLL_MS)
    await gone.finally(() => clearInterval(awake))
  }
  const kill = async () => {
    try {
      process.kill(found.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // process.kill throws system errors only.
    }
    await untilGone()
  }
  return { pid: found.pid, instance: `${found.pid}:${found.started}`, adopted: true, gone, untilGone, kill }
}

async function findProcess({ command, mark }: DaemonSpec): Promise<Found | undefined> {
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const args = (await readQuietly(`/proc/${pid}/cmdline`))?.split('\0') ?? []
    if (args[0]?.split('/').at(-1) !== command || !args.includes(mark)) continue
    const started = await startTime(pid)
    if (started !== undefined) return { pid, started }
  }
  return undefined
}

/** When the process started, in clock ticks since boot; `undefined` once all its threads have ended. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readQuietly(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // Fields count from behind the name, which may contain anything (proc(5)): 3 is the state, 20 the threads, 22 the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, threads, started] = [fields[0], fields[17], fields[19]]
  return state === 'Z' && Number(threads) <= 1 ? undefined : started
}

async function waitUntilGone({ pid, started }: Found): Promise<void> {
  while ((await startTime(pid)) === started) await pause(POLL_MS)
}

/** `undefined` when the file is not there or its process has gone. */
async function readQuietly(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}
