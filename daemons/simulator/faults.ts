import type { Socket } from 'node:net'
import { once } from 'node:events'
import { type Call, FAILURES, type FailureCode, PluginError } from '@moorage/contract'
import { type Fields, fields, isFields, oneOf, text, whole } from './check.ts'

/**
 * What may go wrong on command. `error-before`: refused, nothing done. `error-after`: done, but reported as failed.
 * `timeout-after-effect`: done, never answered. `lose-answer`: done, the line drops in the middle of the answer.
 * `stall`: nothing done, never answered. `lie`: answered as done, nothing done. `hold-before`,
 * `hold-after`: the call waits inside until `faults/release`, however long its caller has been gone.
 */
export const FAULT_KINDS = [
  'error-before',
  'error-after',
  'timeout-after-effect',
  'lose-answer',
  'stall',
  'lie',
  'hold-before',
  'hold-after',
] as const
/** A name in `FAULT_KINDS`. */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault that waits for its call. */
export interface Fault {
  readonly id: string
  /** A method, `*` standing for any run of characters: `array/volumes/*`. */
  readonly method: string
  readonly kind: FaultKind
  /** Code of the error kinds. */
  readonly code: FailureCode
  /** How many more calls it strikes. */
  readonly count: number
  /** Strikes only calls whose arguments contain this, at any depth. */
  readonly match?: Fields
}

/** A call that waits inside the simulator. */
export interface Held {
  readonly id: string
  readonly method: string
  readonly key: string
  readonly phase: 'before' | 'after'
}

/** What a call that is about to run looks like to the faults. */
export interface Struck {
  readonly method: string
  readonly args: Fields
  readonly call: Call
  /** The line on which the answer goes out. */
  readonly socket: Socket
}

/** How a method is run: for its effect, or only for its answer. */
export interface Run {
  real(): unknown
  pretended(): unknown
}

const CODES = Object.keys(FAILURES) as readonly FailureCode[] // The keys of the registry are the codes.

/** The armed faults and the held calls of one simulator. They do not outlive its process. */
export class Faults {
  #armed: Fault[] = []
  #held: (Held & { readonly release: () => void })[] = []
  #ids = 0

  /** Method `faults/arm`. */
  arm(args: Fields): Fault {
    const fault: Fault = {
      id: `fault-${++this.#ids}`,
      method: text(args['method'], 'method'),
      kind: oneOf(args['kind'], 'kind', FAULT_KINDS),
      code: args['code'] === undefined ? 'UNAVAILABLE' : oneOf(args['code'], 'code', CODES),
      count: args['count'] === undefined ? 1 : whole(args['count'], 'count', 1),
      ...(args['match'] !== undefined && { match: fields(args['match'], 'match') }),
    }
    this.#armed.push(fault)
    return fault
  }

  /** Method `faults/list`. */
  list(): { readonly armed: readonly Fault[]; readonly held: readonly Held[] } {
    const held = this.#held.map(({ id, method, key, phase }) => ({ id, method, key, phase }))
    return { armed: this.#armed, held }
  }

  /** Method `faults/clear`: disarms everything and lets every held call go. */
  clear(): { readonly released: number } {
    this.#armed = []
    return this.release({})
  }

  /** Method `faults/release`: lets one held call go, or all. */
  release(args: Fields): { readonly released: number } {
    const id = args['held'] === undefined ? undefined : text(args['held'], 'held')
    const released = this.#held.filter((held) => id === undefined || held.id === id)
    this.#held = this.#held.filter((held) => !released.includes(held))
    for (const held of released) held.release()
    return { released: released.length }
  }

  /** Runs a method under the first armed fault that fits, or just runs it. */
  async around(struck: Struck, run: Run): Promise<unknown> {
    const fault = this.#take(struck)
    if (!fault) return run.real()
    const failed = (effect: 'none' | 'possible') =>
      new PluginError(fault.code, `${struck.method}: fault on command`, effect)
    switch (fault.kind) {
      case 'error-before':
        throw failed('none')
      case 'stall':
        await silence(struck.socket)
        throw new PluginError('TIMEOUT', `${struck.method}: stalled on command`, 'none')
      case 'lie':
        return run.pretended()
      case 'hold-before':
        await this.#hold(struck, 'before')
        return run.real()
      default:
        break
    }
    const result = run.real()
    switch (fault.kind) {
      case 'hold-after':
        await this.#hold(struck, 'after')
        return result
      case 'error-after':
        throw failed('possible')
      case 'timeout-after-effect':
        await silence(struck.socket)
        throw new PluginError('TIMEOUT', `${struck.method}: silent on command`, 'possible')
      case 'lose-answer':
        await dropLine(struck.socket)
        throw new PluginError('UNAVAILABLE', `${struck.method}: answer lost on command`, 'possible')
      default:
        return fault.kind satisfies never
    }
  }

  /**
   * What befalls something that is at work beside calls, as a job of a mover: the first armed fault of a kind that can,
   * which is `error-before` and `error-after`.
   */
  befalls(method: string, args: Fields): Pick<Fault, 'kind' | 'code'> | undefined {
    return this.#take({ method, args }, ({ kind }) => kind === 'error-before' || kind === 'error-after')
  }

  #take({ method, args }: Pick<Struck, 'method' | 'args'>, can: (fault: Fault) => boolean = () => true) {
    const fault = this.#armed.find((each) => can(each) && fits(each.method, method) && contains(args, each.match ?? {}))
    if (!fault) return undefined
    const left = { ...fault, count: fault.count - 1 }
    this.#armed = this.#armed.flatMap((each) => (each !== fault ? [each] : left.count > 0 ? [left] : []))
    return fault
  }

  #hold({ method, call }: Struck, phase: Held['phase']): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held.push({ id: `held-${++this.#ids}`, method, key: call.key, phase, release: resolve })
    return promise
  }
}

function fits(pattern: string, method: string): boolean {
  const literal = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${literal.join('.*')}$`).test(method)
}

function contains(value: unknown, wanted: unknown): boolean {
  if (!isFields(wanted)) return JSON.stringify(value) === JSON.stringify(wanted)
  return isFields(value) && Object.entries(wanted).every(([name, part]) => contains(value[name], part))
}

/** Says nothing until the caller hangs up, which it does at its deadline: an answer at the deadline would race with that. */
async function silence(socket: Socket): Promise<void> {
  if (!socket.destroyed) await once(socket, 'close')
}

/**
 * Begins an answer and hangs up. A line that closes without a byte of an answer would look to the client like a
 * kept-alive connection that had gone stale, and make it ask again.
 */
async function dropLine(socket: Socket): Promise<void> {
  if (socket.destroyed) return
  const closed = once(socket, 'close')
  socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n{', () =>
    socket.destroy(),
  )
  await closed
}
