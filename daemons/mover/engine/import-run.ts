import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Archive, FooterCache } from '@moorage/archive-format'
import { type Call, type ImportResult, type ImportTask, PluginError } from '@moorage/contract'
import { download, QCOW2_HEAD_BYTES, readQcow2Head } from '@moorage/files'
import { openEnd } from '../ends/ends.ts'
import { runArchive } from './archive-run.ts'
import { Budget, type Progress } from './budget.ts'

/** What an import job runs with. */
export interface ImportRun {
  readonly archive: Archive
  readonly task: Omit<ImportTask, 'kind' | 'archive'>
  /** Where its file goes: kept from one run of the job to the next. */
  readonly spool: string
  readonly progress: Progress
  readonly cache?: FooterCache | undefined
}

/**
 * Fetches a file, looks whether it is what it is said to be, and reads the image in it into an archive, as a snapshot is.
 * Repeated under the same id after any interruption, it fetches what is missing and sends nothing that is stored.
 */
export async function runImport(run: ImportRun, call: Call): Promise<ImportResult> {
  const { archive, task, spool, progress, cache } = run
  progress.fetching = true
  const budget = new Budget(task.bytesPerSecond)
  const { bytes: fileBytes, fetchedBytes } = await download({
    url: task.url,
    path: spool,
    most: task.most,
    signal: call.signal,
    take: (bytes) => budget.take(bytes, call.signal),
    onProgress: (done, total) => Object.assign(progress, { done, total: Math.max(done, total) }),
  })
  const sha256 = await checked(run, call)
  await checkImage(run, fileBytes)
  progress.next()
  const source = await openEnd({ via: 'file', path: spool, format: task.format, readOnly: true }, { use: 'read' })
  try {
    const { id, snapshot, volume, takenAt } = task
    const reading = { id, snapshot, volume, takenAt }
    const done = await runArchive({ archive, task: reading, source, progress, cache, random: Math.random }, call)
    const { bytes, sentBytes, dataBytes, addedBytes } = done
    return { kind: 'import', bytes, fileBytes, sha256, fetchedBytes, sentBytes, dataBytes, addedBytes }
  } finally {
    await source.close()
  }
}

/** The SHA-256 of the file, which has the checksum that it is to have: read from where it lies now. */
async function checked({ spool, task }: ImportRun, { signal }: Call): Promise<string> {
  const { algorithm, value } = task.checksum ?? { algorithm: 'sha-256', value: undefined }
  const [own, asked] = [createHash('sha256'), createHash(algorithm.replace('-', ''))]
  for await (const chunk of createReadStream(spool, { highWaterMark: 1024 * 1024, signal })) {
    const bytes = chunk as Buffer // No encoding is set: chunks are buffers.
    own.update(bytes)
    if (value !== undefined) asked.update(bytes)
  }
  if (value !== undefined && asked.digest('hex') !== value)
    throw new PluginError('DAMAGED', `the file of ${task.url} has not the ${algorithm} that was told`, 'none')
  return own.digest('hex')
}

/** Before anything opens it that would follow what it says. */
async function checkImage({ spool, task }: ImportRun, fileBytes: number): Promise<void> {
  if (fileBytes === 0) throw new PluginError('INVALID', 'the file is empty', 'none')
  if (task.format === 'raw') return
  const file = await open(spool, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(QCOW2_HEAD_BYTES), 0, QCOW2_HEAD_BYTES, 0)
    const { bytes } = readQcow2Head(buffer.subarray(0, bytesRead))
    if (bytes <= task.most) return
    throw new PluginError('LIMIT', `the disk in the image has ${bytes} bytes, and may have ${task.most}`, 'none')
  } finally {
    await file.close()
  }
}
