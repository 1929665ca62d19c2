import { setTimeout as pause } from 'node:timers/promises'
import { type ArchiveStore, asPluginError, type Call, FAILURES, PluginError } from '@moorage/contract'

/** How long one operation on a store may take. */
const OPERATION_MS = 120_000
/** How long a store may be away before a job fails: what is stored stays, and the job can be asked for again. */
const PATIENCE_MS = 60_000
const PAUSE_MS = { first: 50, longest: 5000 }

/**
 * A store as a long job uses it: each operation has a deadline of its own, whatever the caller's, and is repeated while
 * the failure says that it may succeed later. All of them may be repeated: keys name what is stored, or the attempt.
 */
export function patientStore(store: ArchiveStore, signal: AbortSignal): ArchiveStore {
  const patient = async <Result>(operation: (call: Call) => Promise<Result>): Promise<Result> => {
    const until = Date.now() + PATIENCE_MS
    for (let wait = PAUSE_MS.first; ; wait = Math.min(PAUSE_MS.longest, wait * 2)) {
      if (signal.aborted) throw new PluginError('TIMEOUT', 'the job was ended', 'possible')
      const limits = AbortSignal.any([signal, AbortSignal.timeout(OPERATION_MS)])
      try {
        return await operation({ key: 'mover', fence: 0, deadline: Date.now() + OPERATION_MS, signal: limits })
      } catch (thrown) {
        const error = asPluginError(thrown)
        if (FAILURES[error.code].retry !== 'later' || Date.now() > until || signal.aborted) throw error
      }
      // Ended early by the signal, which the next turn tells.
      await pause(wait, undefined, { signal }).catch(() => {})
    }
  }
  return {
    limits: store.limits,
    probe: () => patient((call) => store.probe(call)),
    put: (key, body) => patient((call) => store.put(key, body, call)),
    get: (key, range) => patient((call) => store.get(key, range, call)),
    stat: (key) => patient((call) => store.stat(key, call)),
    list: (prefix, cursor) => patient((call) => store.list(prefix, cursor, call)),
    delete: (key) => patient((call) => store.delete(key, call)),
  }
}
