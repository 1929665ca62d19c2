/** First bytes of LZ4's legacy frame, in which kernels are packed. */
export const LZ4_LEGACY_MAGIC = 0x184c2102
/** A legacy block unpacks to this many bytes at most. */
const LARGEST_BLOCK = 8 * 1024 * 1024
const SHORTEST_MATCH = 4
const LONG = 15

/**
 * Unpacks a legacy LZ4 frame (lz4 `doc/lz4_Frame_format.md`, "Legacy frame"): magic, then blocks of a 32-bit length and
 * that many bytes, up to a length that does not fit, which in a kernel is the unpacked size put behind the frame. Throws
 * `RangeError` on anything else.
 */
export function unpackLz4Legacy(frame: Buffer): Buffer {
  if (frame.readUInt32LE(0) !== LZ4_LEGACY_MAGIC) throw new RangeError('no legacy LZ4 frame')
  const blocks: Buffer[] = []
  let at = 4
  while (at + 4 <= frame.length) {
    const length = frame.readUInt32LE(at)
    if (length === 0 || at + 4 + length > frame.length) break
    blocks.push(unpackBlock(frame.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

/** One block (lz4 `doc/lz4_Block_format.md`): runs of literals, each but the last followed by a copy from what is unpacked. */
function unpackBlock(block: Buffer): Buffer {
  const out = Buffer.alloc(LARGEST_BLOCK)
  let [from, to] = [0, 0]
  const lengthFrom = (nibble: number): number => {
    let length = nibble
    if (nibble !== LONG) return length
    for (let more = 255; more === 255; length += more) more = block.readUInt8(from++)
    return length
  }
  while (from < block.length) {
    const token = block.readUInt8(from++)
    const literals = lengthFrom(token >> 4)
    if (from + literals > block.length || to + literals > out.length) throw new RangeError('LZ4 literals overrun')
    to += block.copy(out, to, from, from + literals)
    from += literals
    if (from === block.length) break
    const distance = block.readUInt16LE(from)
    from += 2
    const length = lengthFrom(token & LONG) + SHORTEST_MATCH
    if (distance === 0 || distance > to || to + length > out.length) throw new RangeError('LZ4 match overruns')
    copyMatch(out, { to, distance, length })
    to += length
  }
  return out.subarray(0, to)
}

/** A match may reach into what it is writing: then it repeats, so it is copied in steps of its distance. */
function copyMatch(
  out: Buffer,
  match: { readonly to: number; readonly distance: number; readonly length: number },
): void {
  const { to, distance, length } = match
  for (let done = 0; done < length;) {
    const step = Math.min(length - done, distance + done)
    out.copyWithin(to + done, to - distance, to - distance + step)
    done += step
  }
}
