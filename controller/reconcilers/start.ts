import { randomUUID } from 'node:crypto'
import { hostReport } from './host-report.ts'
import { poolReport } from './pool-report.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'
import { unfinished } from './unfinished.ts'
import { volumeExpunge } from './volume-expunge.ts'

/** Every reconciler. */
export const RECONCILERS: readonly Reconciler[] = [hostReport, poolReport, volumeExpunge, unfinished]

/** Reconcilers at work. */
export interface RunningReconcilers {
  /** Ends them; resolves when none is at work any more. */
  stop(): Promise<void>
  /** Runs one now and waits for it; throws what it throws, and for a name that is not in `RECONCILERS`. */
  runNow(name: string): Promise<void>
}

/** How long a reconciler waits for one answer of a back end. */
const ANSWER_MS = 10_000

/** Runs every reconciler at its interval, each one turn at a time; the first turns come within a few seconds. */
export function startReconcilers(deps: ReconcilerDeps): RunningReconcilers {
  const stopped = new AbortController()
  const turns = new Map<string, Promise<void>>()
  const timers = new Set<NodeJS.Timeout>()

  const runOnce = async (reconciler: Reconciler): Promise<void> => {
    const before = turns.get(reconciler.name) ?? Promise.resolve()
    const turn = before
      .catch(() => {})
      .then(async () => {
        if (!stopped.signal.aborted) await reconciler.run(deps, turnOf(reconciler, stopped.signal))
      })
    turns.set(reconciler.name, turn)
    await turn
  }
  const schedule = (reconciler: Reconciler, inMs: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      runOnce(reconciler)
        .catch((error: unknown) => {
          if (!stopped.signal.aborted)
            deps.log.error({ err: error, reconciler: reconciler.name }, 'a reconciler failed')
        })
        .finally(() => {
          if (!stopped.signal.aborted) schedule(reconciler, reconciler.everyMs)
        })
    }, inMs)
    timers.add(timer)
  }
  for (const [index, reconciler] of RECONCILERS.entries()) schedule(reconciler, 1_000 * (index + 1))

  return {
    runNow: async (name) => {
      const reconciler = RECONCILERS.find((one) => one.name === name)
      if (!reconciler) throw new Error(`no reconciler is called ${name}`)
      await runOnce(reconciler)
    },
    stop: async () => {
      stopped.abort()
      for (const timer of timers) clearTimeout(timer)
      await Promise.allSettled(turns.values())
    },
  }
}

function turnOf(reconciler: Reconciler, signal: AbortSignal): Turn {
  const turn = randomUUID()
  return {
    number: Math.floor(Date.now() / reconciler.everyMs),
    signal,
    call: (name) => ({ key: `reconciler/${turn}/${name}`, deadline: Date.now() + ANSWER_MS, signal, fence: 0 }),
  }
}
