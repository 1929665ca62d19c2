import { parentPort } from 'node:worker_threads'
import { asPluginError, PluginError } from '@moorage/contract'
import { type ArchiveStart, newArchiver } from './archive-tasks.ts'
import { type CheckStart, newChecker } from './check-tasks.ts'
import type { Envelope } from './pool.ts'
import { newRestorer, type RestoreStart } from './restore-tasks.ts'

/*
 * A worker thread: takes one task after the other, of one job after the other. The first that fails ends the job, and the thread.
 */

type Start = ArchiveStart | RestoreStart | CheckStart

const port = parentPort
if (!port) throw new Error('worker.ts runs as a worker thread')
const tell = (body: unknown, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage({ body } satisfies Envelope, transfer)
let opened: Promise<TaskWorker> | undefined
// What could not be opened is told by the first task.
let last: Promise<unknown> = Promise.resolve()
port.on('message', ({ task, body, start, end }: Envelope) => {
  if (start !== undefined) {
    opened = open(start as Start) // What our pool starts a job with.
    last = opened.catch(() => {})
  } else if (end === true) last = last.then(finish)
  // Buffers come back while a task waits for one.
  else if (task === undefined) void opened?.then((worker) => worker.event?.(body))
  else last = last.then(() => answer(task, body))
})

interface TaskWorker {
  run(body: unknown): Promise<unknown>
  event?(body: unknown): void
  /** Lets go of what it has open, and of its memory. */
  end?(): Promise<void>
}

function open(start: Start): Promise<TaskWorker> {
  if (start.role === 'archive') return newArchiver(start, tell)
  return start.role === 'restore' ? newRestorer(start) : newChecker(start)
}

/** What fails here ends the thread. */
async function finish(): Promise<void> {
  await (await opened)?.end?.()
  opened = undefined
  port?.postMessage({ end: true } satisfies Envelope)
}

async function answer(task: number, body: unknown): Promise<void> {
  try {
    port?.postMessage({ task, body: await (await opened)?.run(body) } satisfies Envelope)
  } catch (error) {
    const { code, message, effect } = failureOf(error)
    port?.postMessage({ task, failure: { code, message, effect } } satisfies Envelope)
  }
}

function failureOf(error: unknown): PluginError {
  const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
  return full ? new PluginError('NO_SPACE', error.message, 'possible', error) : asPluginError(error)
}
