import { asPluginError, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { attachmentOf } from '../store/attachments.ts'
import { connectionsTo, connectionsWithdrawing, deleteConnectionsTo } from '../store/connections.ts'
import { leftByNobody } from '../store/findings.ts'
import { hold, release } from '../store/held.ts'
import { deleteLocation, locationOf, updateLocation } from '../store/locations.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import { giveBack } from '../store/reservations.ts'
import { copiesOfVolume } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { expungeVolume, lockVolume, updateVolume } from '../store/volumes.ts'
import { type Grant, withdrawAccess } from './access.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** Delete `volume` for good. */
export interface VolumeDeleteInput {
  readonly volume: string
}

/** Deletes a volume that is not attached, whatever its state; also finishes the deletion of one that left a tombstone. */
export const volumeDelete = sagaHead<VolumeDeleteInput>({
  name: 'volume-delete',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME: Outcome<VolumeDeleteInput> = {
  type: 'VOLUME.DELETE',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'deleting volume',
}

interface Begun {
  /** Where its bytes are; absent when it never had any. */
  readonly pool?: string
  readonly grants: readonly Grant[]
  readonly snapshots: number
}

/** Whether the array object is gone, or stays as a tombstone because snapshots need it. */
export type Leftover = 'gone' | 'tombstone'

/**
 * Steps: begin, withdraw (whatever access is left), delete. Nothing brings bytes back, so a failure leaves the volume
 * Expunging: it can be asked again, and a reconciler does. The reservation lasts as long as the bytes do.
 */
export function volumeDeleteSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeDeleteInput, Tx>(volumeDelete)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(tx, input, under),
      unrecord: async (tx, { input }, { operation }) => release(tx, 'volume', { id: input.volume, operation }),
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin.grants, context),
      record: async (tx, { input }) => deleteConnectionsTo(tx, input.volume),
      undo: async () => {},
    })
    .step('delete', {
      run: async ({ input, begin: { pool, snapshots } }, context) =>
        pool === undefined ? 'gone' : deleteBytes(deps, { volume: input.volume, pool, snapshots }, context),
      record: async (tx, { input }, leftover) => {
        if (leftover === 'gone') await forgetBytes(tx, input.volume)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        await expungeVolume(tx, input.volume)
        await leftByNobody(tx, input.volume)
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function begin(tx: Tx, input: VolumeDeleteInput, under: Under): Promise<Begun> {
  const volume = await lockVolume(tx, input.volume)
  if (!volume) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  const attachment = await attachmentOf(tx, volume.id)
  if (attachment) throw new Refusal('INVALID', 'Please specify a volume that is not attached to any VM.')
  const location = await locationOf(tx, volume.id)
  if (volume.state === 'Expunged' && !location) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  await hold(tx, 'volume', { id: volume.id, operation: under.operation, holder: volume.operationId })
  if (volume.state !== 'Expunged') {
    const state = next(VOLUME_MACHINE, volume.state, { event: 'ExpungingRequested', of: `Volume ${volume.id}` })
    await updateVolume(tx, volume.id, { state })
  }
  const grants = await connectionsTo(tx, [volume.id])
  await connectionsWithdrawing(tx, [volume.id])
  if (location) await updateLocation(tx, volume.id, { state: 'deleting' })
  return {
    ...(location ? { pool: location.poolId } : {}),
    grants,
    snapshots: await copiesOfVolume(tx, volume.id),
  }
}

/**
 * Deletes a volume on its array. Where the provider cannot let snapshots outlive their volume it says `IN_USE`, and the
 * object stays until its last snapshot goes.
 */
export async function deleteBytes(
  deps: Pick<SagaDeps, 'plugins'>,
  what: { readonly volume: string; readonly pool: string; readonly snapshots: number },
  context: StepContext,
): Promise<Leftover> {
  const pool = await deps.plugins.pool(what.pool)
  return saying('The storage system did not delete the volume', async () => {
    try {
      // An id of ours is made by us; the brand only keeps kinds apart.
      await pool
        .provider(context.log)
        .volumes.delete(what.volume as VolumeId, part(context.call, `delete/${what.volume}`))
      return 'gone'
    } catch (error) {
      if (what.snapshots > 0 && asPluginError(error).code === 'IN_USE') return 'tombstone'
      throw error
    }
  })
}

/** The array holds nothing of the volume any more: its place and its reservation are free. */
export async function forgetBytes(tx: Tx, volume: string): Promise<void> {
  await giveBack(tx, volume)
  await deleteLocation(tx, volume)
}
