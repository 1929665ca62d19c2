import type { Reach } from '@moorage/contract'
import { askWay, reachOf, waysBetween } from '../sagas/ways.ts'
import { allHosts } from '../store/hosts.ts'
import { waysSettled } from '../store/pool-reach.ts'
import { allPools } from '../store/pools.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler } from './reconciler.ts'

/** A way that led to its pool is asked for again after this time; one that did not, or is new, at every turn. */
const SETTLED_SECONDS = 600

/** Whether a host gets to each pool within whose scope it is, is recorded as the host says it: placement builds on that. */
export const poolReach: Reconciler = {
  name: 'pool-reach',
  everyMs: 60_000,
  async run(deps, turn) {
    const { reader } = deps.store
    const settled = await waysSettled(reader, SETTLED_SECONDS)
    const all = waysBetween(await allHosts(reader), await allPools(reader))
    const due = all.filter(({ host, pool }) => !settled.has(`${host.id} ${pool.id}`))
    const reaches = new Map<string, Reach | undefined>()
    const pools = new Map(due.map(({ pool }) => [pool.id, pool]))
    await inParallel([...pools.values()], async (pool) => {
      reaches.set(pool.id, await reachOf(deps, pool, turn.call(`pool/${pool.id}`)))
    })
    await inParallel(due, async (way) => {
      const reach = reaches.get(way.pool.id)
      if (!reach || turn.signal.aborted) return
      const call = turn.call(`host/${way.host.id}/pool/${way.pool.id}`)
      const why = await askWay(deps, way, { reach, call })
      if (why !== undefined)
        deps.log.warn({ host: way.host.id, pool: way.pool.id, why }, 'a host does not get to a pool of its scope')
    })
  },
}
