import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Call } from '@moorage/contract'
import { checkTime, refuse } from '@moorage/files'

/** Lock files of a pool: enough that objects rarely share one, few enough to stay for ever. */
const STRIPES = 256
/** flock(1) ends with this when it could not get the lock in time. */
const TIMED_OUT = 1

/**
 * Runs `work` while nobody else works on these objects: no other call, process or machine that sees the directory. The locks
 * are the kernel's (flock(2), which NFS passes to its server) and belong to descriptors of this process: they end with it,
 * however it dies, and a process that is stopped keeps them, so that what it does when it wakes up is done under its lock.
 * Throws `TIMEOUT`, effect `none`, when its turn does not come in time.
 */
export async function locked<Result>(
  directory: string,
  keys: readonly string[],
  options: { readonly call: Call; readonly work: () => Promise<Result> },
): Promise<Result> {
  const { call, work } = options
  // In one order, so that two calls never wait for each other.
  const stripes = [...new Set(keys.map(stripeOf))].toSorted()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const held = []
  try {
    for (const stripe of stripes) {
      checkTime(call)
      const file = await open(join(directory, stripe), constants.O_RDWR | constants.O_CREAT, 0o600)
      held.push(file)
      await take(file.fd, call)
    }
    checkTime(call)
    return await work()
  } finally {
    for (const file of held) await file.close()
  }
}

/** flock(1) locks what the descriptor stands for, and that is shared with this process: the lock stays when it ends. */
async function take(descriptor: number, call: Call): Promise<void> {
  const seconds = Math.max(0.001, (call.deadline - Date.now()) / 1000).toFixed(3)
  const child = spawn('flock', ['--exclusive', '--wait', seconds, '3'], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
    signal: call.signal,
  })
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  try {
    const [code] = (await once(child, 'close')) as [number | null] // What the event of a child process carries.
    if (code === 0) return
    if (code === TIMED_OUT && complaint === '') throw refuse('TIMEOUT', 'another call works on the object')
    throw refuse('UNAVAILABLE', `no lock on the pool: flock ended with ${code}: ${complaint.trim()}`)
  } catch (error) {
    if (call.signal.aborted) throw refuse('TIMEOUT', 'another call works on the object')
    throw error
  }
}

/** Ids are random: a few of their digits spread them evenly. */
function stripeOf(key: string): string {
  let hash = 0
  for (const character of key) hash = (hash * 31 + character.charCodeAt(0)) % STRIPES
  return hash.toString().padStart(3, '0')
}
