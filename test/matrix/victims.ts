import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { buryNode } from '../../controller/store/operations.ts'
import { TEST_MASTER_KEY } from '../../controller/store/testing.ts'
import type { World } from '../../controller/sagas/testing/world.ts'
import type { FromVictim, Gate, ToVictim } from './victim.ts'

const WITHIN_MS = 60_000

/** A controller in a process of its own that is about to come to grief. */
export interface Victim {
  /** Lets it take up what waits; resolves when it stands at the gate. */
  begin(gate: Gate, options: { readonly doomed: boolean }): Promise<void>
  /** Lets it go on from the gate. */
  go(): void
  /** `kill -9`; resolves once it is gone, and its operations may be taken over. */
  kill(): Promise<void>
  /** SIGSTOP; resolves once it stands still, and its operations may be taken over, as when its lease has run out. */
  stop(): Promise<void>
  /** SIGCONT; resolves once it has done all that it had begun. It can begin again then. */
  wake(): Promise<void>
}

/** Victims of one world. The next one is started while the one before is used. */
export interface Victims {
  next(): Promise<Victim>
  /** Takes back one that was woken. */
  keep(victim: Victim): void
  stop(): Promise<void>
}

/** Starts the first one at once. */
export function victimsOf(world: World): Victims {
  const children = new Set<ChildProcess>()
  const kept: Victim[] = []
  let spare = startVictim(world, children)
  return {
    next: async () => {
      const again = kept.pop()
      if (again) return again
      const victim = await spare
      spare = startVictim(world, children)
      // Looked at by whoever takes it.
      spare.catch(() => {})
      return victim
    },
    keep: (victim) => void kept.push(victim),
    stop: async () => {
      await spare.catch(() => {})
      await Promise.all([...children].map(end))
    },
  }
}

async function startVictim(world: World, children: Set<ChildProcess>): Promise<Victim> {
  const args = [world.store.url, TEST_MASTER_KEY.toString('hex'), world.owner]
  const child = fork(join(import.meta.dirname, 'victim.ts'), args, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  await told(child, 'ready')
  let node = ''
  const bury = () => buryNode(world.store, node)
  return {
    begin: async (gate, { doomed }) => {
      node = `victim-${randomUUID()}`
      const reached = told(child, 'reached')
      send(child, { kind: 'begin', node, gate, doomed })
      await reached
    },
    go: () => send(child, { kind: 'go' }),
    kill: async () => {
      await end(child)
      await bury()
    },
    stop: async () => {
      child.kill('SIGSTOP')
      await standsStill(child)
      await bury()
    },
    wake: async () => {
      const stopped = told(child, 'stopped')
      send(child, { kind: 'stop' })
      child.kill('SIGCONT')
      await stopped
    },
  }
}

function send(child: ChildProcess, message: ToVictim): void {
  child.send(message)
}

/** Resolves when the victim says so. Rejects when it ends first, or does not say so in time. */
function told(child: ChildProcess, kind: FromVictim['kind']): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const hear = (message: unknown) => {
    // Only a victim sends over this line.
    if ((message as FromVictim).kind === kind) resolve()
  }
  const ended = () => reject(new Error(`the victim ended before it was ${kind}`))
  const late = setTimeout(() => reject(new Error(`the victim was not ${kind} within ${WITHIN_MS} ms`)), WITHIN_MS)
  child.on('message', hear).once('exit', ended)
  return promise.finally(() => {
    clearTimeout(late)
    child.off('message', hear).off('exit', ended)
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function standsStill({ pid }: ChildProcess): Promise<void> {
  for (const until = Date.now() + WITHIN_MS; Date.now() < until; await pause(2)) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return
  }
  throw new Error(`process ${pid} did not stop`)
}
