import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { PluginError } from '@moorage/contract'

/*
 * The key that opens an archive, and what is sealed under it.
 */

const PREFIX = 'moorage-key-1.'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** A new key, as text. Whoever loses it loses the archive. */
export function newKey(): string {
  return `${PREFIX}${randomBytes(KEY_BYTES).toString('base64url')}`
}

/** The bytes of a key. `INVALID` when the text is none; the message does not repeat it. */
export function parseKey(text: string): Uint8Array {
  const body = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : ''
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.length !== KEY_BYTES || bytes.toString('base64url') !== body) {
    throw new PluginError('INVALID', `key: must be ${PREFIX} and 43 characters of base64url`, 'none')
  }
  return bytes
}

/** By what a key is known without knowing it: 16 hexadecimal digits. */
export function fingerprintOf(key: Uint8Array): string {
  return Buffer.from(hkdfSync('sha256', key, '', 'moorage archive fingerprint', 8)).toString('hex')
}

/** What bytes are sealed under, and for what: sealed for another purpose they do not open. */
export interface Purpose {
  readonly key: Uint8Array
  readonly purpose: string
}

/** Seals bytes with AES-256-GCM. Each seal has a key of its own, from 32 random bytes. */
export function seal(plain: Uint8Array, { key, purpose }: Purpose): string {
  const salt = randomBytes(32)
  const nonce = Buffer.alloc(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', sealKey(key, salt), nonce)
  cipher.setAAD(Buffer.from(purpose))
  return Buffer.concat([salt, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

/** Opens what `seal` made; `undefined` when it is under another key, for another purpose, or was changed. */
export function unseal(text: string, { key, purpose }: Purpose): Buffer | undefined {
  const sealed = Buffer.from(text, 'base64')
  if (sealed.length < 32 + TAG_BYTES || sealed.toString('base64') !== text) return undefined
  const decipher = createDecipheriv('aes-256-gcm', sealKey(key, sealed.subarray(0, 32)), Buffer.alloc(NONCE_BYTES))
  decipher.setAAD(Buffer.from(purpose))
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(32, sealed.length - TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

function sealKey(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return Buffer.from(hkdfSync('sha256', key, salt, 'moorage archive seal', KEY_BYTES))
}
