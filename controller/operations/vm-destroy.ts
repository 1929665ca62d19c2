import { Refusal } from '../domain/failures.ts'
import { vmExpunge } from '../sagas/vm-expunge.ts'
import { vmStop } from '../sagas/vm-stop.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { volumeDestroy } from '../sagas/volume-destroy.ts'
import { volumeDetach } from '../sagas/volume-detach.ts'
import { vmStanding, volumeStanding } from '../store/queries/standing.ts'
import type { Tx } from '../store/store.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which VM to destroy. `expunge`: for good. `volumes`: data disks of it that go as well, in the same way. */
export interface VmDestroyRequest {
  readonly vm: string
  readonly expunge: boolean
  readonly volumes: readonly string[]
}

/**
 * Submits the destruction of a VM, and of data disks of it: each of those is an operation of its own that runs after the
 * VM's, which is the one answered. Volumes that are not named stay, but for the root disk, which goes with its VM.
 */
export async function destroyVm(by: By, request: VmDestroyRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, request.vm), 'id')
    const common = {
      command: 'destroyVirtualMachine',
      event: {
        type: request.expunge ? 'VM.EXPUNGE' : 'VM.DESTROY',
        description: `Destroying virtual machine ${vm.name}`,
        account: vm.accountId,
        resource: { kind: 'UserVm', id: vm.id },
      },
    }
    const volumes = await disksOf(tx, request)
    // The plug is pulled: nobody reads what the guest would still write.
    const operation = request.expunge
      ? await submit(tx, by, { ...common, head: vmExpunge, input: { vm: vm.id } })
      : await submit(tx, by, {
          ...common,
          head: vmStop,
          input: { vm: vm.id, force: true, destroy: true, restart: false },
        })
    for (const volume of volumes) await submitDisk(tx, by, { volume, expunge: request.expunge })
    return { operation, id: vm.id }
  })
}

/** Submits the removal of a destroyed VM. Refuses one that is not, where no operation is open on it. */
export async function expungeVm(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, id), 'id')
    if (!vm.busy && vm.state !== 'Destroyed' && vm.state !== 'Expunging' && vm.state !== 'Error')
      throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be expunged: it must be Destroyed`)
    const operation = await submit(tx, by, {
      command: 'expungeVirtualMachine',
      head: vmExpunge,
      input: { vm: id },
      event: {
        type: 'VM.EXPUNGE',
        description: `Expunging virtual machine ${vm.name}`,
        account: vm.accountId,
        resource: { kind: 'UserVm', id },
      },
    })
    return { operation, id }
  })
}

type Disk = Awaited<ReturnType<typeof disksOf>>[number]

async function disksOf(tx: Tx, request: VmDestroyRequest) {
  const disks = []
  for (const id of new Set(request.volumes)) {
    const volume = certain(await volumeStanding(tx, id), 'volumeids')
    if (volume.vmId !== request.vm)
      throw new Refusal('INVALID', `Invalid parameter volumeids: volume ${id} is not attached to the virtual machine`)
    if (volume.type === 'ROOT')
      throw new Refusal(
        'INVALID',
        `Invalid parameter volumeids: volume ${id} is the root disk, which goes with its machine`,
      )
    disks.push(volume)
  }
  return disks
}

async function submitDisk(tx: Tx, by: By, what: { readonly volume: Disk; readonly expunge: boolean }): Promise<void> {
  const { volume, expunge } = what
  const common = {
    command: 'destroyVirtualMachine',
    input: { volume: volume.id },
    event: {
      type: expunge ? 'VOLUME.EXPUNGE' : 'VOLUME.DESTROY',
      description: `Destroying volume ${volume.name} with its virtual machine`,
      account: volume.accountId,
      resource: { kind: 'Volume', id: volume.id },
    },
  }
  if (expunge) await submit(tx, by, { ...common, head: volumeDelete })
  else {
    await submit(tx, by, { ...common, head: volumeDetach, event: { ...common.event, type: 'VOLUME.DETACH' } })
    await submit(tx, by, { ...common, head: volumeDestroy })
  }
}
