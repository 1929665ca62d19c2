import { setTimeout as pause } from 'node:timers/promises'
import { answers } from '../store/queries/health.ts'
import type { LeaseWatch } from '../telemetry/lease-watch.ts'
import type { System } from './context.ts'

const PATIENCE_MS = 2000

/** Whether requests should come here, and why not: one text for each thing that it takes. */
export interface Readiness {
  readonly ready: boolean
  readonly database: string
  /** Absent where no runner was named. */
  readonly leases?: string
}

/**
 * Whether this controller can serve: the database answers, and its leases are renewed, so that it does not lose the
 * operations that it runs. Never throws, and never takes longer than 2 s.
 */
export async function readinessOf(system: System, leases: LeaseWatch | undefined): Promise<Readiness> {
  const alive = await isAnswered(system)
  const database = alive ? 'answers' : `does not answer within ${PATIENCE_MS / 1000} s`
  if (leases === undefined) return { ready: alive, database }
  const age = leases.ageSeconds()
  const held = age <= leases.limitSeconds
  const renewed = `renewed ${age.toFixed(1)} s ago`
  const text = held ? renewed : `${renewed}, longer than the lease of ${leases.limitSeconds} s`
  return { ready: alive && held, database, leases: text }
}

async function isAnswered(system: System): Promise<boolean> {
  const ended = new AbortController()
  const late = pause(PATIENCE_MS, false, { signal: ended.signal, ref: false }).catch(() => false)
  try {
    return await Promise.race([answers(system.store.reader), late])
  } finally {
    ended.abort()
  }
}
