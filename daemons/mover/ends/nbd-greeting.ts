import type net from 'node:net'
import { PluginError } from '@moorage/contract'

/** What the server said of an export. */
export interface NbdExport {
  readonly bytes: number
  readonly canFlush: boolean
  readonly canZero: boolean
  /** Number of the context `base:allocation`; absent where the server does not tell holes. */
  readonly context?: number
  /** What came behind the greeting. */
  readonly rest: Buffer
}

const OPTION_MAGIC = Buffer.from('IHAVEOPT')
const REPLY_MAGIC = 0x3e889045565a9n
const OPTIONS = { go: 7, structuredReply: 8, setMetaContext: 10 } as const
const REPLY = { acknowledged: 1, info: 3, metaContext: 4 } as const
const UNKNOWN_EXPORT = 0x80000006
const CONTEXT = 'base:allocation'

/** Does the newstyle handshake, and leaves the socket paused. `NOT_FOUND` when there is no such export. */
export async function greet(socket: net.Socket, name: string): Promise<NbdExport> {
  const line = new Line(socket)
  const hello = await line.take(18)
  if (!hello.subarray(0, 16).equals(Buffer.concat([Buffer.from('NBDMAGIC'), OPTION_MAGIC]))) {
    throw new Error('no newstyle NBD server')
  }
  // Fixed newstyle, without the padding of old servers.
  socket.write(Buffer.from([0, 0, 0, 3]))
  const structured = (await line.option(OPTIONS.structuredReply, Buffer.alloc(0))).every(({ type }) => type === 1)
  const context = structured ? await askContext(line, name) : undefined
  const replies = await line.option(OPTIONS.go, Buffer.concat([sized(name), Buffer.alloc(2)]))
  if (replies.some(({ type }) => type === UNKNOWN_EXPORT)) {
    throw new PluginError('NOT_FOUND', `the NBD server has no export "${name}"`, 'none')
  }
  const info = replies.find(({ type, data }) => type === REPLY.info && data.length >= 12 && data.readUInt16BE() === 0)
  if (!info || replies.at(-1)?.type !== REPLY.acknowledged) throw new Error(`the NBD server refuses export "${name}"`)
  const flags = info.data.readUInt16BE(10)
  return {
    bytes: Number(info.data.readBigUInt64BE(2)),
    canFlush: (flags & 4) !== 0,
    canZero: (flags & 64) !== 0,
    ...(context !== undefined && { context }),
    rest: line.release(),
  }
}

async function askContext(line: Line, name: string): Promise<number | undefined> {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(1)
  const replies = await line.option(OPTIONS.setMetaContext, Buffer.concat([sized(name), count, sized(CONTEXT)]))
  return replies.find(({ type }) => type === REPLY.metaContext)?.data.readUInt32BE()
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

interface OptionReply {
  readonly type: number
  readonly data: Buffer
}

/** Reads exact numbers of bytes from a socket. */
class Line {
  readonly #socket: net.Socket
  #buffer: Buffer = Buffer.alloc(0)
  #ended = false
  #wake = () => {}

  constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('data', (data: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, data])
      this.#wake()
    })
    socket.once('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  async take(length: number): Promise<Buffer> {
    while (this.#buffer.length < length) {
      if (this.#ended) throw new Error('the NBD server hung up')
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    const taken = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length)
    return taken
  }

  /** Asks for an option, and answers all replies to it: the last acknowledges it or is an error. */
  async option(option: number, data: Buffer): Promise<readonly OptionReply[]> {
    const header = Buffer.alloc(8)
    header.writeUInt32BE(option)
    header.writeUInt32BE(data.length, 4)
    this.#socket.write(Buffer.concat([OPTION_MAGIC, header, data]))
    const replies: OptionReply[] = []
    for (;;) {
      const head = await this.take(20)
      if (head.readBigUInt64BE() !== REPLY_MAGIC) throw new Error('the NBD server answers what is no reply')
      const type = head.readUInt32BE(12)
      replies.push({ type, data: await this.take(head.readUInt32BE(16)) })
      if (type === REPLY.acknowledged || type >= 0x80000000) return replies
    }
  }

  /** Stops listening; what came and was not taken. */
  release(): Buffer {
    this.#socket.pause()
    this.#socket.removeAllListeners('data')
    return this.#buffer
  }
}
