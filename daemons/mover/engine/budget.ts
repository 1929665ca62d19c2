import { setTimeout as pause } from 'node:timers/promises'
import type { MoverProgress } from '@moorage/contract'

/** Bytes per second that a job may use. What was not used in the last second is lost. */
export class Budget {
  readonly #perSecond: number
  #at = 0

  /** Absent: as much as there is. */
  constructor(perSecond: number | undefined) {
    this.#perSecond = perSecond ?? Number.POSITIVE_INFINITY
  }

  /** Resolves when these bytes may go. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return
    const now = performance.now()
    this.#at = Math.max(this.#at, now - 1000)
    const wait = this.#at - now
    this.#at += (bytes / this.#perSecond) * 1000
    if (wait > 0) await pause(wait, undefined, { signal })
  }
}

/** How far something is, and how long it will take as it goes. */
export class Progress {
  #began = performance.now()
  done = 0
  total = 0
  /** What is counted is a file that is fetched. */
  fetching = false

  /** Something else is counted from here on. */
  next(): void {
    Object.assign(this, { done: 0, total: 0, fetching: false })
    this.#began = performance.now()
  }

  report(): MoverProgress {
    const { done, total, fetching } = this
    const took = performance.now() - this.#began
    const left = done > 0 && { leftMs: Math.round((took / done) * Math.max(0, total - done)) }
    return { done, total, ...left, ...(fetching && { fetching }) }
  }
}
