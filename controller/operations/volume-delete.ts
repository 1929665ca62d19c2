import { Refusal } from '../domain/failures.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { volumeDestroy } from '../sagas/volume-destroy.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import type { Tx } from '../store/store.ts'
import { endedWell } from './await.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which volume to destroy. `expunge`: its bytes go at once; else it can be recovered until the clean-up comes. */
export interface DestroyRequest {
  readonly volume: string
  readonly expunge: boolean
}

/** Submits the destruction. Refuses a volume that is attached, where no operation is open on it. */
export async function destroyVolume(by: By, request: DestroyRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const volume = await deletable(tx, request.volume)
    const common = {
      command: 'destroyVolume',
      input: { volume: volume.id },
      event: {
        type: request.expunge ? 'VOLUME.EXPUNGE' : 'VOLUME.DESTROY',
        description: `Destroying volume ${volume.name}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id: volume.id },
      },
    }
    const operation = await submit(tx, by, { ...common, head: request.expunge ? volumeDelete : volumeDestroy })
    return { operation, id: volume.id }
  })
}

/** Deletes a volume for good and waits for it, as CloudStack's `deleteVolume` does; see `endedWell` for what it throws. */
export async function deleteVolume(by: By, id: string): Promise<void> {
  const operation = await carriedOut(by, async (tx) => {
    const volume = await deletable(tx, id)
    return submit(tx, by, {
      command: 'deleteVolume',
      head: volumeDelete,
      input: { volume: id },
      event: {
        type: 'VOLUME.DELETE',
        description: `Deleting volume ${volume.name}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id },
      },
    })
  })
  await endedWell(by.system, [operation])
}

async function deletable(tx: Tx, id: string) {
  const volume = certain(await volumeStanding(tx, id), 'id')
  if (volume.vmId !== null && !volume.busy)
    throw new Refusal('INVALID', 'Please specify a volume that is not attached to any VM.')
  return volume
}
