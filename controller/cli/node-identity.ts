import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * A name for this process that no other has, past or present: host name, a digest of this boot and process namespace,
 * process id, and the clock tick at which the process began.
 */
export function nodeIdentity(): string {
  return [hostname(), place(), process.pid, startTick(process.pid)].join('/')
}

/**
 * True when the node was a process of this machine, in this boot and process namespace, that has ended: certain, so that
 * its leases need not run out. False where that cannot be known.
 */
export function hasDied(node: string): boolean {
  const [where, pid, tick] = node.split('/').slice(-3)
  return where === place() && startTick(Number(pid)) !== tick
}

/** Process ids mean the same only within one boot of one machine and one namespace. */
function place(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
  const namespace = readlinkSync('/proc/self/ns/pid')
  return createHash('sha256').update(boot).update(namespace).digest('hex').slice(0, 12)
}

/** Field 22 of proc_pid_stat(5); `undefined` for a process that is not there or is dead but not yet reaped. */
function startTick(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
