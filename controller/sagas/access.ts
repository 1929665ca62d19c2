import type { HostId, VolumeId } from '@moorage/contract'
import type { StepContext } from '../jobs/saga.ts'
import { sealConnection, type VolumeAccess } from '../store/connections.ts'
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
 * go: each saga unplugs before it withdraws. From a host that does not answer it may be taken only where `endsSessions`.
 */
export async function withdrawAccess(
  deps: Pick<SagaDeps, 'plugins'>,
  grants: readonly Grant[],
  context: StepContext,
): Promise<void> {
  for (const grant of grants) {
    const pool = await deps.plugins.pool(grant.pool)
    await saying('The storage system did not withdraw access to the volume', async () =>
      pool
        .provider(context.log)
        .access.withdraw(accessOf(grant), part(context.call, `withdraw/${grant.volume}/${grant.host}`)),
    )
  }
}

function accessOf(grant: Grant) {
  return {
    source: { kind: 'volume', id: grant.volume as VolumeId }, // An id of ours is made by us; the brand only keeps kinds apart.
    consumer: { kind: 'host', id: grant.host as HostId, initiator: grant.initiator }, // As above.
  } as const
}
