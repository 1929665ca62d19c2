import { type HostId, PluginError, type VolumeId } from '@moorage/contract'
import type { StepContext } from '../jobs/saga.ts'
import { sealConnection, type VolumeAccess } from '../store/connections.ts'
import { endsSessions } from '../domain/pool.ts'
import { hostById } from '../store/hosts.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'

/** A host's access to a volume, as it is to be given or withdrawn. Plain data. */
export interface Grant extends VolumeAccess {
  readonly pool: string
  /** Name under which the host logs in. */
  readonly initiator: string
}

/** Gives access; answers the connection, sealed (see `unsealConnection`): it may hold CHAP secrets. */
export async function giveAccess(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  grant: Grant & { readonly account: string },
  context: StepContext,
): Promise<string> {
  const pool = await deps.plugins.pool(grant.pool)
  const exposure = { ...accessOf(grant), mode: 'rw', account: grant.account } as const
  const connection = await saying('The storage system did not give the host access to the volume', async () =>
    pool.provider(context.log).access.expose(exposure, part(context.call, `expose/${grant.volume}/${grant.host}`)),
  )
  return sealConnection(deps.store, grant, connection)
}

/**
 * Withdraws access, one after the other; complete only when no session of these hosts can write any more. The hosts have let
 * go: each saga unplugs before it withdraws. From a host that was given up it is taken only where `endsSessions`, or once it was
 * declared dead, else `IN_USE`.
 */
export async function withdrawAccess(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  grants: readonly Grant[],
  context: StepContext,
): Promise<void> {
  for (const grant of grants) {
    if (!endsSessions((await deps.plugins.pool(grant.pool)).limits)) await refuseOfLost(deps, grant)
  }
  await withdrawLetGo(deps, grants, context)
}

/** As `withdrawAccess`, from a host that has itself just said that it has let go, whatever its state. */
export async function withdrawLetGo(
  deps: Pick<SagaDeps, 'plugins'>,
  grants: readonly Grant[],
  context: StepContext,
): Promise<void> {
  for (const grant of grants) {
    const pool = await deps.plugins.pool(grant.pool)
    await saying('The storage system did not withdraw access to the volume', async () =>
      pool
        .provider(context.log)
        .access.withdraw(accessOf(grant), part(context.call, `withdraw/${grant.volume}/${grant.host}/${grant.pool}`)),
    )
  }
}

async function refuseOfLost(deps: Pick<SagaDeps, 'store'>, grant: Grant): Promise<void> {
  const host = await hostById(deps.store.reader, grant.host)
  if (!host || host.lostAt === null || host.dead) return
  await saying(
    'A host that was lost may still write to the volume, and its storage cannot prevent that: it must be declared dead first',
    async () => {
      throw new PluginError(
        'IN_USE',
        `host ${host.name} is lost, and pool ${grant.pool} cannot end its sessions`,
        'none',
      )
    },
  )
}

function accessOf(grant: Grant) {
  return {
    source: { kind: 'volume', id: grant.volume as VolumeId }, // An id of ours is made by us; the brand only keeps kinds apart.
    consumer: { kind: 'host', id: grant.host as HostId, initiator: grant.initiator }, // As above.
  } as const
}
