import type { Call } from '@moorage/contract'
import { newId } from './check.ts'

/** Options of a call in a case. */
export interface CallOptions {
  /** Default: one more than any call before. */
  readonly fence?: number
  /** Milliseconds from now; may be 0 or less. Default 60,000. */
  readonly withinMs?: number
  readonly signal?: AbortSignal
}

const DEADLINE_MS = 60_000

/**
 * The calls and the clean-up of one case. Fences of calls grow, and calls that take things away get higher ones than any
 * that the case has used.
 */
export class CaseCalls {
  #fence = 1000
  #cleanups: (() => Promise<void>)[] = []

  /** A call with a key of its own. */
  call(options: CallOptions = {}): Call {
    const fence = options.fence ?? this.#fence + 1
    this.#fence = Math.max(this.#fence, fence)
    const signal = options.signal ?? new AbortController().signal
    return { key: newId(), fence, deadline: Date.now() + (options.withinMs ?? DEADLINE_MS), signal }
  }

  /** Registers what undoes a thing that the case is about to make. */
  defer(cleanup: () => Promise<void>): void {
    this.#cleanups.push(cleanup)
  }

  /** Takes away what the case made, the last thing first; goes on after a failure and throws the first. */
  async cleanUp(): Promise<void> {
    await everyStep(this.#cleanups.splice(0).toReversed())
  }
}

/** Runs every step, whatever the ones before did, and throws the first failure. */
export async function everyStep(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) await step().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
