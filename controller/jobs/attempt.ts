import { PluginError } from '@moorage/contract'
import type { CallRecord, Progress, StepContext } from './saga.ts'

/** One attempt of a step. */
export interface Attempt {
  readonly operation: string
  readonly step: string
  readonly number: number
  readonly fence: number
  /** Milliseconds without progress after which the attempt is given up. */
  readonly deadlineMs: number
  /** Aborted when the operation is interrupted. */
  readonly interrupted: AbortSignal
  /** Calls are added here as they come. */
  readonly calls: CallRecord[]
  readonly progressed: (progress: Progress) => void
}

/** How long work may take at most to come back once its signal was aborted; then it is left alone. */
const LONGEST_SETTLE_MS = 5_000

/**
 * Runs `work` with a call whose deadline moves with every progress. Work that overstays, or ignores its signal, ends in
 * `TIMEOUT` with effect `possible`: an operation never hangs on a plug-in that does not return.
 */
export async function attemptStep<Out>(attempt: Attempt, work: (context: StepContext) => Promise<Out>): Promise<Out> {
  const overdue = new AbortController()
  const signal = AbortSignal.any([overdue.signal, attempt.interrupted])
  let deadline = 0
  let timer: NodeJS.Timeout | undefined
  const prolong = () => {
    clearTimeout(timer)
    deadline = Date.now() + attempt.deadlineMs
    timer = setTimeout(() => overdue.abort(timeout(attempt)), attempt.deadlineMs)
  }
  prolong()
  const key = `${attempt.operation}/${attempt.step}`
  const context: StepContext = {
    operation: attempt.operation,
    call: {
      key,
      get deadline() {
        return deadline
      },
      signal,
      fence: attempt.fence,
    },
    attempt: attempt.number,
    log: (record) => attempt.calls.push(record),
    progress: (progress) => {
      if (signal.aborted) return
      prolong()
      attempt.progressed(progress)
    },
  }
  const abandoned = abandonment(signal, attempt)
  try {
    return await Promise.race([work(context), abandoned.promise])
  } catch (error) {
    // Work that fails because its time was up fails for that reason, whatever it makes of it.
    throw overdue.signal.aborted && !(error instanceof PluginError) ? timeout(attempt) : error
  } finally {
    clearTimeout(timer)
    abandoned.cancel()
  }
}

/** Rejects some time after the signal was aborted. */
function abandonment(
  signal: AbortSignal,
  attempt: Attempt,
): { readonly promise: Promise<never>; readonly cancel: () => void } {
  const { promise, reject } = Promise.withResolvers<never>()
  // When the work wins the race nobody looks at this promise any more.
  promise.catch(() => {})
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    timer = setTimeout(() => reject(timeout(attempt)), Math.min(attempt.deadlineMs, LONGEST_SETTLE_MS))
  }
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, { once: true })
  const cancel = () => {
    signal.removeEventListener('abort', begin)
    clearTimeout(timer)
  }
  return { promise, cancel }
}

function timeout(attempt: Attempt): PluginError {
  return new PluginError('TIMEOUT', `${attempt.step}: no progress in ${attempt.deadlineMs} ms`, 'possible')
}
