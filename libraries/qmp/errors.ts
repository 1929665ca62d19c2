/**
 * The peer answered a command with an error. `errorClass` is QAPI's: `GenericError`, `CommandNotFound`,
 * `DeviceNotFound`, `DeviceNotActive`, `KVMMissingCap`. The command had its say: QEMU undoes what it refuses, so nothing
 * of it remains in effect unless the command's own documentation says otherwise.
 */
export class QmpError extends Error {
  override readonly name = 'QmpError'
  readonly errorClass: string
  readonly command: string
  constructor(command: string, errorClass: string, description: string) {
    super(`${command}: ${description}`)
    this.command = command
    this.errorClass = errorClass
  }
}

/** Why no answer came: nobody listens on the socket, the line dropped, or the time was up. */
export type QmpLineFailure = 'unreachable' | 'lost' | 'timeout'

/** No answer came. Unless `failure` is `unreachable`, a command that was under way may have taken effect. */
export class QmpLineError extends Error {
  override readonly name = 'QmpLineError'
  readonly failure: QmpLineFailure
  constructor(failure: QmpLineFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.failure = failure
  }
}
