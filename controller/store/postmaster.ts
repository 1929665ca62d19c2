import { existsSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** The port number in the name of the socket file; nothing listens on TCP. */
export const SOCKET_PORT = 5432

const LEFTOVERS = ['postmaster.pid', `.s.PGSQL.${SOCKET_PORT}`, `.s.PGSQL.${SOCKET_PORT}.lock`] as const

/**
 * The process id of the live server of this cluster directory, or `undefined`. Proof, not belief: a process counts only
 * when it runs `postgres` with the cluster as its working directory. Throws when the process named by `postmaster.pid`
 * may be the server but cannot be looked at.
 */
export function livePostmaster(cluster: string): number | undefined {
  const pid = recordedPid(cluster)
  if (pid === undefined || !alive(pid)) return undefined
  try {
    const program = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')
    if (!program.endsWith('/postgres')) return undefined
    const [theirs, ours] = [statSync(`/proc/${pid}/cwd`), statSync(cluster)]
    return theirs.dev === ours.dev && theirs.ino === ours.ino ? pid : undefined
  } catch (error) {
    if (!alive(pid)) return undefined
    throw new Error(
      `process ${pid}, named by ${cluster}/postmaster.pid, cannot be examined: start the controller as the user who owns it`,
      { cause: error },
    )
  }
}

function recordedPid(cluster: string): number | undefined {
  const path = join(cluster, 'postmaster.pid')
  if (!existsSync(path)) return undefined
  const pid = Number.parseInt(readFileSync(path, 'utf8'), 10)
  return pid > 0 ? pid : undefined
}

/** Whether a process runs; one that is dead but not yet reaped does not. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3))
  } catch {
    return false
  }
}

/**
 * Removes the lock files that a killed server left, which would stop the next one when their process id is in use again.
 * Call it only while holding the cluster's lock and after `livePostmaster` answered `undefined`.
 */
export function removeStaleLocks(cluster: string): readonly string[] {
  const stale = LEFTOVERS.filter((name) => existsSync(join(cluster, name)))
  for (const name of stale) rmSync(join(cluster, name), { force: true })
  return stale
}

/** Waits until the process is gone; answers whether it went within `ms`. */
export async function gone(pid: number, ms: number): Promise<boolean> {
  const until = Date.now() + ms
  while (alive(pid)) {
    if (Date.now() > until) return false
    await pause(10)
  }
  return true
}
