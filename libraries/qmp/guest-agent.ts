import { QmpError, QmpLineError } from './errors.ts'
import { type JsonLineSocket, type JsonObject, openJsonLines } from './json-line-socket.ts'
import { type ExecuteOptions, PendingCommands } from './pending-commands.ts'

/** What a script in the guest came to. */
export interface GuestExecResult {
  /** As the shell reports it; 128 + n when signal n ended it. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** A session with QEMU's guest agent. Its chardev serves one client at a time. */
export interface GuestAgent {
  /**
   * Runs one agent command. Throws `QmpError` when the agent refuses it, `QmpLineError` when no answer came: the guest may
   * hang, reboot, or have no agent running. `R` is the caller's claim, taken from the agent's QAPI schema.
   */
  execute<R>(command: string, args?: object, options?: ExecuteOptions): Promise<R>
  /**
   * Runs `/bin/sh -c script` in the guest and waits for its end. Throws `QmpLineError` `timeout` when it has not ended by
   * then; it keeps running in the guest.
   */
  exec(script: string, options: { readonly timeoutMs: number }): Promise<GuestExecResult>
  /** Resolves once the session is over. Never rejects. */
  readonly closed: Promise<void>
  /** Ends the session; commands under way are rejected. Idempotent. */
  close(): void
}

/** `guest-exec-status` of the agent's QAPI schema. */
interface ExecStatus {
  readonly exited: boolean
  readonly exitcode?: number
  readonly signal?: number
  readonly 'out-data'?: string
  readonly 'err-data'?: string
}

/** What the guest's port held before our session may be half a command; this byte makes the agent's parser start anew. */
const FLUSH = Uint8Array.of(0xff)
/** A port that the guest has not opened swallows what is written to it, so the greeting is repeated. */
const SYNC_REPEAT_MS = 250
const FIRST_POLL_MS = 5
const LONGEST_POLL_MS = 100

/**
 * Opens a session with the guest agent behind the unix socket of its chardev: waits until the agent answers
 * `guest-sync-delimited`. Throws `QmpLineError` when that takes longer than `timeoutMs`; no connection is left open.
 */
export async function connectGuestAgent(options: {
  readonly path: string
  readonly timeoutMs: number
}): Promise<GuestAgent> {
  const deadline = Date.now() + options.timeoutMs
  const commands = new PendingCommands()
  const synced = Promise.withResolvers<void>()
  const token = Math.floor(Math.random() * 2 ** 31)
  const onMessage = (message: JsonObject) => {
    if (!commands.settle(message) && message['return'] === token) synced.resolve()
  }
  const line = await openJsonLines({ ...options, onMessage })
  const closed = line.closed.then(() => {
    const text = `${options.path}: connection closed`
    commands.fail(text)
    synced.reject(new QmpLineError('lost', text))
  })
  const greet = () => line.send({ execute: 'guest-sync-delimited', arguments: { id: token } }, FLUSH)
  const repeat = setInterval(greet, SYNC_REPEAT_MS)
  const late = setTimeout(
    () => synced.reject(new QmpLineError('timeout', `${options.path}: the guest agent does not answer`)),
    Math.max(1, deadline - Date.now()),
  )
  greet()
  try {
    await synced.promise
  } catch (error) {
    line.close()
    throw error
  } finally {
    clearInterval(repeat)
    clearTimeout(late)
  }
  return session(line, closed, commands)
}

function session(line: JsonLineSocket, closed: Promise<void>, commands: PendingCommands): GuestAgent {
  const execute = <R>(command: string, args?: object, options: ExecuteOptions = {}) =>
    commands.execute<R>(line, { command, args }, options)
  return { execute, exec: (script, options) => runScript(execute, script, options), closed, close: () => line.close() }
}

async function runScript(
  execute: GuestAgent['execute'],
  script: string,
  options: { readonly timeoutMs: number },
): Promise<GuestExecResult> {
  const deadline = Date.now() + options.timeoutMs
  const left = () => ({ timeoutMs: Math.max(1, deadline - Date.now()) })
  const start = { path: '/bin/sh', arg: ['-c', script], 'capture-output': true }
  const { pid } = await execute<{ readonly pid: number }>('guest-exec', start, left())
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(LONGEST_POLL_MS, pauseMs * 2)) {
    const status = await statusOf(execute, pid, left())
    if (status?.exited) {
      const exitCode = status.exitcode ?? 128 + (status.signal ?? 0)
      return { exitCode, stdout: decode(status['out-data']), stderr: decode(status['err-data']) }
    }
    if (Date.now() + pauseMs >= deadline) {
      throw new QmpLineError('timeout', `guest-exec: the script has not ended within ${options.timeoutMs} ms`)
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** `undefined` while the guest's file systems are frozen: the agent then answers nothing about scripts, which may run on. */
async function statusOf(
  execute: GuestAgent['execute'],
  pid: number,
  options: ExecuteOptions,
): Promise<ExecStatus | undefined> {
  try {
    return await execute<ExecStatus>('guest-exec-status', { pid }, options)
  } catch (error) {
    if (error instanceof QmpError && /frozen/.test(error.message)) return undefined
    throw error
  }
}

function decode(data: string | undefined): string {
  return Buffer.from(data ?? '', 'base64').toString()
}
