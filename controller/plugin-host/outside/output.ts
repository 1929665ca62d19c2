import type { Readable } from 'node:stream'

/** Bytes and lines of one output that are read between two refills. A process that prints more waits. */
const BYTES = 64 * 1024
const LINES = 100
const LONGEST_LINE = 500

/** Lines that a process prints, as many as a log can bear. */
export interface Output {
  /** Allows the next `BYTES`. */
  refill(): void
}

/** Hands on the lines of `stream`, cut where they are long; of a flood it hands on the number of lines left out. */
export function readOutput(stream: Readable, onLine: (line: string) => void): Output {
  let [bytes, lines, dropped, rest] = [BYTES, LINES, 0, '']
  const hand = (line: string) => {
    if (line === '') return
    if (lines > 0) onLine(line.slice(0, LONGEST_LINE))
    else dropped += 1
    lines -= 1
  }
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    bytes -= chunk.length
    const parts = `${rest}${chunk}`.split('\n')
    rest = (parts.pop() ?? '').slice(0, LONGEST_LINE)
    for (const line of parts) hand(line)
    if (bytes <= 0) stream.pause()
  })
  stream.on('end', () => hand(rest))
  return {
    refill() {
      if (dropped > 0) onLine(`(${dropped} lines left out)`)
      bytes = BYTES
      lines = LINES
      dropped = 0
      stream.resume()
    },
  }
}
