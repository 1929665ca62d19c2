import { randomUUID } from 'node:crypto'
import { archiveReport } from './archive-report.ts'
import { archiveUpkeep } from './archive-upkeep.ts'
import { auditRetention } from './audit-retention.ts'
import { createAuditSeal } from './audit-seal.ts'
import { censusClock } from './census-clock.ts'
import { hostReport } from './host-report.ts'
import { moverReport } from './mover-report.ts'
import { operationRetention } from './operation-retention.ts'
import { poolReach } from './pool-reach.ts'
import { poolReport } from './pool-report.ts'
import { qosObserved } from './qos-observed.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'
import { recycleBin } from './recycle-bin.ts'
import { snapshotSchedule } from './snapshot-schedule.ts'
import { templateSeeds } from './template-seeds.ts'
import { unfinished } from './unfinished.ts'
import { createVmState } from './vm-state.ts'
import { vmRestart } from './vm-restart.ts'
import { volumeExpunge } from './volume-expunge.ts'
import { volumeIo } from './volume-io.ts'

/** What reconcilers work with, and how often. */
export interface ReconcilerOptions extends ReconcilerDeps {
  /** Milliseconds between the turns of a reconciler, by name, where not its own. */
  readonly everyMs?: Readonly<Record<string, number>>
}

/** Reconcilers at work. */
export interface RunningReconcilers {
  /** Their names. */
  readonly names: readonly string[]
  /** Ends them; resolves when none is at work any more. */
  stop(): Promise<void>
  /** Runs one now, after the turn at work if there is one, and waits for it; throws what it throws, and for an unknown name. */
  runNow(name: string): Promise<void>
}

/** How long a reconciler waits for one answer of a back end. */
const ANSWER_MS = 5_000

/** The first turn comes after this part of the interval: what a crash left is looked at soon. */
const FIRST = 0.1

/** Runs every reconciler at its interval, give or take a quarter, each one turn at a time. A turn that fails is logged. */
export function startReconcilers(options: ReconcilerOptions): RunningReconcilers {
  const { everyMs = {}, ...deps } = options
  const stopped = new AbortController()
  const turns = new Map<string, Promise<number>>()
  const timers = new Map<string, NodeJS.Timeout>()
  const all = everyReconciler()
  // Answers in how many milliseconds the next turn is due.
  const runOnce = async (reconciler: Reconciler): Promise<number> => {
    const before = turns.get(reconciler.name) ?? Promise.resolve(0)
    const turn = before
      .catch(() => {})
      .then(async () => {
        let dueIn = intervalOf(reconciler)
        const againIn = (ms: number) => {
          dueIn = Math.min(dueIn, ms)
        }
        if (!stopped.signal.aborted) await reconciler.run(deps, { ...newTurn(stopped.signal), againIn })
        return dueIn
      })
    turns.set(reconciler.name, turn)
    return turn
  }
  const schedule = (reconciler: Reconciler, inMs: number): void => {
    const due = async () => {
      let dueIn = intervalOf(reconciler)
      try {
        dueIn = await runOnce(reconciler)
      } catch (error) {
        // What fails while the controller stops says nothing.
        if (!stopped.signal.aborted)
          deps.log.error({ err: error, reconciler: reconciler.name }, 'a reconciler failed: its next turn tries again')
      }
      if (!stopped.signal.aborted) schedule(reconciler, dueIn)
    }
    timers.set(
      reconciler.name,
      setTimeout(() => void due(), inMs * (0.75 + Math.random() / 2)),
    )
  }
  const intervalOf = ({ name, everyMs: usual }: Reconciler) => everyMs[name] ?? usual
  for (const reconciler of all) schedule(reconciler, intervalOf(reconciler) * FIRST)

  return {
    names: all.map(({ name }) => name),
    runNow: async (name) => {
      const reconciler = all.find((one) => one.name === name)
      if (!reconciler) throw new Error(`no reconciler is called ${name}`)
      await runOnce(reconciler)
    },
    stop: async () => {
      stopped.abort()
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.allSettled(turns.values())
    },
  }
}

function everyReconciler(): readonly Reconciler[] {
  return [
    hostReport,
    createVmState(),
    vmRestart,
    poolReport,
    poolReach,
    archiveReport,
    archiveUpkeep,
    moverReport,
    volumeExpunge,
    snapshotSchedule,
    recycleBin,
    unfinished,
    templateSeeds,
    qosObserved,
    volumeIo,
    operationRetention,
    censusClock,
    createAuditSeal(),
    auditRetention,
  ]
}

function newTurn(signal: AbortSignal): Omit<Turn, 'againIn'> {
  const turn = randomUUID()
  return {
    signal,
    began: performance.now(),
    call: (name) => ({ key: `reconciler/${turn}/${name}`, deadline: Date.now() + ANSWER_MS, signal, fence: 0 }),
  }
}
