import { QmpError, QmpLineError } from './errors.ts'
import { isJsonObject, type JsonLineSocket, type JsonObject } from './json-line-socket.ts'

/** What one command may take, in milliseconds. */
export interface ExecuteOptions {
  /** Default 30 s. At its end the command is given up with `QmpLineError` `timeout`; it may still take effect. */
  readonly timeoutMs?: number
}

interface Pending {
  readonly command: string
  resolve(value: unknown): void
  reject(error: Error): void
}

const DEFAULT_TIMEOUT_MS = 30_000

/**
 * Matches answers to commands by id, so that an answer that comes after its command was given up is dropped and never
 * taken for that of another command.
 */
export class PendingCommands {
  readonly #pending = new Map<string, Pending>()
  /** Set apart from the ids of whoever used the line before: their answers may still be on it. */
  readonly #prefix = `m${process.pid}-${Math.random().toString(36).slice(2)}-`
  #next = 0
  #down: QmpLineError | undefined

  /** Sends a command and settles with its answer. `R` is the caller's claim, taken from the QAPI schema. */
  execute<R>(
    line: JsonLineSocket,
    request: { command: string; args: object | undefined },
    options: ExecuteOptions,
  ): Promise<R> {
    const { command, args } = request
    if (this.#down) return Promise.reject(this.#down)
    const id = `${this.#prefix}${this.#next++}`
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    return new Promise<R>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new QmpLineError('timeout', `${command}: no answer within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#pending.set(id, {
        command,
        resolve: (value) => {
          clearTimeout(timer)
          resolve(value as R) // The peer keeps its QAPI schema; `R` is what the schema says.
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      line.send(args === undefined ? { execute: command, id } : { execute: command, arguments: args, id })
    })
  }

  /** Settles the command that a message answers; false when it answers none. */
  settle(message: JsonObject): boolean {
    const id = message['id']
    const pending = typeof id === 'string' ? this.#pending.get(id) : undefined
    if (!pending || typeof id !== 'string') return false
    this.#pending.delete(id)
    const error = message['error']
    if (isJsonObject(error))
      pending.reject(new QmpError(pending.command, String(error['class']), String(error['desc'])))
    else pending.resolve(message['return'])
    return true
  }

  /** Rejects everything under way and everything to come: the line is down. */
  fail(message: string): void {
    this.#down = new QmpLineError('lost', message)
    for (const pending of this.#pending.values()) {
      pending.reject(new QmpLineError('lost', `${pending.command}: ${message}`))
    }
    this.#pending.clear()
  }
}
