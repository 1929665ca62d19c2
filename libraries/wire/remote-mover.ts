import type { Call, Mover, MoverTask } from '@moorage/contract'
import type { RemoteCall } from './client.ts'

/** What fits into a request. Who has changed in more places than these has changed nearly everywhere. */
const MOST_CHANGES = 100_000

/** Where a mover's daemon has the methods of `Mover`. */
export const MOVER_PATHS = {
  report: 'mover/report',
  prepare: 'archives/prepare',
  rekey: 'archives/rekey',
  submit: 'jobs/submit',
  job: 'jobs/get',
  cancel: 'jobs/cancel',
  abandon: 'jobs/abandon',
  forget: 'jobs/forget',
  snapshots: 'snapshots/list',
  snapshot: 'snapshots/get',
  remove: 'snapshots/remove',
} as const satisfies Record<keyof Mover, string>

/** A mover that runs as a daemon, `daemons/mover`. Secrets travel in bodies, never in urls. */
export function remoteMover(remote: RemoteCall): Mover {
  const maybe = async <Result>(method: string, args: object, call: Call) =>
    (await remote<Result | null>(method, args, call)) ?? undefined
  return {
    report: (call) => remote(MOVER_PATHS.report, {}, call),
    prepare: (archive, shape, call) => remote(MOVER_PATHS.prepare, { archive, shape }, call),
    rekey: (archive, options, call) => remote(MOVER_PATHS.rekey, { archive, ...options }, call),
    submit: (task, call) => remote(MOVER_PATHS.submit, { task: sendable(task) }, call),
    job: (id, call) => maybe(MOVER_PATHS.job, { id }, call),
    cancel: (id, call) => remote(MOVER_PATHS.cancel, { id }, call),
    abandon: (archive, id, call) => remote(MOVER_PATHS.abandon, { archive, id }, call),
    forget: (id, call) => remote(MOVER_PATHS.forget, { id }, call),
    snapshots: (archive, cursor, call) =>
      remote(MOVER_PATHS.snapshots, cursor === undefined ? { archive } : { archive, cursor }, call),
    snapshot: (archive, id, call) => maybe(MOVER_PATHS.snapshot, { archive, id }, call),
    remove: (archive, id, call) => remote(MOVER_PATHS.remove, { archive, id }, call),
  }
}

/** A list of changes that is too long is left out: the mover then reads and compares, which is as right. */
function sendable(task: MoverTask): MoverTask {
  if (task.kind !== 'archive' || (task.changes?.length ?? 0) <= MOST_CHANGES) return task
  const { changes: _, ...rest } = task
  return rest
}
