import { asPluginError, type Call, PluginError, type Reach } from '@moorage/contract'
import { reaches } from '../placement/filters.ts'
import { recordEvent } from '../store/events.ts'
import type { HostRow, PoolRow } from '../store/generated/schema.ts'
import { tellWay } from '../store/pool-reach.ts'
import { hostRegistration, poolRegistration } from '../store/registrations.ts'
import type { SagaDeps } from './deps.ts'

type Opening = Pick<SagaDeps, 'store' | 'plugins'>

/** A host and a pool within whose scope it is. */
export interface WayRows {
  readonly host: HostRow
  readonly pool: PoolRow
}

/** Every pair of which the pool's scope covers the host, where both are in service as far as anybody knows. */
export function waysBetween(hosts: readonly HostRow[], pools: readonly PoolRow[]): readonly WayRows[] {
  const up = hosts.filter((host) => host.state === 'Up' && host.resourceState !== 'Maintenance')
  const served = pools.filter(({ state }) => state !== 'Maintenance')
  return served.flatMap((pool) => up.filter((host) => reaches(host, pool)).map((host) => ({ host, pool })))
}

/** How the array of a pool says that hosts get there; `undefined` when it does not say, or does not answer. */
export async function reachOf(deps: Opening, pool: PoolRow, call: Call): Promise<Reach | undefined> {
  try {
    const { provider } = await deps.plugins.openPool(poolRegistration(deps.store, pool))
    const report = await provider(() => {}).pools.report(call)
    return report.identity === pool.identity ? report.reach : undefined
  } catch {
    // That it does not answer is for `pool-report` to tell.
    return undefined
  }
}

/**
 * Asks a host whether it gets to a pool, and records what it says; what is news is an event. Answers why not, when that is
 * news. Where the host does not say, because it cannot or does not answer, all stays as it is recorded.
 */
export async function askWay(
  deps: Opening,
  { host, pool }: WayRows,
  { reach, call }: { readonly reach: Reach; readonly call: Call },
): Promise<string | undefined> {
  const answer = await answerOf(deps, host, { reach, call })
  if (!answer) return undefined
  const why = answer.reached ? '' : answer.why
  return deps.store.transact(async (tx) => {
    const told = await tellWay(tx, { host: host.id, pool: pool.id, reached: answer.reached, why })
    const news = told === 'changed' || (told === 'first' && !answer.reached)
    if (!news) return undefined
    await recordEvent(tx, {
      type: answer.reached ? 'HOST.POOL.REACHED' : 'HOST.POOL.CUTOFF',
      level: answer.reached ? 'INFO' : 'WARN',
      state: 'Completed',
      description: answer.reached
        ? `Host ${host.name} gets to storage pool ${pool.name} again`
        : `Host ${host.name} does not get to storage pool ${pool.name}: ${why}`,
      resource: { kind: 'Host', id: host.id },
    })
    return answer.reached ? undefined : why
  })
}

async function answerOf(deps: Opening, host: HostRow, { reach, call }: { readonly reach: Reach; readonly call: Call }) {
  try {
    const { adapter, accepts } = await deps.plugins.openHost(hostRegistration(deps.store, host))
    if (!accepts.includes(reach.via)) return undefined
    return await adapter(() => {}).reach?.prepare(reach, call)
  } catch (error) {
    const { code } = asPluginError(error)
    // That it does not answer is for `host-report` to tell; what is a bug is told to whoever looks after this.
    if (code === 'INTERNAL')
      throw new PluginError('INTERNAL', `host ${host.id}: ${asPluginError(error).message}`, 'none')
    return undefined
  }
}
