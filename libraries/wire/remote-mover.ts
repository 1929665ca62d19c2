import type { Call, Mover, MoverTask } from '@moorage/contract'
import type { RemoteCall } from './client.ts'

/** What fits into a request. Who has changed in more places than these has changed nearly everywhere. */
const MOST_CHANGES = 100_000

/** A mover that runs as a daemon, `daemons/mover`. Secrets travel in bodies, never in urls. */
export function remoteMover(remote: RemoteCall): Mover {
  const maybe = async <Result>(method: string, args: object, call: Call) =>
    (await remote<Result | null>(method, args, call)) ?? undefined
  return {
    report: (call) => remote('mover/report', {}, call),
    prepare: (archive, shape, call) => remote('archives/prepare', { archive, shape }, call),
    rekey: (archive, options, call) => remote('archives/rekey', { archive, ...options }, call),
    submit: (task, call) => remote('jobs/submit', { task: sendable(task) }, call),
    job: (id, call) => maybe('jobs/get', { id }, call),
    cancel: (id, call) => remote('jobs/cancel', { id }, call),
    abandon: (archive, id, call) => remote('jobs/abandon', { archive, id }, call),
    forget: (id, call) => remote('jobs/forget', { id }, call),
    snapshots: (archive, cursor, call) =>
      remote('snapshots/list', cursor === undefined ? { archive } : { archive, cursor }, call),
    snapshot: (archive, id, call) => maybe('snapshots/get', { archive, id }, call),
    remove: (archive, id, call) => remote('snapshots/remove', { archive, id }, call),
  }
}

/** A list of changes that is too long is left out: the mover then reads and compares, which is as right. */
function sendable(task: MoverTask): MoverTask {
  if (task.kind !== 'archive' || (task.changes?.length ?? 0) <= MOST_CHANGES) return task
  const { changes: _, ...rest } = task
  return rest
}
