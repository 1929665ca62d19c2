import { PluginError } from '@moorage/contract'
import { Refusal, REFUSALS, refusalOf, type RefusalCode } from '../domain/failures.ts'
import type { Failure } from '../jobs/saga.ts'
import { isUnavailable } from '../store/transact.ts'

/** What a caller is told, in CloudStack's numbers. `internal` is for the log only. */
export interface Told {
  readonly http: number
  readonly cs: number | undefined
  readonly text: string
  readonly internal?: string
}

/** An error to throw where the API itself refuses. The text names the parameter and the rule, and holds no secret. */
export function refuse(code: RefusalCode, text: string): Refusal {
  return new Refusal(code, text)
}

/**
 * Reads whatever was thrown as what its caller may know. What is no `Refusal` is a fault of ours or of a plug-in: its
 * text stays internal.
 */
export function told(error: unknown): Told {
  const refusal = error instanceof PluginError ? refusalOf(error, UNEXPECTED) : error
  if (refusal instanceof Refusal) {
    const { http, cs } = REFUSALS[refusal.code]
    return {
      http,
      cs,
      text: refusal.message,
      ...(refusal.internal === undefined ? {} : { internal: refusal.internal }),
    }
  }
  const internal = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (isUnavailable(error)) return { ...REFUSALS.OUTAGE, text: OUTAGE, internal }
  return { http: REFUSALS.INTERNAL.http, cs: REFUSALS.INTERNAL.cs, text: UNEXPECTED, internal }
}

/** A commit whose answer was lost may have taken place. */
const OUTAGE =
  'The database does not answer just now. Look whether what you asked for has happened before you ask again.'

const UNEXPECTED = 'Something went wrong inside; it is not your request.'

/** What the caller of a failed operation is told. */
export function toldOf(failure: Failure): Told {
  const { http, cs } = isRefusalCode(failure.code) ? REFUSALS[failure.code] : REFUSALS.INTERNAL
  return { http, cs, text: failure.text, ...(failure.internal === undefined ? {} : { internal: failure.internal }) }
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(REFUSALS, code)
}
