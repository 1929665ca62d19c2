import { Refusal } from '../domain/failures.ts'
import { volumeMigrate } from '../sagas/volume-migrate.ts'
import { poolById } from '../store/pools.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which volume moves to which pool. `live`: also while a running VM uses it. */
export interface VolumeMigrateRequest {
  readonly volume: string
  readonly pool: string
  readonly live?: boolean
}

/**
 * Submits the move. Refuses a pool of another zone; and, where no operation is open on the volume or its VM, the pool in which it lives, a
 * volume that has no place yet or is not Ready, and one that a running VM uses, without `live`.
 */
export async function migrateVolume(by: By, request: VolumeMigrateRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const volume = certain(await volumeStanding(tx, request.volume), 'volumeid')
    const pool = certain(await poolById(tx, request.pool), 'storageid')
    if (pool.zoneId !== volume.zoneId)
      throw new Refusal('INVALID', 'Invalid parameter storageid: the storage pool is in another zone')
    if (!volume.busy) {
      if (volume.state === 'Allocated')
        throw new Refusal('INVALID', 'The volume has no place in any storage pool yet: it gets one when it is attached')
      if (volume.state !== 'Ready')
        throw new Refusal('INVALID', `A volume in state ${volume.state} cannot be migrated: it must be Ready`)
      if (volume.poolId === pool.id)
        throw new Refusal('INVALID', 'Invalid parameter storageid: the volume is in that storage pool already')
      if (volume.vmState === 'Running' && request.live !== true)
        throw new Refusal(
          'INVALID',
          'The volume is used by a running virtual machine: ask for livemigrate=true, or stop it first',
        )
    }
    const operation = await submit(tx, by, {
      command: 'migrateVolume',
      head: volumeMigrate,
      input: request,
      event: {
        type: 'VOLUME.MIGRATE',
        description: `Migrating volume ${volume.name}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id: volume.id },
      },
    })
    return { operation, id: volume.id }
  })
}
