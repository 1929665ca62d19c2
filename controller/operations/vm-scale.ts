import { checkScale, vmScale } from '../sagas/vm-scale.ts'
import { vmStanding } from '../store/queries/standing.ts'
import { offeringById } from '../store/volumes.ts'
import { endedWell } from './await.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which VM, and the service offering that it shall have. `command`: the one that asks. */
export interface ScaleRequest {
  readonly command: 'scaleVirtualMachine' | 'changeServiceForVirtualMachine'
  readonly vm: string
  readonly offering: string
}

/** Submits the change of a VM's service offering. Refuses what `checkScale` does, where no operation is open on the VM. */
export async function scaleVm(by: By, request: ScaleRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, request.vm), 'id')
    const offering = certain(await offeringById(tx, request.offering), 'serviceofferingid')
    if (!vm.busy) await checkScale(tx, vm, offering)
    const operation = await submit(tx, by, {
      command: request.command,
      head: vmScale,
      input: { vm: vm.id, offering: request.offering },
      event: {
        type: 'VM.UPGRADE',
        description: `Changing the service offering of virtual machine ${vm.name}`,
        account: vm.accountId,
        resource: { kind: 'UserVm', id: vm.id },
      },
    })
    return { operation, id: vm.id }
  })
}

/** As `scaleVm`, and waits for it, as CloudStack's `changeServiceForVirtualMachine` does; see `endedWell` for what it throws. */
export async function scaleVmNow(by: By, request: ScaleRequest): Promise<void> {
  const { operation } = await scaleVm(by, request)
  await endedWell(by.system, [operation])
}
