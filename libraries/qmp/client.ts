import { QmpLineError } from './errors.ts'
import { isJsonObject, type JsonLineSocket, type JsonObject, openJsonLines } from './json-line-socket.ts'
import { type ExecuteOptions, PendingCommands } from './pending-commands.ts'

/** An asynchronous message of QEMU. */
export interface QmpEvent {
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Which event to wait for, and for how long. */
export interface WaitOptions {
  /** Picks among events of that name; absent: any. */
  where?(data: QmpEvent['data']): boolean
  readonly timeoutMs: number
  /**
   * A value of `received` read earlier: only events after it count. Absent: any event still remembered that no earlier
   * `waitFor` has taken, which is right where the same event cannot have happened before.
   */
  readonly after?: number
}

/** A QMP session. QEMU serves one at a time on a socket. */
export interface QmpClient {
  /**
   * Runs one command. Throws `QmpError` when QEMU refuses it, `QmpLineError` when no answer came. Commands may overlap;
   * QEMU runs them in order. `R` is the caller's claim, taken from the QAPI schema.
   */
  execute<R>(command: string, args?: object, options?: ExecuteOptions): Promise<R>
  /** Hears every event from now on; the result ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void
  /**
   * Takes the oldest matching event, whether it comes or has come: of the last 512 that came, those not taken yet count.
   * Throws `QmpLineError`.
   */
  waitFor(event: string, options: WaitOptions): Promise<QmpEvent>
  /** How many events have come in this session. */
  readonly received: number
  /** Resolves once the session is over, whoever ended it. Never rejects. */
  readonly closed: Promise<void>
  /** Ends the session; commands under way are rejected. Idempotent. */
  close(): void
}

/** Events kept for a `waitFor` that comes after them. */
const REMEMBERED_EVENTS = 512

interface Waiter {
  matches(event: NumberedEvent): boolean
  resolve(event: QmpEvent): void
  reject(error: Error): void
}

interface NumberedEvent {
  readonly number: number
  readonly event: QmpEvent
}

/** The events of one session: heard, remembered, waited for. */
class EventLog {
  readonly listeners = new Set<(event: QmpEvent) => void>()
  readonly #remembered: NumberedEvent[] = []
  readonly #waiters = new Set<Waiter>()
  received = 0

  add(event: QmpEvent): void {
    this.received += 1
    const numbered = { number: this.received, event }
    const waiter = [...this.#waiters].find((each) => each.matches(numbered))
    if (waiter) waiter.resolve(event)
    else this.#remembered.push(numbered)
    if (this.#remembered.length > REMEMBERED_EVENTS) this.#remembered.shift()
    for (const listener of this.listeners) listener(event)
  }

  waitFor(name: string, options: WaitOptions): Promise<QmpEvent> {
    const matches = ({ number, event }: NumberedEvent) =>
      event.event === name && number > (options.after ?? 0) && (options.where?.(event.data) ?? true)
    const index = this.#remembered.findIndex(matches)
    const [found] = index < 0 ? [] : this.#remembered.splice(index, 1)
    if (found) return Promise.resolve(found.event)
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        act()
      }
      const waiter: Waiter = {
        matches,
        resolve: (event) => settle(() => resolve(event)),
        reject: (error) => settle(() => reject(error)),
      }
      const late = () => waiter.reject(new QmpLineError('timeout', `no ${name} within ${options.timeoutMs} ms`))
      const timer = setTimeout(late, options.timeoutMs)
      this.#waiters.add(waiter)
    })
  }

  fail(message: string): void {
    for (const waiter of this.#waiters) waiter.reject(new QmpLineError('lost', message))
  }
}

/**
 * Opens a QMP session: waits for the socket to appear and to be free of other clients, reads the greeting, negotiates
 * capabilities. Throws `QmpLineError` when that takes longer than `timeoutMs`; no connection is then left open.
 */
export async function connectQmp(options: { readonly path: string; readonly timeoutMs: number }): Promise<QmpClient> {
  const deadline = Date.now() + options.timeoutMs
  const commands = new PendingCommands()
  const events = new EventLog()
  const greeted = Promise.withResolvers<void>()
  const onMessage = (message: JsonObject) => {
    if (commands.settle(message)) return
    if (isJsonObject(message['QMP'])) greeted.resolve()
    const event = eventOf(message)
    if (event) events.add(event)
  }
  const line = await openJsonLines({ ...options, onMessage })
  const closed = line.closed.then(() => {
    const text = `${options.path}: connection closed`
    commands.fail(text)
    events.fail(text)
    greeted.reject(new QmpLineError('lost', text))
  })
  try {
    await within(
      greeted.promise,
      deadline,
      `${options.path}: no greeting: another client holds the socket, or QEMU hangs`,
    )
    const timeoutMs = Math.max(1, deadline - Date.now())
    await commands.execute(line, { command: 'qmp_capabilities', args: undefined }, { timeoutMs })
  } catch (error) {
    line.close()
    throw error
  }
  return session(line, closed, { commands, events })
}

function session(
  line: JsonLineSocket,
  closed: Promise<void>,
  parts: { readonly commands: PendingCommands; readonly events: EventLog },
): QmpClient {
  const { commands, events } = parts
  return {
    execute: <R>(command: string, args?: object, options: ExecuteOptions = {}) =>
      commands.execute<R>(line, { command, args }, options),
    onEvent: (listener) => {
      events.listeners.add(listener)
      return () => {
        events.listeners.delete(listener)
      }
    },
    waitFor: (event, options) => events.waitFor(event, options),
    get received() {
      return events.received
    },
    closed,
    close: () => line.close(),
  }
}

function eventOf(message: JsonObject): QmpEvent | undefined {
  const event = message['event']
  if (typeof event !== 'string') return undefined
  const data = message['data']
  return { event, data: isJsonObject(data) ? data : {} }
}

async function within(promise: Promise<void>, deadline: number, message: string): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new QmpLineError('timeout', message)), Math.max(1, deadline - Date.now()))
  try {
    await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
