import { pause } from './deadline.ts'
import type { Machine } from './machine.ts'

/** What the loop tells about a machine that waits for a disk. */
export interface ResumeLog {
  /** A failed request stopped the machine. */
  stopped(machine: Machine): void
  /** It runs again; `waitedMs` since it stopped. */
  resumed(machine: Machine, how: { readonly waitedMs: number; readonly attempts: number }): void
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** A request that fails again does so within this time, unless it hangs, which holds the guest just as well. */
const PROVEN_AFTER_MS = 400

/**
 * Continues machines that QEMU stopped because a disk failed. Continuing sends the failed requests again: when the LUN is
 * back they succeed and the guest never learns; when not, the machine stops again and the next attempt waits longer.
 */
export class ResumeLoops {
  readonly #log: ResumeLog
  /** Machines cared for now; true when one was asked for again since the last look. */
  readonly #active = new Map<Machine, boolean>()

  constructor(log: ResumeLog) {
    this.#log = log
  }

  /** Looks at the machine and continues it if a disk stopped it. Never throws; ends with the machine. */
  async care(machine: Machine): Promise<void> {
    const busy = this.#active.has(machine)
    this.#active.set(machine, busy)
    if (busy) return
    try {
      // An ask that comes during the last look of the loop must not be lost.
      do {
        this.#active.set(machine, false)
        await this.#loop(machine)
      } while (this.#active.get(machine))
    } catch {
      // The session is lost: a new one, or the end of the machine, will be heard of.
    } finally {
      this.#active.delete(machine)
    }
  }

  async #loop(machine: Machine): Promise<void> {
    const began = Date.now()
    let pauseMs = FIRST_PAUSE_MS
    for (let attempts = 0; await isStoppedByDisk(machine); attempts += 1) {
      if (attempts === 0) this.#log.stopped(machine)
      await pause(pauseMs)
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
      if (!(await isStoppedByDisk(machine))) return
      const after = machine.qmp.received
      await machine.qmp.execute('cont')
      if (await stopsAgain(machine, after)) continue
      this.#log.resumed(machine, { waitedMs: Date.now() - began, attempts: attempts + 1 })
    }
  }
}

async function isStoppedByDisk(machine: Machine): Promise<boolean> {
  const { status } = await machine.qmp.execute<{ readonly status: string }>('query-status')
  return status === 'io-error'
}

function stopsAgain(machine: Machine, after: number): Promise<boolean> {
  const stop = machine.qmp.waitFor('STOP', { after, timeoutMs: PROVEN_AFTER_MS })
  return stop.then(
    () => true,
    () => false,
  )
}
