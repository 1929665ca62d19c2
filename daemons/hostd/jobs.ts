import { type Call, PluginError } from '@moorage/contract'
import { giveUpAt, pause, qmpFailure, timeLeft } from './deadline.ts'
import type { Machine } from './machine.ts'

/** An entry of `query-jobs` of QAPI, as far as it is read. */
export interface Job {
  readonly id: string
  readonly status: string
  readonly error?: string
  readonly 'current-progress': number
  readonly 'total-progress': number
}

/** Between two looks at a job that is about to end. */
const LOOK_AGAIN_MS = 10

/** A job of the machine; `undefined` when there is none of that name. */
export async function jobOf(machine: Machine, id: string, call: Pick<Call, 'deadline'>): Promise<Job | undefined> {
  const jobs = await execute<readonly Job[]>(machine, { command: 'query-jobs' }, call)
  return jobs.find((job) => job.id === id)
}

/** Waits for the end of a job and dismisses it; answers why it failed, if it did. Throws `BUSY`, effect `possible`, when it does not end. */
export async function concluded(
  machine: Machine,
  id: string,
  call: Pick<Call, 'deadline'>,
): Promise<string | undefined> {
  for (;;) {
    const job = await jobOf(machine, id, call)
    if (!job) return undefined
    if (job.status === 'concluded') {
      await execute(machine, { command: 'job-dismiss', args: { id } }, call)
      return job.error
    }
    if (Date.now() >= giveUpAt(call))
      throw new PluginError('BUSY', `job ${id} of VM ${machine.id} has not ended`, 'possible')
    await pause(LOOK_AGAIN_MS)
  }
}

/** Ends a job, wherever it is, and waits until it is over. Nothing happens when there is none. */
export async function endJob(machine: Machine, id: string, call: Pick<Call, 'deadline'>): Promise<void> {
  const job = await jobOf(machine, id, call)
  if (!job) return
  if (job.status !== 'concluded')
    await execute(machine, { command: 'block-job-cancel', args: { device: id, force: true } }, call)
  await concluded(machine, id, call)
}

/** Runs a QMP command; its failures as `qmpFailure` reads them. */
export async function execute<Result>(
  machine: Machine,
  what: { readonly command: string; readonly args?: object },
  call: Pick<Call, 'deadline'>,
): Promise<Result> {
  try {
    return await machine.qmp.execute<Result>(what.command, what.args, { timeoutMs: timeLeft(call) })
  } catch (error) {
    throw qmpFailure(error)
  }
}
