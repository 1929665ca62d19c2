import { type CopyTask, PluginError } from '@moorage/contract'
import type { Store } from '../store.ts'
import { manifestsOf, needManifest, openArchive, storeManifest } from './archives.ts'
import type { Step, Work } from './step.ts'
import { beginWriting, endWriting, isGivenUp } from './writers.ts'

/** One step of a copy job: it begins, or the snapshot is stored under the other id. */
export function copyStep(store: Store, work: Work<CopyTask>): Step {
  const { task } = work
  const archive = openArchive(store, task.archive)
  if (work.steps === 0) {
    beginWriting(store, archive, task.id)
    return { progress: { done: 0, total: 0 }, more: { ...work, steps: 1 } }
  }
  if (isGivenUp(store, archive, task.id))
    throw new PluginError('FENCED', `job ${task.id} was given up, and stores no snapshot any more`, 'none')
  const stored = manifestsOf(store, archive, task.snapshot).find(({ job }) => job === task.id)
  const from = stored ?? needManifest(store, archive, task.from)
  const { base: _, ...whole } = from.shown
  endWriting(store, archive, task.id)
  if (!stored) {
    const { snapshot, volume, takenAt } = task
    const shown = { ...whole, snapshot, volume, takenAt, addedBytes: 0, archivedAt: Date.now() }
    storeManifest(store, archive, { job: task.id, shown, chunks: from.chunks })
  }
  const { bytes, dataBytes } = whole
  return { progress: { done: 0, total: 0, leftMs: 0 }, result: { kind: 'copy', bytes, dataBytes } }
}
