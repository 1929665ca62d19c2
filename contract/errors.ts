/**
 * Every failure a plug-in may report. `retry` says what the caller may do: `never` (the same call cannot succeed),
 * `later` (the same call may succeed), `elsewhere` (another pool or host may do it).
 * docs/reference/failures.md has a row for each; a test compares both ways.
 */
export const FAILURES = {
  INVALID: { retry: 'never' },
  NOT_FOUND: { retry: 'never' },
  CONFLICT: { retry: 'never' },
  IN_USE: { retry: 'never' },
  DENIED: { retry: 'never' },
  FENCED: { retry: 'never' },
  UNSUPPORTED: { retry: 'elsewhere' },
  NO_SPACE: { retry: 'elsewhere' },
  LIMIT: { retry: 'elsewhere' },
  BUSY: { retry: 'later' },
  UNAVAILABLE: { retry: 'later' },
  TIMEOUT: { retry: 'later' },
  DAMAGED: { retry: 'never' },
  INTERNAL: { retry: 'never' },
} as const satisfies Record<string, { readonly retry: 'never' | 'later' | 'elsewhere' }>

/** A code of the registry `FAILURES`. */
export type FailureCode = keyof typeof FAILURES

/** Whether the change may have happened all the same: a timeout, a dropped line, half the work. */
export type Effect = 'none' | 'possible'

/**
 * The only error a plug-in may throw; anything else is a bug and is read as `INTERNAL` with effect `possible`.
 * `message` is for operators: it may name hosts and objects of the array, never a secret. Tenants do not see it.
 */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  readonly code: FailureCode
  readonly effect: Effect
  constructor(code: FailureCode, message: string, effect: Effect, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.effect = effect
  }
}

/** Reads whatever a plug-in threw as a `PluginError`; what is none becomes `INTERNAL` with effect `possible`. */
export function asPluginError(thrown: unknown): PluginError {
  if (thrown instanceof PluginError) return thrown
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  return new PluginError('INTERNAL', `unexpected: ${text}`, 'possible', thrown)
}
