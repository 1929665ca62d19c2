import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Seals and opens under one master key. */
export interface Sealer {
  readonly seal: (context: string, clear: string) => Buffer
  readonly unseal: (context: string, sealed: Buffer) => string
  /** HMAC-SHA256 of a text under a key of its own, drawn from the master key; `context` keeps uses apart. */
  readonly mac: (context: string, text: string) => Buffer
  /** Eight bytes, in hexadecimal, that name the key and tell nothing about it. */
  readonly keyId: string
}

const VERSION = 1
const KEY_ID_BYTES = 8
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + KEY_ID_BYTES

/**
 * AES-256-GCM under a 32-byte key. The envelope is version (1 byte), key id (8), nonce (12), ciphertext, tag (16); version,
 * key id and context are authenticated, so that a value cannot be moved to another row nor read under another key.
 */
export function createSealer(masterKey: Buffer): Sealer {
  if (masterKey.length !== 32) throw new Error(`a master key has 32 bytes, this one has ${masterKey.length}`)
  const id = createHash('sha256').update('moorage master key id').update(masterKey).digest().subarray(0, KEY_ID_BYTES)
  const head = Buffer.concat([Buffer.from([VERSION]), id])
  const macKey = createHmac('sha256', masterKey).update('moorage mac key').digest()
  return {
    mac: (context, text) => createHmac('sha256', macKey).update(context).update('\0').update(text).digest(),
    keyId: id.toString('hex'),
    seal(context, clear) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', masterKey, nonce)
      cipher.setAAD(Buffer.concat([head, Buffer.from(context)]))
      return Buffer.concat([head, nonce, cipher.update(clear, 'utf8'), cipher.final(), cipher.getAuthTag()])
    },
    unseal(context, sealed) {
      if (sealed.length < HEAD_BYTES + NONCE_BYTES + TAG_BYTES) throw new Error(`${context}: not a sealed value`)
      if (!sealed.subarray(0, HEAD_BYTES).equals(head)) {
        const other = sealed.subarray(1, HEAD_BYTES).toString('hex')
        throw new Error(`${context}: sealed under key ${other}, this controller has ${id.toString('hex')}`)
      }
      const body = sealed.subarray(HEAD_BYTES + NONCE_BYTES, sealed.length - TAG_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', masterKey, sealed.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES))
      decipher.setAAD(Buffer.concat([head, Buffer.from(context)]))
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
      try {
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
      } catch (error) {
        throw new Error(`${context}: the sealed value was changed or belongs to another row`, { cause: error })
      }
    },
  }
}

/**
 * The master key in `path`: 64 hexadecimal digits. Made there, mode 0600, when there is no file and `create` says so; of
 * several controllers that start at once one makes it and all read the same. Refuses a file that others may read.
 */
export function loadMasterKey(path: string, options: { readonly create: boolean }): Buffer {
  if (!existsSync(path)) {
    if (!options.create) throw new Error(`there is no master key file ${path}`)
    makeKey(path)
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new Error(`master key file ${path} may be read by others than its owner: run chmod 600 on it`)
  }
  const text = readFileSync(path, 'utf8').trim()
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new Error(`master key file ${path} does not hold 64 hexadecimal digits`)
  return Buffer.from(text, 'hex')
}

function makeKey(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flush: true })
  chmodSync(draft, 0o600)
  try {
    linkSync(draft, path)
  } catch (error) {
    if (!existsSync(path)) throw error
  } finally {
    rmSync(draft, { force: true })
  }
}
