import type { Store } from '../store.ts'
import { getSnapshot, listSnapshots, prepareArchive, rekeyArchive, removeSnapshot } from './archives.ts'
import { abandonJob, allJobs, cancelJob, forgetJob, getJob, submitJob } from './jobs.ts'
import { type MoverRequest, reportMover } from './mover.ts'

/** The methods of the mover, by the path at which `remoteMover` calls them. */
export const MOVER_METHODS: Readonly<Record<string, (request: MoverRequest) => unknown>> = {
  'mover/report': reportMover,
  'archives/prepare': prepareArchive,
  'archives/rekey': rekeyArchive,
  'jobs/submit': submitJob,
  'jobs/get': (request) => getJob(request) ?? null,
  'jobs/cancel': cancelJob,
  'jobs/abandon': abandonJob,
  'jobs/forget': forgetJob,
  'snapshots/list': listSnapshots,
  'snapshots/get': (request) => getSnapshot(request) ?? null,
  'snapshots/remove': removeSnapshot,
}

/** Method `movers/inspect`: jobs and writers that the mover's archives wait for, for whoever looks for what was left over. */
export function inspectMovers(store: Store): object {
  const sql = `SELECT job FROM archiveWriters WHERE state = 'writing' ORDER BY job`
  return { jobs: allJobs(store), writers: store.all<{ job: string }>(sql).map(({ job }) => job) }
}
