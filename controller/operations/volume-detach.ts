import { Refusal } from '../domain/failures.ts'
import { volumeDetach } from '../sagas/volume-detach.ts'
import { volumeOnDevice, volumeStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which disk to detach: by its volume, or by its place in a VM. */
export type DetachRequest = { readonly volume: string } | { readonly vm: string; readonly deviceId: number }

/** Submits the detachment. Refuses a volume that is not attached, where no operation is open on it, and a root volume. */
export async function detachVolume(by: By, request: DetachRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const id = 'volume' in request ? request.volume : await volumeOnDevice(tx, request.vm, request.deviceId)
    if (id === undefined) throw new Refusal('INVALID', 'The virtual machine has no volume with this deviceid')
    const volume = certain(await volumeStanding(tx, id), 'id')
    if (volume.type === 'ROOT') throw new Refusal('INVALID', 'A root volume cannot be detached')
    if (volume.vmId === null && !volume.busy)
      throw new Refusal('INVALID', 'The specified volume is not attached to a VM.')
    const operation = await submit(tx, by, {
      command: 'detachVolume',
      head: volumeDetach,
      input: { volume: id },
      event: {
        type: 'VOLUME.DETACH',
        description: `Detaching volume ${volume.name}${volume.vmName === null ? '' : ` from virtual machine ${volume.vmName}`}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id },
      },
    })
    return { operation, id }
  })
}
