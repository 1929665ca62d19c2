import { Refusal } from '../domain/failures.ts'
import { vmStop } from '../sagas/vm-stop.ts'
import { vmStanding } from '../store/queries/standing.ts'
import type { Tx } from '../store/store.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which VM to stop. `forced`: without asking the guest. */
export interface StopRequest {
  readonly vm: string
  readonly forced: boolean
}

/** Submits the stop. Refuses a VM that is destroyed, where no operation is open on it. */
export async function stopVm(by: By, request: StopRequest): Promise<Submitted> {
  return await carriedOut(by, (tx) => submitStop(tx, by, request))
}

/** As `stopVm`, in a transaction of the caller, who wakes the runner. */
export async function submitStop(tx: Tx, by: By, request: StopRequest): Promise<Submitted> {
  const vm = certain(await vmStanding(tx, request.vm), 'id')
  if (!vm.busy && (vm.state === 'Destroyed' || vm.state === 'Expunging'))
    throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be stopped`)
  const operation = await submit(tx, by, {
    command: 'stopVirtualMachine',
    head: vmStop,
    // Whoever stops it does not want it restarted for the sake of its host.
    input: { vm: vm.id, force: request.forced, restart: false },
    event: {
      type: 'VM.STOP',
      description: `Stopping virtual machine ${vm.name}`,
      account: vm.accountId,
      resource: { kind: 'UserVm', id: vm.id },
    },
  })
  return { operation, id: vm.id }
}
