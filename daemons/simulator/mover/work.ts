import type { MoverTask } from '@moorage/contract'
import type { Store } from '../store.ts'
import { archiveStep } from './archiving.ts'
import { collect, verify } from './checking.ts'
import { copyStep } from './copying.ts'
import { type Fetched, importStep } from './importing.ts'
import { restoreStep } from './restoring.ts'
import type { Step, Work } from './step.ts'

/** A job that begins. */
export function begin(task: MoverTask): Work {
  return { task, steps: 0, chunks: new Map(), readBytes: 0, sentBytes: 0 }
}

/**
 * One step of a job: each takes two, so that callers must ask again. Throws `PluginError` when the job fails. `fetched`: the
 * file of an import.
 */
export function advance(store: Store, work: Work, fetched: Fetched | undefined): Step {
  const { task } = work
  if (task.kind === 'import') {
    if (fetched) return importStep(store, { ...work, task }, fetched)
    return { progress: { done: 0, total: 0, fetching: true }, more: work }
  }
  if (task.kind === 'archive') return archiveStep(store, { ...work, task })
  if (task.kind === 'copy') return copyStep(store, { ...work, task })
  if (task.kind === 'restore') return restoreStep(store, { ...work, task })
  if (work.steps === 0) return { progress: { done: 0, total: 0 }, more: { ...work, steps: 1 } }
  const result = task.kind === 'verify' ? verify(store, task) : collect(store, task)
  const bytes = result.kind === 'verify' ? result.checkedBytes : 0
  return { progress: { done: bytes, total: bytes }, result }
}
