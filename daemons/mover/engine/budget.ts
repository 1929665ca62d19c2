import { setTimeout as pause } from 'node:timers/promises'

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
  readonly #began = performance.now()
  done = 0
  total = 0

  report(): { readonly done: number; readonly total: number; readonly leftMs?: number } {
    const { done, total } = this
    const took = performance.now() - this.#began
    return { done, total, ...(done > 0 && { leftMs: Math.round((took / done) * Math.max(0, total - done)) }) }
  }
}
