import { asPluginError, type Call, FAILURES, PluginError } from '@moorage/contract'
import { Refusal, refusalOf } from '../domain/failures.ts'
import type { Failure } from '../jobs/saga.ts'

/** The same call under a key of its own: a step that makes several calls must not look like one call repeated. */
export function part(call: Call, name: string): Call {
  return { ...call, key: `${call.key}/${name}` }
}

/** A plug-in's failure with the sentence that whoever asked is told; it retries as the failure itself does. */
class StepError extends PluginError {
  readonly sentence: string
  constructor(cause: PluginError, sentence: string) {
    super(cause.code, cause.message, cause.effect, cause)
    this.sentence = sentence
  }
}

/** Runs calls of a plug-in; what they throw carries `sentence`, which names no host, pool or array. */
export async function saying<Result>(sentence: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal || error instanceof StepError) throw error
    throw new StepError(asPluginError(error), sentence)
  }
}

/** What `work` answers, or `null` when the object it concerns is not there: then there is nothing left to set or undo. */
export async function unlessGone<Result>(work: () => Promise<Result>): Promise<Result | null> {
  try {
    return await work()
  } catch (error) {
    if (asPluginError(error).code === 'NOT_FOUND') return null
    throw error
  }
}

/** True for failures after which the same call may succeed: nobody answered, or not now. */
export function mayPass(error: PluginError): boolean {
  return FAILURES[error.code].retry === 'later'
}

/**
 * Reads whatever a saga threw as a failure to store and show. Anything but a refusal or a plug-in's failure is a bug: its
 * text stays internal.
 */
export function describeFailure(error: unknown): Failure {
  const refusal = asRefusal(error)
  return {
    code: refusal.code,
    text: refusal.message,
    ...(refusal.internal === undefined ? {} : { internal: refusal.internal }),
    ...(refusal.reasons === undefined ? {} : { reasons: refusal.reasons }),
  }
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof StepError) return refusalOf(error, error.sentence)
  if (error instanceof PluginError)
    return refusalOf(error, 'The storage system or hypervisor did not do what was asked')
  const internal = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new Refusal('INTERNAL', 'An internal error occurred', { internal, cause: error })
}
