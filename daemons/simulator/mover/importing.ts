import { createHash } from 'node:crypto'
import { asPluginError, type ImportTask, PluginError } from '@moorage/contract'
import { bodyOf, getFrom, readQcow2Head } from '@moorage/files'
import { isZero } from '@moorage/archive-format'
import type { Store } from '../store.ts'
import { manifestsOf, openArchive, storeManifest } from './archives.ts'
import { digestOf, storeChunk } from './chunks.ts'
import type { Step, Work } from './step.ts'
import { beginWriting, endWriting, isGivenUp } from './writers.ts'

/** The file of an import, or why it cannot be had. */
export type Fetched = { readonly bytes: Buffer } | { readonly failure: PluginError }

/** Fetches the file of an import. Never rejects. */
export async function fetchFile(task: ImportTask, signal: AbortSignal): Promise<Fetched> {
  const pieces: Buffer[] = []
  let length = 0
  try {
    const answer = await getFrom(task.url, { headers: {}, signal })
    for await (const piece of bodyOf(answer)) {
      pieces.push(piece)
      length += piece.length
      if (length <= task.most) continue
      throw new PluginError('LIMIT', `the file is larger than ${task.most} bytes`, 'none')
    }
    return { bytes: Buffer.concat(pieces) }
  } catch (error) {
    return { failure: asPluginError(error) }
  }
}

/** One step of an import job: the file is fetched, or the image in it is archived. */
export function importStep(store: Store, work: Work<ImportTask>, fetched: Fetched): Step {
  if ('failure' in fetched) throw fetched.failure
  const { task } = work
  const { bytes } = fetched
  const archive = openArchive(store, task.archive)
  if (work.steps === 0) {
    const [done, total] = [bytes.length, bytes.length]
    return { progress: { done, total, leftMs: 1000, fetching: true }, more: { ...work, steps: 1 } }
  }
  check(task, bytes)
  const file = { fileBytes: bytes.length, fetchedBytes: bytes.length, sha256: digestOf(bytes) }
  const stored = manifestsOf(store, archive, task.snapshot).find(({ job }) => job === task.id)
  const shown = stored?.shown
  if (shown) return ended({ ...file, ...shown, sentBytes: 0 })
  beginWriting(store, archive, task.id)
  const chunks: [number, string][] = []
  let sentBytes = 0
  for (let at = 0; at < bytes.length; at += archive.chunkBytes) {
    const piece = bytes.subarray(at, at + archive.chunkBytes)
    if (isZero(piece)) continue
    const { hash, sent } = storeChunk(store, archive, { job: task.id, bytes: piece })
    chunks.push([at / archive.chunkBytes, hash])
    sentBytes += sent
  }
  if (isGivenUp(store, archive, task.id))
    throw new PluginError('FENCED', `job ${task.id} was given up, and stores no snapshot any more`, 'none')
  const sizes = {
    bytes: bytes.length,
    dataBytes: chunks.length * archive.chunkBytes,
    addedBytes: endWriting(store, archive, task.id),
  }
  const { snapshot, volume, takenAt } = task
  const made = { snapshot, volume, ...sizes, takenAt, archivedAt: Date.now() }
  storeManifest(store, archive, { job: task.id, shown: made, chunks })
  return ended({ ...file, ...sizes, sentBytes })
}

type Sizes = 'bytes' | 'fileBytes' | 'sha256' | 'fetchedBytes' | 'sentBytes' | 'dataBytes' | 'addedBytes'

function ended(did: Pick<Extract<Extract<Step, { result: unknown }>['result'], { kind: 'import' }>, Sizes>): Step {
  const { bytes, fileBytes, sha256, fetchedBytes, sentBytes, dataBytes, addedBytes } = did
  return {
    progress: { done: dataBytes, total: dataBytes, leftMs: 0 },
    result: { kind: 'import', bytes, fileBytes, sha256, fetchedBytes, sentBytes, dataBytes, addedBytes },
  }
}

function check(task: ImportTask, bytes: Buffer): void {
  const { checksum, format } = task
  if (checksum && createHash(checksum.algorithm.replace('-', '')).update(bytes).digest('hex') !== checksum.value)
    throw new PluginError('DAMAGED', `the file of ${task.url} has not the ${checksum.algorithm} that was told`, 'none')
  if (bytes.length === 0) throw new PluginError('INVALID', 'the file is empty', 'none')
  if (format === 'raw') return
  const disk = readQcow2Head(bytes)
  if (disk.bytes > task.most) throw new PluginError('LIMIT', `the disk in the image has ${disk.bytes} bytes`, 'none')
  throw new PluginError('UNSUPPORTED', 'the simulated mover takes raw images only', 'none')
}
