import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Caller } from './context.ts'
import { refuse } from './refusals.ts'
import { setting } from '../store/configurations.ts'
import type { Reader } from '../store/store.ts'

/** Who tries to log in, from which address. */
export interface LoginAttempt {
  readonly username: string
  readonly domain: string
  readonly source: string
}

/** Keeps this controller from being asked too often. Each controller counts by itself, from its start on. */
export interface Throttle {
  /**
   * Counts a request of an account that may make so many in a time (settings `api.throttling.max` and `.interval`, in
   * force within 5 s). Throws `Refusal` `THROTTLED` with the seconds to wait. Operators and the integration port are not counted.
   */
  request(caller: Caller): Promise<void>
  /**
   * Runs the check of a password unless too many failed before. Throws what `check` throws, which counts as a failure,
   * or `Refusal` `DENIED` without having looked at the password.
   */
  login<Result>(attempt: LoginAttempt, check: () => Promise<Result>): Promise<Result>
}

/**
 * Failed logins within a time: of one name from one address, so that a stranger elsewhere cannot lock a user out; from
 * one address, whatever the names; of one name from wherever, against guesses that come from many addresses.
 */
const FAILURES = {
  pair: { points: 5, duration: 15 * 60 },
  source: { points: 50, duration: 15 * 60 },
  name: { points: 200, duration: 60 * 60 },
} as const

const COUNTS = ['pair', 'source', 'name'] as const satisfies readonly (keyof typeof FAILURES)[]

const SETTINGS_MS = 5000

/** A throttle that has counted nothing yet. */
export function createThrottle(reader: Reader): Throttle {
  const failures = {
    pair: new RateLimiterMemory({ keyPrefix: 'pair', ...FAILURES.pair }),
    source: new RateLimiterMemory({ keyPrefix: 'source', ...FAILURES.source }),
    name: new RateLimiterMemory({ keyPrefix: 'name', ...FAILURES.name }),
  }
  const limits = requestLimits(reader)
  return {
    async request(caller) {
      if (caller.role === 'admin' || caller.accountId === '') return
      const limiter = await limits()
      if (limiter === undefined) return
      const waitMs = await exceeded(limiter.consume(caller.accountId))
      if (waitMs !== undefined) {
        throw refuse(
          'THROTTLED',
          `The account ${caller.accountName} has reached its limit of ${limiter.points} requests in ${limiter.duration} s, ` +
            `please retry after ${seconds(waitMs)} s`,
        )
      }
    },
    async login(attempt, check) {
      const keys = keysOf(attempt)
      // Counted before the answer is known: guesses that are made at one time must not all come before the first fails.
      // One after the other: what is refused by one count is no attempt to the others.
      const counted: (typeof COUNTS)[number][] = []
      for (const count of COUNTS) {
        const waitMs = await exceeded(failures[count].consume(keys[count]))
        if (waitMs !== undefined) {
          await Promise.all(counted.map((before) => failures[before].reward(keys[before])))
          throw refuse('DENIED', `Too many failed attempts to log in, please retry after ${seconds(waitMs)} s`)
        }
        counted.push(count)
      }
      const result = await check()
      await Promise.all([
        failures.pair.delete(keys.pair),
        failures.source.reward(keys.source),
        failures.name.reward(keys.name),
      ])
      return result
    },
  }
}

/** The limiter of requests that the settings ask for now; `undefined` when they ask for none. */
function requestLimits(reader: Reader): () => Promise<RateLimiterMemory | undefined> {
  let limiter: RateLimiterMemory | undefined
  let reading: Promise<RateLimiterMemory | undefined> | undefined
  let readAt = 0
  const read = async () => {
    const [points, duration] = await Promise.all([
      setting(reader, 'api.throttling.max'),
      setting(reader, 'api.throttling.interval'),
    ])
    if (points === 0) limiter = undefined
    else if (limiter?.points !== points || limiter.duration !== duration) {
      limiter = new RateLimiterMemory({ keyPrefix: 'account', points, duration })
    }
    return limiter
  }
  return async () => {
    if (reading === undefined || performance.now() - readAt > SETTINGS_MS) {
      readAt = performance.now()
      const mine = read()
      reading = mine
      // What could not be read is read again by the next who asks.
      mine.catch(() => {
        if (reading === mine) reading = undefined
      })
    }
    return await reading
  }
}

/** Milliseconds until the next one is let through; `undefined` when this one is. */
async function exceeded(consuming: Promise<RateLimiterRes>): Promise<number | undefined> {
  try {
    await consuming
    return undefined
  } catch (error) {
    if (error instanceof RateLimiterRes) return error.msBeforeNext
    throw error
  }
}

/** Names are as long as who asks likes: what is kept is not. Of IPv6 whoever asks has a network of addresses. */
function keysOf({ username, domain, source }: LoginAttempt): Readonly<Record<keyof typeof FAILURES, string>> {
  const name = createHash('sha256')
    .update(JSON.stringify([username, domain]))
    .digest('base64url')
  const address = isIPv6(source) && !source.includes('.') ? source.split(':').slice(0, 4).join(':') : source
  return { name, source: address, pair: `${name} ${address}` }
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
