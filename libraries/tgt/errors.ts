/**
 * Answers of tgtd's management socket, by number: `enum tgtadm_errno` of tgt 1.0.85 (`usr/tgtadm_error.h`). 0 is success.
 */
export const TGT_ERRORS = [
  'SUCCESS',
  'UNKNOWN_ERR',
  'NOMEM',
  'NO_DRIVER',
  'NO_TARGET',
  'NO_LUN',
  'NO_SESSION',
  'NO_CONNECTION',
  'NO_BINDING',
  'TARGET_EXIST',
  'LUN_EXIST',
  'BINDING_EXIST',
  'ACL_EXIST',
  'ACL_NOEXIST',
  'USER_EXIST',
  'NO_USER',
  'TOO_MANY_USER',
  'INVALID_REQUEST',
  'OUTACCOUNT_EXIST',
  'TARGET_ACTIVE',
  'LUN_ACTIVE',
  'DRIVER_ACTIVE',
  'UNSUPPORTED_OPERATION',
  'UNKNOWN_PARAM',
  'PREVENT_REMOVAL',
] as const

/** A name in `TGT_ERRORS`. */
export type TgtErrorName = (typeof TGT_ERRORS)[number]

/** tgtd refused a request; it changed nothing. `rc` is the number it answered, `reason` its name. */
export class TgtError extends Error {
  override readonly name = 'TgtError'
  readonly rc: number
  readonly reason: TgtErrorName
  constructor(what: string, rc: number) {
    const reason = TGT_ERRORS[rc] ?? 'UNKNOWN_ERR'
    super(`${what}: tgtd answered ${rc} (${reason})`)
    this.rc = rc
    this.reason = reason
  }
}

/** Why no answer came: nobody listens on the socket, the line dropped, the time was up, or the answer made no sense. */
export type TgtLineFailure = 'unreachable' | 'lost' | 'timeout' | 'garbled'

/** No answer came. Unless `failure` is `unreachable`, the request may have taken effect. */
export class TgtLineError extends Error {
  override readonly name = 'TgtLineError'
  readonly failure: TgtLineFailure
  constructor(failure: TgtLineFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.failure = failure
  }
}
