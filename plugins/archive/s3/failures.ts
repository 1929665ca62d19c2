import { type Call, type Effect, type FailureCode, PluginError } from '@moorage/contract'

/** What a server said no with, or how the line to it broke. */
export interface Fault {
  /** The code of S3's errors, or of the system's. */
  readonly name: string
  /** `undefined` when the server did not answer. */
  readonly status: number | undefined
}

/** What an error of the client says, without what the client attaches: requests and their headers. */
export function faultOf(error: unknown): Fault {
  const { name, code, $metadata } = fieldsOf(error)
  const status = fieldsOf($metadata).httpStatusCode
  const known = typeof code === 'string' && typeof status !== 'number' ? code : name
  return {
    name: typeof known === 'string' ? known : 'unknown',
    status: typeof status === 'number' ? status : undefined,
  }
}

/** Errors of connections that never came about: nothing can have been asked. */
const NEVER_LEFT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNABORTED'])
const FULL = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'StorageFull'])

/** What the caller is to be told. `changes`: whether the request may have changed something before it failed. */
export function failureOf(error: unknown, what: { readonly call: Call; readonly changes: boolean }): PluginError {
  if (error instanceof PluginError) return error
  const { name, status } = faultOf(error)
  const unsure: Effect = what.changes ? 'possible' : 'none'
  if (what.call.signal.aborted || what.call.deadline <= Date.now()) {
    return new PluginError('TIMEOUT', 'the store did not answer in time', unsure)
  }
  if (status === undefined) {
    return new PluginError('UNAVAILABLE', `the store does not answer: ${name}`, NEVER_LEFT.has(name) ? 'none' : unsure)
  }
  const refused = (code: FailureCode, effect: Effect) =>
    new PluginError(code, `the store refused: ${name} (${status})`, effect)
  if (FULL.has(name) || status === 507) return refused('NO_SPACE', 'none')
  if (status === 403 || status === 401) return refused('DENIED', 'none')
  if (name === 'EntityTooLarge' || status === 413) return refused('LIMIT', 'none')
  if (status === 429) return refused('UNAVAILABLE', 'none')
  if (status >= 500) return refused('UNAVAILABLE', unsure)
  // A bucket that is not there, a body that arrived otherwise than it was signed.
  if (status === 404 || status === 400 || status === 409) return refused('UNAVAILABLE', 'none')
  return refused('INTERNAL', unsure)
}

/** Throws `TIMEOUT`, effect `none`, when the caller waits no longer. */
export function checkTime(call: Call): void {
  if (!call.signal.aborted && call.deadline > Date.now()) return
  throw new PluginError('TIMEOUT', 'no time left to begin', 'none')
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {} // Fields are looked at one by one.
}
