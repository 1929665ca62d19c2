import { type BadChunk, checkPack, type Footer, type KeyRing } from '@moorage/archive-format'
import type { ArchiveHead } from '@moorage/contract'
import type { WorkerStart } from './pool.ts'

/** What a worker of a verify job is started with. */
export interface CheckStart extends WorkerStart {
  readonly role: 'check'
  readonly head: ArchiveHead
  readonly ring: KeyRing | undefined
}

/** A pack to be checked. */
export interface CheckTask {
  readonly footer: Footer
  readonly whole: Uint8Array
}

/** A worker that checks whole packs. */
export async function newChecker({ head, ring }: CheckStart) {
  return {
    run: async (body: unknown): Promise<readonly BadChunk[]> => {
      const { footer, whole } = body as CheckTask // Our own main thread sends it.
      // Threads send buffers as plain arrays of bytes.
      const entries = Buffer.from(footer.entries.buffer, footer.entries.byteOffset, footer.entries.byteLength)
      return checkPack({ head, ...(ring && { ring }) }, { ...footer, entries }, whole)
    },
  }
}
