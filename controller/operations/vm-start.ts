import { Refusal } from '../domain/failures.ts'
import { vmReboot } from '../sagas/vm-reboot.ts'
import { vmStart } from '../sagas/vm-start.ts'
import { hostById } from '../store/hosts.ts'
import { vmStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { makeRoot } from './root-disk.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** What is said to others than administrators who choose the host. */
export const HOST_DENIED = 'Parameter hostid can only be specified by a Root Admin, permission denied'

/** Which VM to start. `host`: only there; for administrators. */
export interface StartRequest {
  readonly vm: string
  readonly host?: string
}

/** Submits the start, and what makes the root disk where it is not there. Refuses a VM that is neither Stopped nor Running, where no operation is open on it. */
export async function startVm(by: By, request: StartRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, request.vm), 'id')
    if (!vm.busy && vm.state !== 'Stopped' && vm.state !== 'Running')
      throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be started: it must be Stopped`)
    if (request.host !== undefined) {
      if (by.caller.role !== 'admin') throw new Refusal('DENIED', HOST_DENIED)
      const host = certain(await hostById(tx, request.host), 'hostid')
      if (host.zoneId !== vm.zoneId)
        throw new Refusal('INVALID', 'Invalid parameter hostid: the host is in another zone')
    }
    await makeRoot(tx, by, { ...request, command: 'startVirtualMachine' })
    const operation = await submit(tx, by, {
      command: 'startVirtualMachine',
      head: vmStart,
      input: request,
      event: {
        type: 'VM.START',
        description: `Starting virtual machine ${vm.name}`,
        account: vm.accountId,
        resource: { kind: 'UserVm', id: vm.id },
      },
    })
    return { operation, id: vm.id }
  })
}

/** Submits a restart of the guest. Refuses a VM that is not Running, where no operation is open on it. */
export async function rebootVm(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, id), 'id')
    if (!vm.busy && vm.state !== 'Running')
      throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be rebooted: it must be Running`)
    const operation = await submit(tx, by, {
      command: 'rebootVirtualMachine',
      head: vmReboot,
      input: { vm: id },
      event: {
        type: 'VM.REBOOT',
        description: `Rebooting virtual machine ${vm.name}`,
        account: vm.accountId,
        resource: { kind: 'UserVm', id },
      },
    })
    return { operation, id }
  })
}
