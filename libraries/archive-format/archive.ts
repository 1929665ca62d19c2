import { randomUUID } from 'node:crypto'
import { type ArchiveHead, type ArchiveShape, type Call, PluginError } from '@moorage/contract'
import { parseKey } from './key.ts'
import { CHUNK_BYTES, damaged, HEAD_KEY, ringKey } from './layout.ts'
import { type KeyRing, newRing, openRing, replaceKey, writeRing } from './ring.ts'
import type { ArchiveStore } from './store.ts'
import { numberField, readKind, textField, writeText } from './text.ts'

/** An archive that is open. */
export interface Archive {
  readonly store: ArchiveStore
  readonly head: ArchiveHead
  /** Absent where it is not encrypted. */
  readonly ring?: KeyRing
}

/** A store, and the key of the archive in it as text. */
export interface Locked {
  readonly store: ArchiveStore
  readonly key?: string | undefined
}

/**
 * Opens an archive. `NOT_FOUND` when the store holds none; `DENIED` when its key is missing, wrong, or was replaced, or when
 * one is given for an archive that is not encrypted.
 */
export async function openArchive({ store, key }: Locked, call: Call): Promise<Archive> {
  const head = await readHead(store, call)
  if (!head) throw new PluginError('NOT_FOUND', `the store holds no archive: there is no ${HEAD_KEY}`, 'none')
  if (!head.encrypted) {
    if (key === undefined) return { store, head }
    throw new PluginError('DENIED', `archive ${head.id} is not encrypted, and a key was given`, 'none')
  }
  const ring = await openRing({ store, archive: head.id }, key === undefined ? undefined : parseKey(key), call)
  return { store, head, ring }
}

/**
 * Makes a store an archive, encrypted if there is a key, or opens the one that is there. `CONFLICT` when that has another
 * shape. Where the store tells no two writers of one key apart, nobody else may do this at the same time.
 */
export async function prepareArchive(locked: Locked, shape: ArchiveShape, call: Call): Promise<Archive> {
  const { store, key } = locked
  const chunkBytes = shape.chunkBytes ?? CHUNK_BYTES.usual
  checkShape(chunkBytes)
  if (!(await readHead(store, call))) {
    const head = { id: randomUUID(), chunkBytes, encrypted: key !== undefined }
    // The ring first: an archive that is there can be opened. A ring without an archive is of one that never came to be.
    if (key !== undefined) {
      const ring = writeRing(head.id, newRing(parseKey(key)), parseKey(key))
      await store.put(ringKey(head.id, 1), ring, call)
    }
    await store.put(HEAD_KEY, writeText('head', head), call)
  }
  const archive = await openArchive(locked, call)
  const there = archive.head.chunkBytes
  if (shape.chunkBytes !== undefined && shape.chunkBytes !== there) {
    throw new PluginError('CONFLICT', `archive ${archive.head.id} has chunks of ${there} bytes`, 'none')
  }
  return archive
}

/** Replaces the key of an archive. Repeated after an answer was lost, with the old key or the new, it succeeds. */
export async function rekeyArchive(
  locked: Locked,
  options: { readonly newKey: string; readonly fresh: boolean },
  call: Call,
): Promise<ArchiveHead> {
  const { store } = locked
  const newKey = parseKey(options.newKey)
  const done = await openArchive({ store, key: options.newKey }, call).catch((error: unknown) => {
    if (error instanceof PluginError && error.code === 'DENIED') return undefined
    throw error
  })
  const { head, ring } = done ?? (await openArchive(locked, call))
  if (!ring) throw new PluginError('INVALID', `archive ${head.id} is not encrypted: it has no key`, 'none')
  await replaceKey({ store, archive: head.id, ring }, { newKey, fresh: options.fresh }, call)
  return head
}

async function readHead(store: ArchiveStore, call: Call): Promise<ArchiveHead | undefined> {
  const bytes = await store.get(HEAD_KEY, undefined, call)
  if (bytes === undefined) return undefined
  const fields = readKind('head', HEAD_KEY, bytes)
  const { encrypted } = fields
  if (typeof encrypted !== 'boolean') throw damaged(HEAD_KEY, '"encrypted" is neither true nor false')
  const chunkBytes = numberField(HEAD_KEY, fields, 'chunkBytes')
  return { id: textField(HEAD_KEY, fields, 'id'), chunkBytes, encrypted }
}

function checkShape(chunkBytes: number): void {
  const { least, most } = CHUNK_BYTES
  if (chunkBytes >= least && chunkBytes <= most && Number.isInteger(Math.log2(chunkBytes))) return
  const rule = `must be a power of two from ${least} to ${most}`
  throw new PluginError('INVALID', `shape.chunkBytes: ${rule}`, 'none')
}
