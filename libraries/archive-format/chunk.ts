import { createCipheriv, createDecipheriv, createHmac, hash, hkdfSync } from 'node:crypto'
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { ID_BYTES } from './layout.ts'

/*
 * A chunk as it is stored: one byte that says how it is packed, then its bytes. In an encrypted archive all of that is
 * sealed with AES-256-GCM, with the chunk's id as associated data and its number in the pack as nonce.
 */

/** How the bytes of a chunk are packed. */
const RAW = 0
const ZSTD = 1
const LEVEL = 3
const TAG_BYTES = 16
const NONCE_BYTES = 12
/** Bytes that a stored chunk may be longer than the chunk. */
export const CHUNK_OVERHEAD = 1 + TAG_BYTES

/** What tells apart the chunks of one archive from those of another, in an encrypted one. */
export interface IdKey {
  /** 32 bytes; absent where the archive is not encrypted. */
  readonly idKey?: Uint8Array
}

/** The id of a chunk: SHA-256 of its bytes, or HMAC-SHA256 where the archive has a key, so that ids tell nothing. */
export function chunkId(plain: Uint8Array, idKey: Uint8Array | undefined): Uint8Array {
  if (idKey === undefined) return hash('sha256', plain, 'buffer')
  return createHmac('sha256', idKey).update(plain).digest()
}

/** The key that seals the chunks of one pack. Nonces count up in it, so that none is ever used twice. */
export function packKeyOf(dataKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return Buffer.from(hkdfSync('sha256', dataKey, salt, 'moorage archive pack', 32))
}

/** What a stored chunk is checked and opened with. */
export interface Sealing {
  /** From `packKeyOf`; absent where the pack is not encrypted. */
  readonly key?: Uint8Array | undefined
  /** The chunk's number in its pack. */
  readonly number: number
  readonly id: Uint8Array
}

/** Writes a chunk as it is stored into `into` at `at`; returns how long it is. There must be room for `CHUNK_OVERHEAD` more. */
export function encodeChunk(plain: Uint8Array, into: Buffer, how: Sealing & { readonly at: number }): number {
  const packed = zstdCompressSync(plain, {
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
    // All at once: what zlib hands out in pieces it has to put together again.
    chunkSize: plain.length + (plain.length >> 6) + 1024,
  })
  // Less than a sixty-fourth saved is no gain: reading would cost more than it spares.
  const [codec, payload] = packed.length < plain.length - (plain.length >> 6) ? [ZSTD, packed] : [RAW, plain]
  const { key, at } = how
  const { length } = payload
  if (key === undefined) {
    into[at] = codec
    into.set(payload, at + 1)
    release(packed)
    return length + 1
  }
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(how.number))
  cipher.setAAD(how.id)
  let end = at
  for (const part of [Buffer.of(codec), payload]) {
    const sealed = cipher.update(part)
    into.set(sealed, end)
    end += sealed.length
    release(sealed)
  }
  release(packed)
  cipher.final()
  into.set(cipher.getAuthTag(), end)
  return end + TAG_BYTES - at
}

/** What `decodeChunk` checks against, besides the sealing. */
export interface Expected extends Sealing {
  readonly plainBytes: number
  readonly crc: number
  readonly idKey: Uint8Array | undefined
}

/**
 * Opens a stored chunk. Throws a plain `Error` that says what does not fit, unless every byte of it is what was stored and
 * the result is what its id names.
 */
export function decodeChunk(stored: Uint8Array, expected: Expected): Uint8Array {
  if (crc32(stored) !== expected.crc) throw new Error('its checksum does not fit')
  const opened = expected.key === undefined ? stored : unseal(stored, { ...expected, key: expected.key })
  const plain = unpack(opened, expected.plainBytes)
  if (opened.buffer !== stored.buffer && opened.buffer !== plain.buffer) release(opened)
  if (plain.length !== expected.plainBytes) throw new Error(`it has ${plain.length} bytes, not ${expected.plainBytes}`)
  if (Buffer.compare(chunkId(plain, expected.idKey), expected.id) !== 0) throw new Error('its bytes do not fit its id')
  return plain
}

function unseal(stored: Uint8Array, { key, number, id }: Sealing & { readonly key: Uint8Array }): Uint8Array {
  if (stored.length <= TAG_BYTES) throw new Error('it is too short')
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number))
  decipher.setAAD(id)
  decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES))
  const plain = decipher.update(stored.subarray(0, stored.length - TAG_BYTES))
  try {
    decipher.final()
  } catch (error) {
    throw new Error('its seal does not fit', { cause: error })
  }
  return plain
}

function unpack(opened: Uint8Array, plainBytes: number): Uint8Array {
  const payload = opened.subarray(1)
  if (opened[0] === RAW) return payload
  if (opened[0] !== ZSTD) throw new Error(`it is packed in a way that is not known: ${opened[0]}`)
  // Not longer than it should be, whatever the bytes say of themselves.
  const options = { maxOutputLength: plainBytes + 1, chunkSize: plainBytes + 1024 }
  try {
    return zstdDecompressSync(payload, options)
  } catch (error) {
    throw new Error('it cannot be unpacked', { cause: error })
  }
}

function nonceOf(number: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeUInt32BE(number, NONCE_BYTES - 4)
  return nonce
}

/** Below this, bytes may lie in memory that others share: Node's pool. */
const LEAST_RELEASED = 128 * 1024

/**
 * Gives the memory of bytes back at once, which must be all that anybody has of it; they are empty from then on. The
 * collector sees small objects only, and lets hundreds of MiB stand behind them.
 */
export function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= LEAST_RELEASED) buffer.transfer(0)
}

const ZERO_ID = Buffer.alloc(ID_BYTES)

/** The id that stands in a segment for a chunk of zeros, which is not stored. */
export function zeroId(): Uint8Array {
  return ZERO_ID
}

/** Whether an id in a segment or in a manifest stands for zeros. */
export function isZeroId(id: Uint8Array): boolean {
  return ZERO_ID.equals(id)
}

let zeros = Buffer.alloc(0)

/** Whether all bytes are zero. 40 GiB a second: no reason to know it beforehand. */
export function isZero(bytes: Uint8Array): boolean {
  if (zeros.length < bytes.length) zeros = Buffer.alloc(bytes.length)
  return Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0
}
