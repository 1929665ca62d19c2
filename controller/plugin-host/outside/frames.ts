import type { Duplex } from 'node:stream'

/** Largest message in bytes: a page of an inventory with some ten thousand objects. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024
const HEAD_BYTES = 4

/** Messages over one stream: four bytes of length, big-endian, then JSON. */
export interface Frames {
  /** Throws `RangeError` for a message that is too large, `TypeError` for one that is no JSON. */
  send(message: object): void
}

/**
 * Speaks frames over `stream`. `broken` hears once, and nothing more is read, when what comes is no frame: a length that is
 * too large, or no JSON object.
 */
export function framesOver(
  stream: Duplex,
  on: {
    readonly message: (message: Readonly<Record<string, unknown>>) => void
    readonly broken: (why: string) => void
  },
): Frames {
  let chunks: Buffer[] = []
  let held = 0
  const giveUp = (why: string) => {
    stream.removeAllListeners('data')
    stream.resume()
    chunks = []
    on.broken(why)
  }
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    // Joined only when a whole message may be there: else a large one would be copied once per chunk.
    if (held < needed(chunks)) return
    let all = Buffer.concat(chunks)
    for (;;) {
      const length = all.length < HEAD_BYTES ? 0 : all.readUInt32BE(0)
      if (length > MAX_FRAME_BYTES) return giveUp(`a message of ${length} bytes`)
      if (all.length < HEAD_BYTES || all.length < HEAD_BYTES + length) break
      const message = parse(all.subarray(HEAD_BYTES, HEAD_BYTES + length))
      if (!message) return giveUp('a message that is no JSON object')
      all = all.subarray(HEAD_BYTES + length)
      on.message(message)
    }
    chunks = all.length === 0 ? [] : [all]
    held = all.length
  })
  return {
    send(message) {
      const body = Buffer.from(JSON.stringify(message))
      if (body.length > MAX_FRAME_BYTES) throw new RangeError(`a message of ${body.length} bytes is too large`)
      const head = Buffer.alloc(HEAD_BYTES)
      head.writeUInt32BE(body.length)
      stream.write(Buffer.concat([head, body]))
    },
  }
}

/** Bytes that must be there before a message can be read, or refused. */
function needed(chunks: readonly Buffer[]): number {
  const first = chunks[0]
  const length = first === undefined || first.length < HEAD_BYTES ? 0 : first.readUInt32BE(0)
  return HEAD_BYTES + (length > MAX_FRAME_BYTES ? 0 : length)
}

function parse(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    // An object that is no list has names.
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
