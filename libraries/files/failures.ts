import { asPluginError, type Call, type Effect, PluginError } from '@moorage/contract'

/** True for an error of the file system with this code. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Shorthand for a refusal that changed nothing. */
export function refuse(code: PluginError['code'], message: string): PluginError {
  return new PluginError(code, message, 'none')
}

/** Throws `TIMEOUT`, effect `none`, when the caller waits no longer. For before anything has begun. */
export function checkTime(call: Call): void {
  if (call.signal.aborted || call.deadline <= Date.now()) throw refuse('TIMEOUT', 'no time left to begin')
}

/** What a file server that is away answers; `ESTALE`: it came back with other files. */
const AWAY = ['ENOENT', 'ENOTDIR', 'ESTALE', 'EIO', 'ENOTCONN', 'EHOSTDOWN', 'ETIMEDOUT', 'ENOLCK']

/** What a call that ended in an error of the file system is to be told. `effect`: whether it had begun to change anything. */
export function failureOf(error: unknown, effect: Effect): PluginError {
  if (error instanceof PluginError) return error
  const is = (codes: readonly string[]) => codes.some((code) => isErrno(error, code))
  const text = error instanceof Error ? error.message : String(error)
  if (is(['ENOSPC', 'EDQUOT'])) return new PluginError('NO_SPACE', text, effect, error)
  if (is(['EACCES', 'EPERM', 'EROFS'])) return new PluginError('DENIED', text, effect, error)
  if (is(AWAY)) return new PluginError('UNAVAILABLE', text, effect, error)
  return asPluginError(error)
}
