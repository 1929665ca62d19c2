import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** A daemon of the lab: a process of its own that outlives whoever started it. */
export interface Daemon {
  readonly name: string
  /** Its data directory; holds `ready.json` once it serves. */
  readonly dir: string
  /** Script and arguments, run under this very Node. */
  readonly argv: readonly string[]
}

/** What a daemon writes to `ready.json`: at least its pid; the rest is its own. */
export type Ready = Readonly<Record<string, unknown>> & { readonly pid: number }

const POLL_MS = 20

/**
 * Starts a daemon, or adopts the one that runs already on the same data directory. Its output goes to `NAME.log` beside
 * the data. Throws with the end of that log when it ends before it serves, or does not serve within `withinMs`.
 */
export async function startDaemon(
  daemon: Daemon,
  options: { readonly withinMs: number; readonly env?: Readonly<Record<string, string>> },
): Promise<{ readonly ready: Ready; readonly adopted: boolean }> {
  const running = runningDaemon(daemon.dir)
  if (running) return { ready: running, adopted: true }
  mkdirSync(daemon.dir, { recursive: true, mode: 0o700 })
  rmSync(join(daemon.dir, 'ready.json'), { force: true })
  const logPath = `${daemon.dir}.log`
  const log = openSync(logPath, 'a', 0o600)
  const env = { ...process.env, ...options.env }
  const child = spawn(process.execPath, [...daemon.argv], { detached: true, stdio: ['ignore', log, log], env })
  closeSync(log)
  child.unref()
  const until = Date.now() + options.withinMs
  for (;;) {
    const ready = runningDaemon(daemon.dir)
    if (ready) return { ready, adopted: false }
    if (child.exitCode !== null) throw new Error(`${daemon.name} ended with ${child.exitCode}:\n${tail(logPath)}`)
    if (Date.now() > until) throw new Error(`${daemon.name} did not serve in ${options.withinMs} ms:\n${tail(logPath)}`)
    await pause(POLL_MS)
  }
}

/** What the daemon on this data directory says of itself while it lives; `undefined` when none does. */
export function runningDaemon(dir: string): Ready | undefined {
  const path = join(dir, 'ready.json')
  if (!existsSync(path)) return undefined
  const ready: unknown = JSON.parse(readFileSync(path, 'utf8') || '{}')
  if (!isReady(ready)) return undefined
  return commandOf(ready.pid).includes(dir) ? ready : undefined
}

/** Whether anything lives on this data directory without its daemon: children of one that was killed, or a mount. */
export function isOrphaned(dir: string): boolean {
  if (runningDaemon(dir)) return false
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  if (processes.some((name) => commandOf(Number(name)).includes(`${dir}/`))) return true
  return readFileSync('/proc/mounts', 'utf8').includes(` ${dir}/`)
}

/**
 * Ends the daemon on this data directory by its id, also one that does not serve yet: asks, and after `withinMs` ends it
 * for good. Absent is success.
 */
export async function stopDaemon(dir: string, withinMs: number): Promise<'absent' | 'stopped' | 'killed'> {
  const pid = runningDaemon(dir)?.pid ?? startingDaemon(dir)
  if (pid === undefined) return 'absent'
  process.kill(pid, 'SIGTERM')
  const until = Date.now() + withinMs
  while (commandOf(pid).includes(dir)) {
    if (Date.now() > until) {
      process.kill(pid, 'SIGKILL')
      return 'killed'
    }
    await pause(POLL_MS)
  }
  return 'stopped'
}

/** A daemon started on this data directory, whether it serves or not: `ready.json` comes last. */
function startingDaemon(dir: string): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => `${commandOf(pid)} `.includes(` --data ${dir} `))
}

/**
 * Ends the PostgreSQL server on this cluster directory, whose controller was killed: its command line does not say where it
 * works. Absent is success. Throws when it does not end within `withinMs`.
 */
export async function stopDatabase(cluster: string, withinMs: number): Promise<'absent' | 'stopped'> {
  const recorded = join(cluster, 'postmaster.pid')
  const pid = existsSync(recorded) ? Number.parseInt(readFileSync(recorded, 'utf8'), 10) : 0
  if (!(pid > 0) || workingDirectory(pid) !== cluster) return 'absent'
  process.kill(pid, 'SIGINT') // Its fast mode: transactions roll back, a checkpoint is written.
  const until = Date.now() + withinMs
  while (commandOf(pid) !== '') {
    if (Date.now() > until) throw new Error(`the database server, process ${pid}, did not end in ${withinMs} ms`)
    await pause(POLL_MS)
  }
  return 'stopped'
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/** Repeats `look` until it answers something, and answers that; throws `what` after `withinMs`. */
export async function until<Found>(
  look: () => Promise<Found | undefined>,
  options: { readonly what: string; readonly withinMs: number; readonly everyMs?: number },
): Promise<Found> {
  const end = Date.now() + options.withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > end) throw new Error(`waited ${options.withinMs} ms for ${options.what}`)
    await pause(options.everyMs ?? POLL_MS)
  }
}

function isReady(value: unknown): value is Ready {
  return typeof value === 'object' && value !== null && 'pid' in value && typeof value.pid === 'number'
}

/** Command line of a living process; empty for a dead one or a zombie. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').split('\n').slice(-20).join('\n')
}
