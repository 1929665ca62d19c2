import type { FailureCode, PluginError } from '@moorage/contract'

/**
 * Everything that a caller of the API may be told when it does not get what it asked for. `http` is CloudStack's error
 * code and HTTP status, `cs` its cserrorcode.
 */
export const REFUSALS = {
  UNAUTHENTICATED: { http: 401, cs: undefined },
  MALFORMED: { http: 430, cs: undefined },
  INVALID: { http: 431, cs: 4350 },
  NOT_FOUND: { http: 431, cs: 4350 },
  THROTTLED: { http: 429, cs: undefined },
  UNKNOWN_COMMAND: { http: 432, cs: undefined },
  INTERNAL: { http: 530, cs: 4250 },
  ABORTED: { http: 530, cs: 4250 },
  DENIED: { http: 531, cs: 4365 },
  ACCOUNT_LIMIT: { http: 532, cs: 4370 },
  NO_CAPACITY: { http: 533, cs: 4370 },
  UNAVAILABLE: { http: 534, cs: 4380 },
  ALLOCATION: { http: 535, cs: 4370 },
  IN_USE: { http: 536, cs: 4375 },
  OUTAGE: { http: 503, cs: undefined },
} as const satisfies Record<string, { readonly http: number; readonly cs: number | undefined }>
/** A code of the registry `REFUSALS`. */
export type RefusalCode = keyof typeof REFUSALS

/** The code under which an operation failed; `INTERNAL` for what is none. */
export function asRefusalCode(code: string): RefusalCode {
  return isRefusalCode(code) ? code : 'INTERNAL'
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(REFUSALS, code)
}

/**
 * Thrown wherever Moorage refuses. `text` is for whoever asked, a tenant included: it names the parameter and the rule,
 * never a path, host, stack or secret. `internal` is for operators and logs.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly internal: string | undefined
  /** What it was decided by, as plain data, for the log of the operation. */
  readonly reasons: object | undefined
  constructor(
    code: RefusalCode,
    text: string,
    options: { readonly internal?: string; readonly reasons?: object; readonly cause?: unknown } = {},
  ) {
    super(text, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.internal = options.internal
    this.reasons = options.reasons
  }
}

const OF_PLUGIN: Readonly<Record<FailureCode, RefusalCode>> = {
  INVALID: 'INTERNAL',
  NOT_FOUND: 'INTERNAL',
  CONFLICT: 'INTERNAL',
  IN_USE: 'IN_USE',
  DENIED: 'UNAVAILABLE',
  FENCED: 'INTERNAL',
  UNSUPPORTED: 'INVALID',
  NO_SPACE: 'NO_CAPACITY',
  LIMIT: 'INVALID',
  BUSY: 'UNAVAILABLE',
  UNAVAILABLE: 'UNAVAILABLE',
  TIMEOUT: 'UNAVAILABLE',
  DAMAGED: 'INTERNAL',
  INTERNAL: 'INTERNAL',
}

/** Reads a plug-in's failure as a refusal: `what` is the tenant's sentence, the plug-in's own words stay internal. */
export function refusalOf(error: PluginError, what: string): Refusal {
  return new Refusal(OF_PLUGIN[error.code], what, { internal: `${error.code}: ${error.message}`, cause: error })
}
