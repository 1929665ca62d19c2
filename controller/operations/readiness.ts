import { setTimeout as pause } from 'node:timers/promises'
import { answers } from '../store/queries/health.ts'
import type { System } from './context.ts'

const PATIENCE_MS = 2000

/** Whether the database answers: without it no command can. Never throws, and never takes longer than 2 s. */
export async function isReady(system: System): Promise<boolean> {
  const ended = new AbortController()
  const late = pause(PATIENCE_MS, false, { signal: ended.signal, ref: false }).catch(() => false)
  try {
    return await Promise.race([answers(system.store.reader), late])
  } finally {
    ended.abort()
  }
}
