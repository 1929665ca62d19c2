import { randomUUID } from 'node:crypto'
import type { Call } from '@moorage/contract'
import { askWay, reachOf, waysBetween } from '../sagas/ways.ts'
import { allHosts } from '../store/hosts.ts'
import { allPools } from '../store/pools.ts'
import type { System } from './context.ts'

/** How long a registration waits for this. */
const WITHIN_MS = 5_000

/**
 * Asks a host that was just registered whether it gets to every pool whose scope covers it, or every such host about a pool.
 * Whatever they answer, the registration stands: for what was not answered a reconciler asks again.
 */
export async function askAround(
  system: System,
  of: { readonly host: string } | { readonly pool: string },
): Promise<void> {
  const { reader } = system.store
  const [hosts, pools] = await Promise.all([allHosts(reader), allPools(reader)])
  const ways = waysBetween(
    'host' in of ? hosts.filter(({ id }) => id === of.host) : hosts,
    'pool' in of ? pools.filter(({ id }) => id === of.pool) : pools,
  )
  const deadline = Date.now() + WITHIN_MS
  const call = (): Call => ({ key: `ways/${randomUUID()}`, deadline, signal: AbortSignal.timeout(WITHIN_MS), fence: 0 })
  await Promise.allSettled(
    [...Map.groupBy(ways, ({ pool }) => pool)].map(async ([pool, there]) => {
      const reach = await reachOf(system, pool, call())
      if (reach) await Promise.allSettled(there.map(async (way) => askWay(system, way, { reach, call: call() })))
    }),
  )
}
