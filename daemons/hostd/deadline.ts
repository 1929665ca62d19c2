import { type Call, PluginError } from '@moorage/contract'
import { QmpLineError } from '@moorage/qmp'

/** Kept back of a call's time so that our own answer, which says more than the caller's timeout, still arrives. */
const ANSWER_MS = 250

/** When to stop trying, so that the answer still arrives: epoch milliseconds. */
export function giveUpAt(call: Pick<Call, 'deadline'>): number {
  const left = call.deadline - Date.now()
  return call.deadline - Math.min(ANSWER_MS, left / 4)
}

/** Milliseconds until `giveUpAt`, at least 1; `most` bounds them. */
export function timeLeft(call: Pick<Call, 'deadline'>, most = Number.POSITIVE_INFINITY): number {
  return Math.max(1, Math.min(most, Math.floor(giveUpAt(call) - Date.now())))
}

/** Undoing what failed gets time of its own when the call has none left. */
const UNDO_MS = 5000

/** The call's deadline, or a later one where too little is left for undoing. */
export function forUndo(call: Pick<Call, 'deadline'>): Pick<Call, 'deadline'> {
  return { deadline: Math.max(call.deadline, Date.now() + UNDO_MS) }
}

/** Waits; for pauses between two looks at something outside. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/**
 * What a failed QMP command means to the caller where nothing better is known: no answer is `TIMEOUT` or `UNAVAILABLE` with
 * effect `possible`, a refusal is `INTERNAL` with the given effect, since QEMU refused what we were sure to be right.
 */
export function qmpFailure(error: unknown, effect: 'none' | 'possible' = 'possible'): PluginError {
  if (error instanceof PluginError) return error
  if (error instanceof QmpLineError) {
    return new PluginError(error.failure === 'timeout' ? 'TIMEOUT' : 'UNAVAILABLE', error.message, 'possible', error)
  }
  const text = error instanceof Error ? error.message : String(error)
  return new PluginError('INTERNAL', text, effect, error)
}
