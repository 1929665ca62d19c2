import {
  type Archive,
  beginWriting,
  commitManifest,
  endWriting,
  type FooterCache,
  needManifest,
  readManifestOfAttempt,
} from '@moorage/archive-format'
import { type Call, type CopyResult, type CopyTask, PluginError } from '@moorage/contract'

/** What a copy job runs with. */
export interface CopyRun {
  readonly archive: Archive
  readonly task: Omit<CopyTask, 'kind' | 'archive'>
  readonly cache?: FooterCache | undefined
}

/** Stores a snapshot under another id: its manifest names the same chunks. Repeated under the same id it changes nothing. */
export async function runCopy({ archive, task, cache }: CopyRun, call: Call): Promise<CopyResult> {
  const { id, snapshot, volume, takenAt } = task
  const attempt = { attempt: id, snapshot }
  // Before the manifest is read: from here on no collection condemns what it names.
  await beginWriting(archive, { ...attempt, cache }, call)
  let stored = await readManifestOfAttempt(archive, attempt, call)
  if (!stored) {
    const { base: _, ...from } = await needManifest(archive, task.from, call)
    stored = { ...from, ...attempt, volume, takenAt, addedBytes: 0, archivedAt: Date.now() }
    if ((await commitManifest(archive, stored, call)) === 'abandoned')
      throw new PluginError('FENCED', `job ${id} was given up, and stores no snapshot any more`, 'none')
  }
  await endWriting(archive.store, id, call)
  return { kind: 'copy', bytes: stored.bytes, dataBytes: stored.dataBytes }
}
