import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CHUNK_OVERHEAD, encodeChunk, packKeyOf } from './chunk.ts'
import { damaged, ID_BYTES, PACK_BYTES, PACK_CHUNKS, packKey } from './layout.ts'

/*
 * A pack: magic, chunks one behind the other, an entry for each, a trailer. Its id is the digest in the trailer.
 */

const HEAD = Buffer.from('MRGPACK1')
const TAIL = Buffer.from('MRGPEND1')
/** Bytes of an entry: id, offset, length, length of the chunk, CRC-32 of what is stored. */
export const ENTRY_BYTES = ID_BYTES + 16
const SALT_BYTES = 32
const ATTEMPT_BYTES = 16
/** Entries' offset, how many, number of the data key, salt, attempt; then digest and magic. */
const DIGESTED_BYTES = 12 + SALT_BYTES + ATTEMPT_BYTES
/** Bytes of the trailer. */
export const TRAILER_BYTES = DIGESTED_BYTES + ID_BYTES + TAIL.length

/** What packs of an archive are written with. */
export interface PackKeys {
  readonly idKey: Uint8Array
  /** Number of the data key in the ring, from 1. */
  readonly number: number
  readonly dataKey: Uint8Array
}

/** A pack that is complete. */
export interface FinishedPack {
  readonly id: string
  /** A view of the builder's buffer. */
  readonly bytes: Uint8Array
  readonly chunks: number
}

/** The footer of a pack, as it is kept in memory: 48 bytes a chunk. */
export interface Footer {
  readonly pack: string
  /** Length of the object. */
  readonly bytes: number
  readonly entries: Buffer
  readonly salt: Uint8Array
  /** Number of the data key; 0: not encrypted. */
  readonly keyNumber: number
  /** Who wrote it. */
  readonly attempt: string
}

/** One entry of a footer. */
export interface Entry {
  readonly id: Uint8Array
  readonly offset: number
  readonly length: number
  readonly plainBytes: number
  readonly crc: number
}

/** Bytes that a buffer of a `PackBuilder` needs. */
export function packBufferBytes(chunkBytes: number): number {
  return HEAD.length + PACK_BYTES + chunkBytes + CHUNK_OVERHEAD + PACK_CHUNKS * ENTRY_BYTES + TRAILER_BYTES
}

/** Fills one pack. Not used again once finished. */
export class PackBuilder {
  readonly #buffer: Buffer
  readonly #keys: PackKeys | undefined
  readonly #key: Uint8Array | undefined
  readonly #salt: Uint8Array
  readonly #attempt: string
  readonly #entries: Buffer
  #count = 0
  #end: number

  /** `buffer` has at least `packBufferBytes`. */
  constructor(options: { readonly buffer: Buffer; readonly attempt: string; readonly keys: PackKeys | undefined }) {
    const { buffer, attempt, keys } = options
    this.#buffer = buffer
    this.#attempt = attempt
    this.#keys = keys
    // Also where nothing is encrypted: no two packs have one id, so that none is removed while it is written anew.
    this.#salt = randomBytes(SALT_BYTES)
    this.#key = keys && packKeyOf(keys.dataKey, this.#salt)
    // The far end of the buffer takes the entries until the pack is finished.
    this.#entries = buffer.subarray(buffer.length - TRAILER_BYTES - PACK_CHUNKS * ENTRY_BYTES)
    this.#end = HEAD.copy(buffer)
  }

  get chunks(): number {
    return this.#count
  }

  /** No chunk may be added any more. */
  get full(): boolean {
    return this.#end >= PACK_BYTES || this.#count >= PACK_CHUNKS
  }

  /** Adds a chunk. Returns the bytes that it takes up. */
  add(id: Uint8Array, plain: Uint8Array): number {
    const [at, number] = [this.#end, this.#count]
    const length = encodeChunk(plain, this.#buffer, { at, id, number, key: this.#key })
    const entry = number * ENTRY_BYTES
    this.#entries.set(id, entry)
    const numbers = [at, length, plain.length, crc32(this.#buffer.subarray(at, at + length))]
    for (const [index, value] of numbers.entries()) this.#entries.writeUInt32LE(value, entry + ID_BYTES + index * 4)
    this.#end += length
    this.#count += 1
    return length
  }

  /** Completes the pack. */
  finish(): FinishedPack {
    const from = this.#end
    const entriesBytes = this.#count * ENTRY_BYTES
    this.#buffer.set(this.#entries.subarray(0, entriesBytes), from)
    const trailer = from + entriesBytes
    const numbers = [from, this.#count, this.#keys?.number ?? 0]
    for (const [index, value] of numbers.entries()) this.#buffer.writeUInt32LE(value, trailer + index * 4)
    this.#buffer.set(this.#salt, trailer + 12)
    this.#buffer.set(Buffer.from(this.#attempt.replaceAll('-', ''), 'hex'), trailer + 12 + SALT_BYTES)
    const digestAt = trailer + DIGESTED_BYTES
    const digest = hash('sha256', this.#buffer.subarray(from, digestAt), 'buffer')
    this.#buffer.set(digest, digestAt)
    this.#buffer.set(TAIL, digestAt + ID_BYTES)
    const bytes = this.#buffer.subarray(0, trailer + TRAILER_BYTES)
    return { id: digest.toString('hex'), bytes, chunks: this.#count }
  }
}

/** How many bytes at the end of a pack hold its footer; `tail` is the end of it, of at least `TRAILER_BYTES`. */
export function footerBytes(tail: Uint8Array): number {
  const view = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength)
  return TRAILER_BYTES + view.readUInt32LE(view.length - TRAILER_BYTES + 4) * ENTRY_BYTES
}

/** Reads the footer of a pack from its end. `DAMAGED` unless it is the footer of the pack whose id it is asked for. */
export function parseFooter(pack: string, bytes: number, tail: Uint8Array): Footer {
  const object = packKey(pack)
  const view = Buffer.from(tail)
  if (view.length < TRAILER_BYTES) throw damaged(object, `has ${view.length} bytes and no footer`)
  const length = footerBytes(view)
  if (length > view.length) throw damaged(object, 'its footer says that it is longer than the object')
  const footer = view.subarray(view.length - length)
  const trailer = length - TRAILER_BYTES
  const digestAt = trailer + DIGESTED_BYTES
  const digest = hash('sha256', footer.subarray(0, digestAt), 'hex')
  const said = footer.toString('hex', digestAt, digestAt + ID_BYTES)
  if (digest !== pack || said !== pack || !footer.subarray(digestAt + ID_BYTES).equals(TAIL)) {
    throw damaged(object, 'its footer does not fit its name')
  }
  if (footer.readUInt32LE(trailer) !== bytes - length) throw damaged(object, `has ${bytes} bytes, not what it was`)
  const attempt = footer.toString('hex', trailer + 12 + SALT_BYTES, digestAt)
  return {
    pack,
    bytes,
    entries: footer.subarray(0, trailer),
    keyNumber: footer.readUInt32LE(trailer + 8),
    salt: footer.subarray(trailer + 12, trailer + 12 + SALT_BYTES),
    attempt: attempt.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  }
}

/** How many chunks a pack holds. */
export function entryCount(footer: Footer): number {
  return footer.entries.length / ENTRY_BYTES
}

/** The entry with a number. */
export function entryAt({ entries }: Footer, number: number): Entry {
  const at = number * ENTRY_BYTES
  const field = (index: number) => entries.readUInt32LE(at + ID_BYTES + index * 4)
  const id = entries.subarray(at, at + ID_BYTES)
  return { id, offset: field(0), length: field(1), plainBytes: field(2), crc: field(3) }
}

/** Checks what lies between the chunks of a whole pack: its beginning, and that each byte is of one chunk. */
export function checkFrame(footer: Footer, whole: Uint8Array): void {
  const object = packKey(footer.pack)
  if (Buffer.compare(whole.subarray(0, HEAD.length), HEAD) !== 0) throw damaged(object, 'does not begin as a pack')
  let end = HEAD.length
  for (let number = 0; number < entryCount(footer); number += 1) {
    const { offset, length } = entryAt(footer, number)
    if (offset !== end) throw damaged(object, `chunk ${number} is not where the one before ends`)
    end += length
  }
  if (end !== footer.bytes - footer.entries.length - TRAILER_BYTES) throw damaged(object, 'has bytes of no chunk')
}
