import { type Archive, type BadChunk, verify } from '@moorage/archive-format'
import type { Call, SnapshotId, VerifyResult } from '@moorage/contract'
import type { Progress } from './budget.ts'
import type { CheckStart, CheckTask } from './check-tasks.ts'
import { WorkerPool, type WorkerShelf } from './pool.ts'

/** What a verify job runs with. */
export interface VerifyRun {
  readonly archive: Archive
  readonly snapshot?: SnapshotId | undefined
  readonly progress: Progress
  readonly threads?: number | undefined
  /** Where threads wait between jobs; absent: each job has its own. */
  readonly shelf?: WorkerShelf | undefined
}

/** Reads and checks every byte of an archive, or what one snapshot needs. */
export async function runVerify(run: VerifyRun, call: Call): Promise<VerifyResult> {
  const { archive, progress } = run
  const start: CheckStart = { role: 'check', head: archive.head, ring: archive.ring }
  const pool = new WorkerPool({ start, shelf: run.shelf, ...(run.threads !== undefined && { size: run.threads }) })
  try {
    return await verify(
      archive,
      {
        snapshot: run.snapshot,
        // Footers are read anew: what is kept would hide what happened to them.
        width: pool.size + 1,
        check: async (footer, whole) => {
          await pool.ready()
          return pool.run<readonly BadChunk[]>({ footer, whole } satisfies CheckTask)
        },
        onProgress: (done, total) => {
          progress.done = done
          progress.total = total
        },
      },
      call,
    )
  } finally {
    await pool.close()
  }
}
