import { type RestoreTask, PluginError } from '@moorage/contract'
import { capacity, sessionExtents, sessionWrite } from '../array/sessions.ts'
import type { Store } from '../store.ts'
import { needManifest, openArchive } from './archives.ts'
import { loadChunk } from './chunks.ts'
import { withSession } from './mover.ts'
import type { Step, Work } from './step.ts'

/** One step of a restore job: the first half of the chunks, or the rest. Each is checked before it is written. */
export function restoreStep(store: Store, work: Work<RestoreTask>): Step {
  const { task } = work
  const archive = openArchive(store, task.archive)
  const { shown, chunks } = needManifest(store, archive, task.snapshot)
  return withSession(store, { connection: task.target, name: 'target' }, (session) => {
    const room = capacity(store, session)
    if (shown.bytes > room)
      throw new PluginError(
        'INVALID',
        `the target has ${room} bytes, and snapshot ${task.snapshot} ${shown.bytes}`,
        'none',
      )
    const write = (number: number, bytes: Uint8Array) =>
      sessionWrite(store, session, { offset: number * archive.chunkBytes, data: Buffer.from(bytes) })
    const half = work.steps === 0 ? Math.ceil(chunks.length / 2) : chunks.length
    for (const [number, hash] of chunks.slice(work.steps === 0 ? 0 : Math.ceil(chunks.length / 2), half))
      write(number, loadChunk(store, archive, hash))
    const total = chunks.length * archive.chunkBytes
    if (work.steps === 0)
      return { progress: { done: half * archive.chunkBytes, total, leftMs: 1000 }, more: { ...work, steps: 1 } }
    if (!task.blank) {
      for (const number of strange(store, session, { shown, chunks, chunkBytes: archive.chunkBytes })) {
        const length = Math.min(archive.chunkBytes, shown.bytes - number * archive.chunkBytes)
        write(number, Buffer.alloc(length))
      }
    }
    const writtenBytes = Math.min(total, shown.bytes)
    return {
      progress: { done: total, total, leftMs: 0 },
      result: { kind: 'restore', bytes: shown.bytes, writtenBytes },
    }
  })
}

/** Chunks of the target that hold something where the snapshot has zeros. */
function strange(
  store: Store,
  session: string,
  of: {
    readonly shown: { readonly bytes: number }
    readonly chunks: readonly (readonly [number, string])[]
    readonly chunkBytes: number
  },
): ReadonlySet<number> {
  const known = new Set(of.chunks.map(([number]) => number))
  const found = new Set<number>()
  for (const { offset, length } of sessionExtents(store, session)) {
    const end = Math.min(offset + length, of.shown.bytes)
    for (let number = Math.floor(offset / of.chunkBytes); number * of.chunkBytes < end; number += 1) {
      if (!known.has(number)) found.add(number)
    }
  }
  return found
}
