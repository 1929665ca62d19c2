import { Refusal } from '../domain/failures.ts'
import { CD_DEVICE, ROOT_DEVICE } from '../domain/volume.ts'
import { volumeAttach } from '../sagas/volume-attach.ts'
import { attachStanding } from '../store/queries/standing.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'
import { certain } from './certain.ts'

/** Attach `volume` to `vm`. `deviceId` absent: the next free one. */
export interface AttachRequest {
  readonly volume: string
  readonly vm: string
  readonly deviceId?: number
}

/**
 * Submits the attachment. Refuses what is certain: another zone, another account, a device id that no data disk can have;
 * and, where no operation is open on either, a volume that is attached, a state that does not allow it, a taken device id.
 */
export async function attachVolume(by: By, request: AttachRequest): Promise<Submitted> {
  checkDeviceId(request.deviceId)
  return await carriedOut(by, async (tx) => {
    const standing = await attachStanding(tx, request)
    const volume = certain(standing.volume, 'id')
    const vm = certain(standing.vm, 'virtualmachineid')
    if (volume.zoneId !== vm.zoneId)
      throw new Refusal('INVALID', 'The volume and the virtual machine are in different zones')
    if (volume.type === 'ROOT') throw new Refusal('INVALID', 'A root volume cannot be attached as a data disk')
    if (volume.accountId !== vm.accountId && by.caller.role !== 'admin')
      throw new Refusal('DENIED', 'The volume and the virtual machine belong to different accounts')
    if (!volume.busy && !vm.busy) {
      if (volume.vmId !== null) throw new Refusal('INVALID', 'Please specify a volume that is not attached to any VM.')
      if (volume.state !== 'Allocated' && volume.state !== 'Ready')
        throw new Refusal(
          'INVALID',
          `A volume in state ${volume.state} cannot be attached: it must be Allocated or Ready`,
        )
      if (vm.state !== 'Running' && vm.state !== 'Stopped')
        throw new Refusal(
          'INVALID',
          `A volume cannot be attached to a virtual machine in state ${vm.state}: it must be Running or Stopped`,
        )
      if (request.deviceId !== undefined && vm.deviceIds.includes(request.deviceId))
        throw new Refusal('INVALID', `deviceid ${request.deviceId} is taken by another disk of the virtual machine`)
    }
    const operation = await submit(tx, by, {
      command: 'attachVolume',
      head: volumeAttach,
      input: request,
      event: {
        type: 'VOLUME.ATTACH',
        description: `Attaching volume ${volume.name} to virtual machine ${vm.name}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id: volume.id },
      },
    })
    return { operation, id: volume.id }
  })
}

function checkDeviceId(id: number | undefined): void {
  if (id === undefined || (id > ROOT_DEVICE && id !== CD_DEVICE)) return
  throw new Refusal(
    'INVALID',
    `deviceid ${id} cannot be a data disk: ${ROOT_DEVICE} is the root disk and ${CD_DEVICE} the CD drive`,
  )
}
