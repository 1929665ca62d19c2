import net from 'node:net'
import { QmpLineError } from './errors.ts'

/** One JSON object as it came over the line. */
export type JsonObject = Readonly<Record<string, unknown>>

/** A unix socket that carries one JSON object per line, as QMP and the guest agent do. */
export interface JsonLineSocket {
  /** Writes one line. `prefix` goes before it as raw bytes. Does nothing on a closed line. */
  send(message: object, prefix?: Uint8Array): void
  /** Resolves once the line is down, whoever ended it. Never rejects. */
  readonly closed: Promise<void>
  /** Ends the line. Idempotent. */
  close(): void
}

/** Pause between attempts to connect while the socket is not there yet. */
const CONNECT_PAUSE_MS = 10
/** The flush byte of `guest-sync-delimited`: it never occurs in UTF-8, and what stands before it is to be dropped. */
const DELIMITER = 0xff
const NEWLINE = 0x0a

/**
 * Connects to the unix socket at `path`, trying again while it does not exist or nobody listens, for `timeoutMs` at
 * most; then throws `QmpLineError` `unreachable`. `onMessage` sees every line that is a JSON object; others are dropped.
 */
export async function openJsonLines(options: {
  readonly path: string
  readonly timeoutMs: number
  onMessage(message: JsonObject): void
}): Promise<JsonLineSocket> {
  const socket = await connect(options.path, Date.now() + options.timeoutMs)
  // Set before any await, so that no byte and no end of the line is missed.
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
  })
  // A reset is followed by `close`, which is what callers wait for.
  socket.on('error', () => {})
  readLines(socket, (message) => options.onMessage(message))
  return {
    send: (message, prefix) => {
      if (socket.destroyed) return
      const line = Buffer.from(`${JSON.stringify(message)}\n`)
      socket.write(prefix ? Buffer.concat([prefix, line]) : line)
    },
    closed,
    close: () => {
      socket.destroy()
    },
  }
}

async function connect(path: string, deadline: number): Promise<net.Socket> {
  for (;;) {
    const outcome = await attempt(path)
    if (outcome instanceof net.Socket) return outcome
    const mayAppear = outcome.code === 'ENOENT' || outcome.code === 'ECONNREFUSED' || outcome.code === 'EAGAIN'
    if (!mayAppear || Date.now() + CONNECT_PAUSE_MS > deadline) {
      throw new QmpLineError('unreachable', `${path}: ${outcome.code ?? outcome.message}`, outcome)
    }
    await new Promise((resolve) => setTimeout(resolve, CONNECT_PAUSE_MS))
  }
}

function attempt(path: string): Promise<net.Socket | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const socket = net.connect({ path })
    socket.once('error', resolve)
    socket.once('connect', () => {
      socket.removeListener('error', resolve)
      resolve(socket)
    })
  })
}

function readLines(socket: net.Socket, onMessage: (message: JsonObject) => void): void {
  let pieces: Buffer[] = []
  socket.on('data', (chunk: Buffer) => {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...pieces, chunk.subarray(from, end)])
      pieces = []
      from = end + 1
      const message = parse(line.subarray(line.lastIndexOf(DELIMITER) + 1).toString())
      if (message) onMessage(message)
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from))
  })
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** True for a JSON object, false for arrays and scalars. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
