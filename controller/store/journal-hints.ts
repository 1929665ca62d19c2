import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import { Client } from 'pg'
import type { Hint } from '../jobs/journal.ts'
import type { Address } from './connect.ts'
import { connectionConfig } from './connect.ts'
import type { StoreLog } from './log.ts'
import type { Reader } from './store.ts'

/** Hints between controllers over NOTIFY. */
export interface Hints {
  readonly send: (what: Hint) => void
  readonly listen: (heard: (what: Hint) => void) => Promise<() => Promise<void>>
}

const CHANNEL = 'moorage_jobs'
const WORDS: readonly Hint[] = ['work', 'ended', 'asked']
const RECONNECT_MS = 1_000

/** Nothing rests on a hint: a database without NOTIFY, or a lost one, only makes the others notice at their next poll. */
export function createHints(options: {
  readonly reader: Reader
  readonly address: Address
  readonly log: StoreLog
}): Hints {
  const pending = new Set<Hint>()
  let sending = false
  const flush = async () => {
    sending = true
    for (const what of pending) {
      pending.delete(what)
      try {
        await sql`select pg_notify(${CHANNEL}, ${what})`.execute(options.reader)
      } catch (error) {
        options.log.warn({ err: error }, 'a hint to the other controllers was not sent')
      }
    }
    sending = false
  }
  return {
    // Hints of one kind that come while one is on its way make one more, not many.
    send: (what) => {
      pending.add(what)
      if (!sending) void flush()
    },
    listen: (heard) => listen(options, heard),
  }
}

async function listen(
  options: { readonly address: Address; readonly log: StoreLog },
  heard: (what: Hint) => void,
): Promise<() => Promise<void>> {
  const ended = new AbortController()
  let client: Client | undefined
  const keepListening = async () => {
    while (!ended.signal.aborted) {
      const current = new Client(connectionConfig(options.address, 'moorage hints'))
      const lost = new Promise<void>((resolve) => current.once('end', resolve))
      current.on('error', () => {})
      current.on('notification', ({ payload }) => {
        const what = WORDS.find((word) => word === payload)
        if (what) heard(what)
      })
      try {
        client = current
        await current.connect()
        await current.query(`listen ${CHANNEL}`)
        if (!ended.signal.aborted) await lost
      } catch (error) {
        options.log.warn({ err: error }, 'hints of the other controllers are not heard; polling goes on')
      }
      await current.end().catch(() => {})
      if (!ended.signal.aborted) await pause(RECONNECT_MS, undefined, { signal: ended.signal }).catch(() => {})
    }
  }
  const loop = keepListening()
  return async () => {
    ended.abort()
    await client?.end().catch(() => {})
    await loop
  }
}
