import { PluginError } from '@moorage/contract'

/** What came of a request. */
export interface NbdReply {
  /** Of a block status: lengths and flags, in order. */
  readonly runs: { readonly length: number; readonly flags: number }[]
}

interface Expected {
  readonly into: Buffer | undefined
  readonly offset: number
  readonly runs: { readonly length: number; readonly flags: number }[]
  error?: PluginError
  resolve(reply: NbdReply): void
  reject(error: Error): void
}

const SIMPLE = 0x67446698
const STRUCTURED = 0x668e33ef
const CHUNK = { data: 1, hole: 2, status: 5, error: 32_769 } as const
const DONE = 1
/** Error numbers of the protocol that have a code of their own. */
const CODES = new Map([
  [1, 'DENIED'],
  [28, 'NO_SPACE'],
] as const)

/** Takes apart what a server sends, and copies data where it belongs, without putting together what came in pieces. */
export class NbdReplies {
  readonly #expected = new Map<bigint, Expected>()
  #step: Step
  #failed: PluginError | undefined

  constructor() {
    this.#step = this.#head()
  }

  /** Registers a request whose answer is to come. */
  expect(handle: bigint, options: { readonly into: Buffer | undefined; readonly offset: number }): Promise<NbdReply> {
    const { promise, resolve, reject } = Promise.withResolvers<NbdReply>()
    if (this.#failed) reject(this.#failed)
    else this.#expected.set(handle, { ...options, runs: [], resolve, reject })
    return promise
  }

  /** Takes the next bytes of the line. Throws when they are no replies. */
  take(data: Buffer): void {
    let rest = data
    for (;;) {
      const taken = Math.min(this.#step.left.length, rest.length)
      rest.copy(this.#step.left, 0, 0, taken)
      rest = rest.subarray(taken)
      this.#step.left = this.#step.left.subarray(taken)
      if (this.#step.left.length > 0) return
      this.#step = this.#step.next()
      if (rest.length === 0 && this.#step.left.length > 0) return
    }
  }

  /** Rejects everything that is open, and all that comes. */
  fail(error: PluginError): void {
    this.#failed = error
    for (const { reject } of this.#expected.values()) reject(error)
    this.#expected.clear()
  }

  #head(): Step {
    return wanted(16, (head) => {
      const magic = head.readUInt32BE()
      if (magic === SIMPLE) return this.#simple(head)
      if (magic !== STRUCTURED) throw new Error('the NBD server sends what is no reply')
      return wanted(4, (length) => this.#structured(head, length.readUInt32BE()))
    })
  }

  #simple(head: Buffer): Step {
    const request = this.#find(head.readBigUInt64BE(8))
    const error = head.readUInt32BE(4)
    if (error !== 0) request.expected.error = failure(error, '')
    const { into } = request.expected
    const end = () => this.#settle(request)
    return into && error === 0 ? { left: into, next: end } : end()
  }

  #structured(head: Buffer, length: number): Step {
    const request = this.#find(head.readBigUInt64BE(8))
    const last = (head.readUInt16BE(4) & DONE) !== 0
    const end = () => (last ? this.#settle(request) : this.#head())
    const type = head.readUInt16BE(6)
    if (type === CHUNK.data) {
      return wanted(8, (at) => ({ left: part(request.expected, at, length - 8), next: end }))
    }
    return wanted(length, (body) => {
      const { expected } = request
      if (type === CHUNK.hole) part(expected, body, body.readUInt32BE(8)).fill(0)
      else if (type === CHUNK.status) {
        for (let at = 4; at + 8 <= body.length; at += 8) {
          expected.runs.push({ length: body.readUInt32BE(at), flags: body.readUInt32BE(at + 4) })
        }
      } else if (type >= CHUNK.error - 1) {
        expected.error ??= failure(body.readUInt32BE(), body.toString('utf8', 6, 6 + body.readUInt16BE(4)))
      }
      return end()
    })
  }

  #find(handle: bigint): { readonly handle: bigint; readonly expected: Expected } {
    const expected = this.#expected.get(handle)
    if (!expected) throw new Error('the NBD server answers what was not asked')
    return { handle, expected }
  }

  #settle({ handle, expected }: { readonly handle: bigint; readonly expected: Expected }): Step {
    this.#expected.delete(handle)
    if (expected.error) expected.reject(expected.error)
    else expected.resolve({ runs: expected.runs })
    return this.#head()
  }
}

/** Bytes that are to come, and what to do then. */
interface Step {
  left: Buffer
  next(): Step
}

function wanted(length: number, next: (whole: Buffer) => Step): Step {
  const whole = Buffer.alloc(length)
  return { left: whole, next: () => next(whole) }
}

/** Where a piece of a read belongs. */
function part({ into, offset }: Expected, at: Buffer, length: number): Buffer {
  const from = Number(at.readBigUInt64BE()) - offset
  if (!into || from < 0 || from + length > into.length) throw new Error('the NBD server sends bytes of another place')
  return into.subarray(from, from + length)
}

function failure(error: number, message: string): PluginError {
  const code = CODES.get(error as 1 | 28) ?? 'UNAVAILABLE' // A number that the map does not have is answered as such.
  return new PluginError(code, `NBD error ${error}${message === '' ? '' : `: ${message}`}`, 'possible')
}
