import { isZero } from '@moorage/archive-format'
import { type ArchiveTask, type Extent, PluginError } from '@moorage/contract'
import { capacity, sessionExtents, sessionRead } from '../array/sessions.ts'
import type { Store } from '../store.ts'
import { type ArchiveRow, type Manifest, manifestsOf, needManifest, openArchive, storeManifest } from './archives.ts'
import { digestOf, hasChunk, storeChunk } from './chunks.ts'
import { withSession } from './mover.ts'
import type { Step, Work } from './step.ts'
import { beginWriting, endWriting, isGivenUp } from './writers.ts'

/** Of chunks that are said to be unchanged so many are read again, of those that hold data and of holes. */
const CHECKED = { data: 16, holes: 4 } as const

interface Archiving {
  readonly store: Store
  readonly archive: ArchiveRow
  readonly task: ArchiveTask
  readonly session: string
  readonly bytes: number
}

/** What is read, what is known without reading, and what of that is read to see whether it holds. */
interface Plan {
  readonly read: readonly number[]
  readonly known: ReadonlyMap<number, string>
  readonly check: readonly number[]
}

/** One step of an archive job: the first half of what is to be read, or the rest and the snapshot. */
export function archiveStep(store: Store, work: Work<ArchiveTask>): Step {
  const { task } = work
  const archive = openArchive(store, task.archive)
  const stored = manifestsOf(store, archive, task.snapshot).find(({ job }) => job === task.id)
  if (stored) return ended(stored, { readBytes: 0, sentBytes: 0 })
  beginWriting(store, archive, task.id)
  return withSession(store, { connection: task.source, name: 'source' }, (session) => {
    const bytes = task.bytes ?? capacity(store, session)
    if (bytes > capacity(store, session))
      throw new PluginError('CONFLICT', `the source has ${capacity(store, session)} bytes, not ${bytes}`, 'none')
    return step({ store, archive, task, session, bytes }, work)
  })
}

function step(at: Archiving, work: Work<ArchiveTask>): Step {
  const { archive, bytes, task } = at
  const plan = planOf(at)
  const half = work.steps === 0 ? Math.ceil(plan.read.length / 2) : plan.read.length
  const done = readChunks(at, work, plan.read.slice(0, half))
  const progress = { done: half * archive.chunkBytes, total: plan.read.length * archive.chunkBytes }
  // A step counts as a second.
  if (work.steps === 0) return { progress: { ...progress, leftMs: 1000 }, more: { ...done, steps: 1 } }
  const checkedBytes = checkUnchanged(at, plan)
  if (isGivenUp(at.store, archive, task.id))
    throw new PluginError('FENCED', `job ${task.id} was given up, and stores no snapshot any more`, 'none')
  const read = [...done.chunks].filter((entry): entry is [number, string] => entry[1] !== undefined)
  const chunks = [...plan.known, ...read].toSorted(([a], [b]) => a - b)
  const { snapshot, volume, takenAt, base } = task
  const addedBytes = endWriting(at.store, archive, task.id)
  const dataBytes = chunks.length * archive.chunkBytes
  const sizes = { bytes, dataBytes, addedBytes }
  const times = { takenAt, archivedAt: Date.now() }
  const shown = { snapshot, volume, ...sizes, ...times, ...(base !== undefined && { base }) }
  const manifest = { job: task.id, shown, chunks }
  storeManifest(at.store, archive, manifest)
  return ended(manifest, { readBytes: done.readBytes + checkedBytes, sentBytes: done.sentBytes }, progress.total)
}

function ended({ shown }: Manifest, did: { readonly readBytes: number; readonly sentBytes: number }, total = 0): Step {
  const { bytes, dataBytes, addedBytes } = shown
  return {
    progress: { done: total, total, leftMs: 0 },
    result: { kind: 'archive', bytes, dataBytes, addedBytes, ...did },
  }
}

function readChunks(at: Archiving, work: Work<ArchiveTask>, numbers: readonly number[]): Work<ArchiveTask> {
  const chunks = new Map(work.chunks)
  let { readBytes, sentBytes } = work
  for (const number of numbers) {
    if (chunks.has(number)) continue
    const bytes = readChunk(at, number)
    readBytes += bytes.length
    if (isZero(bytes)) {
      chunks.set(number, undefined)
      continue
    }
    const { hash, sent } = storeChunk(at.store, at.archive, { job: at.task.id, bytes })
    sentBytes += sent
    chunks.set(number, hash)
  }
  return { ...work, chunks, readBytes, sentBytes }
}

function checkUnchanged(at: Archiving, { check, known }: Plan): number {
  let checked = 0
  for (const number of check) {
    const bytes = readChunk(at, number)
    checked += bytes.length
    if ((isZero(bytes) ? undefined : digestOf(bytes)) === known.get(number)) continue
    const where = `the ${bytes.length} bytes at ${number * at.archive.chunkBytes}`
    throw new PluginError('CONFLICT', `changes: ${where} are said to be those of the base, and are not`, 'none')
  }
  return checked
}

function readChunk({ store, archive, session, bytes }: Archiving, number: number): Buffer {
  const offset = number * archive.chunkBytes
  return sessionRead(store, session, { offset, length: Math.min(archive.chunkBytes, bytes - offset) })
}

/** Without a list of changes everything that may hold data is read; with one what it names, as far as the base has the rest. */
function planOf(at: Archiving): Plan {
  const { store, archive, task, session, bytes } = at
  const base = task.base === undefined ? undefined : needManifest(store, archive, task.base)
  if (base && base.shown.volume !== task.volume)
    throw new PluginError('INVALID', `base: snapshot ${task.base} is of volume ${base.shown.volume}`, 'none')
  const runs = task.changes ?? sessionExtents(store, session)
  const { data, zeroed } = touched(runs, { bytes, chunkBytes: archive.chunkBytes })
  if (!base || !task.changes) return { read: ascending(data), known: new Map(), check: [] }
  const known = new Map<number, string>()
  for (const [number, hash] of base.chunks) {
    const end = Math.min((number + 1) * archive.chunkBytes, bytes)
    const cut = base.shown.bytes !== bytes && base.shown.bytes < end
    if (data.has(number) || zeroed.has(number) || number * archive.chunkBytes >= bytes) continue
    if (cut || !hasChunk(store, archive, hash)) data.add(number)
    else known.set(number, hash)
  }
  const holes: number[] = []
  for (let number = 0; number * archive.chunkBytes < bytes && holes.length < CHECKED.holes; number += 1) {
    if (!known.has(number) && !data.has(number) && !zeroed.has(number)) holes.push(number)
  }
  return { read: ascending(data), known, check: [...[...known.keys()].slice(0, CHECKED.data), ...holes] }
}

/** Chunks that runs touch: those to be read, and those that are zeros as a whole. */
function touched(
  runs: readonly Extent[],
  { bytes, chunkBytes }: { readonly bytes: number; readonly chunkBytes: number },
): { readonly data: Set<number>; readonly zeroed: ReadonlySet<number> } {
  const [data, zeroed] = [new Set<number>(), new Set<number>()]
  for (const { offset, length, kind } of runs) {
    const end = Math.min(offset + length, bytes)
    for (let number = Math.floor(offset / chunkBytes); number * chunkBytes < end; number += 1) {
      const from = number * chunkBytes
      const whole = offset <= from && end >= Math.min(from + chunkBytes, bytes)
      if (kind === 'zero' && whole) zeroed.add(number)
      else data.add(number)
    }
  }
  return { data, zeroed }
}

function ascending(numbers: ReadonlySet<number>): readonly number[] {
  return [...numbers].toSorted((a, b) => a - b)
}
