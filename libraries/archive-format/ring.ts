import { randomBytes } from 'node:crypto'
import { type Call, PluginError } from '@moorage/contract'
import { fingerprintOf, seal, unseal } from './key.ts'
import { damaged, ringKey, RINGS } from './layout.ts'
import type { PackKeys } from './pack.ts'
import { type ArchiveStore, listAll, mustGet } from './store.ts'
import { type Fields, numberField, readKind, textField, textsField, writeText } from './text.ts'

/** The secrets of an encrypted archive. They are stored sealed under its key. */
export interface KeyRing {
  readonly generation: number
  /** Of the key that this generation is sealed under. */
  readonly fingerprint: string
  /** Fingerprints of keys that it replaced. */
  readonly replaced: readonly string[]
  /** Never changes: what is known under its ids stays known. */
  readonly idKey: Uint8Array
  /** By number, from 1; the last is for what is written now. */
  readonly dataKeys: readonly Uint8Array[]
}

/** What packs are written with now. */
export function packKeysOf(ring: KeyRing): PackKeys {
  return { idKey: ring.idKey, number: ring.dataKeys.length, dataKey: dataKeyOf(ring, ring.dataKeys.length, RINGS) }
}

/** A data key by its number; `object` is what names it. */
export function dataKeyOf(ring: KeyRing, number: number, object: string): Uint8Array {
  const key = ring.dataKeys[number - 1]
  if (key === undefined) throw damaged(object, `is sealed under data key ${number}, which the key ring does not have`)
  return key
}

/** The first generation, sealed under `key`. */
export function newRing(key: Uint8Array): KeyRing {
  const fresh = [randomBytes(32)]
  return { generation: 1, fingerprint: fingerprintOf(key), replaced: [], idKey: randomBytes(32), dataKeys: fresh }
}

/** The object of a generation. */
export function writeRing(archive: string, ring: KeyRing, key: Uint8Array): Buffer {
  const { generation, fingerprint, replaced, idKey, dataKeys } = ring
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const secrets = Buffer.from(JSON.stringify({ idKey: text(idKey), dataKeys: dataKeys.map(text) }))
  const sealed = seal(secrets, { key, purpose: purposeOf(archive, generation) })
  return writeText('keys', { generation, fingerprint, replaced, sealed })
}

/** A store and the archive in it. */
interface Where {
  readonly store: ArchiveStore
  readonly archive: string
}

/** Opens the newest generation. `DENIED` when the key is missing, wrong, or was replaced: the message says which. */
export async function openRing({ store, archive }: Where, key: Uint8Array | undefined, call: Call): Promise<KeyRing> {
  const newest = (await listAll(store, `${RINGS}${archive}/`, call)).at(-1)
  if (newest === undefined) throw damaged(`${RINGS}${archive}`, 'the archive is encrypted, and has no key ring')
  const object = newest.key
  const fields = readKind('keys', object, await mustGet(store, object, call))
  const sealedUnder = textField(object, fields, 'fingerprint')
  const needed = `it opens with key ${sealedUnder}`
  if (key === undefined) throw denied(`archive ${archive} is encrypted, and no key was given: ${needed}`)
  const given = fingerprintOf(key)
  if (textsField(object, fields, 'replaced').includes(given)) {
    throw denied(`key ${given} of archive ${archive} was replaced: ${needed}`)
  }
  if (given !== sealedUnder) throw denied(`key ${given} is not that of archive ${archive}: ${needed}`)
  const generation = numberField(object, fields, 'generation')
  if (ringKey(archive, generation) !== object) throw damaged(object, `holds generation ${generation}`)
  const purpose = purposeOf(archive, generation)
  const secrets = unseal(textField(object, fields, 'sealed'), { key, purpose })
  if (!secrets) throw damaged(object, 'its seal does not fit, though its key does')
  return readRing(object, fields, JSON.parse(secrets.toString()) as Fields) // Sealed by us: it is what we wrote.
}

function readRing(object: string, outer: Fields, secrets: Fields): KeyRing {
  const bytes = (text: string) => Buffer.from(text, 'base64')
  return {
    generation: numberField(object, outer, 'generation'),
    fingerprint: textField(object, outer, 'fingerprint'),
    replaced: textsField(object, outer, 'replaced'),
    idKey: bytes(textField(object, secrets, 'idKey')),
    dataKeys: textsField(object, secrets, 'dataKeys').map(bytes),
  }
}

/**
 * Seals the ring under a new key, with a new data key for what is written from now on if `fresh`; then the older
 * generations are removed. Interrupted anywhere and repeated, it ends the same.
 */
export async function replaceKey(
  where: Where & { readonly ring: KeyRing },
  options: { readonly newKey: Uint8Array; readonly fresh: boolean },
  call: Call,
): Promise<void> {
  const { store, archive, ring } = where
  const fingerprint = fingerprintOf(options.newKey)
  if (fingerprint !== ring.fingerprint) {
    const next: KeyRing = {
      generation: ring.generation + 1,
      fingerprint,
      replaced: [...ring.replaced, ring.fingerprint].filter((one) => one !== fingerprint),
      idKey: ring.idKey,
      dataKeys: options.fresh ? [...ring.dataKeys, randomBytes(32)] : ring.dataKeys,
    }
    const put = await store.put(ringKey(archive, next.generation), writeRing(archive, next, options.newKey), call)
    if (put === 'present') throw new PluginError('CONFLICT', `archive ${archive}: its key is being replaced`, 'none')
  }
  const generations = await listAll(store, `${RINGS}${archive}/`, call)
  for (const { key } of generations.slice(0, -1)) await store.delete(key, call)
}

function purposeOf(archive: string, generation: number): string {
  return `moorage archive ${archive} keys ${generation}`
}

function denied(message: string): PluginError {
  return new PluginError('DENIED', message, 'none')
}
