import { Refusal } from '../domain/failures.ts'
import { peek } from '../domain/machine.ts'
import { VM_MACHINE } from '../domain/vm.ts'
import { recovered } from '../domain/volume.ts'
import { locationOf } from '../store/locations.ts'
import { vmStanding } from '../store/queries/standing.ts'
import { rootOf } from '../store/root-disks.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm } from '../store/vms.ts'
import { updateVolume } from '../store/volumes.ts'
import { certain } from './certain.ts'
import { type By, note } from './submit.ts'
import { nameOf } from './vm-deploy.ts'

/** What to change of a VM's record; absent means as it is. */
export interface VmChange {
  readonly vm: string
  readonly name?: string
  readonly displayName?: string
  readonly userData?: string
  /** Whether it starts elsewhere when its host is lost. */
  readonly ha?: boolean
}

/** Changes how a VM is called, at once. A guest that runs keeps what it was started with. */
export async function changeVm(by: By, change: VmChange): Promise<void> {
  const { vm: id, name, displayName, userData, ha } = change
  await by.system.store.transact(async (tx) => {
    const vm = certain(await lockVm(tx, id), 'id')
    const changes = {
      ...(name === undefined ? {} : { name: nameOf(name, id) }),
      ...(displayName === undefined ? {} : { displayName }),
      ...(userData === undefined ? {} : { userData }),
      ...(ha === undefined ? {} : { ha }),
      ...(ha === false ? { restartWanted: false } : {}),
    }
    if (Object.keys(changes).length > 0) await updateVm(tx, id, changes)
    await note(tx, by, {
      type: 'VM.UPDATE',
      description: `Changed virtual machine ${vm.name}`,
      account: vm.accountId,
      resource: { kind: 'UserVm', id },
    })
  })
}

/** Takes a destroyed VM back with its root disk, at once: it is Stopped then. Refused in any other state, and while an operation is open on it. */
export async function recoverVm(by: By, id: string): Promise<void> {
  await by.system.store.transact(async (tx) => {
    certain(await lockVm(tx, id), 'id')
    const vm = certain(await vmStanding(tx, id), 'id')
    if (vm.busy)
      throw new Refusal('INVALID', 'The virtual machine cannot be recovered while an operation on it is open')
    const state = peek(VM_MACHINE, vm.state, 'RecoveryRequested')
    if (state === undefined)
      throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be recovered: it must be Destroyed`)
    await updateVm(tx, id, { state })
    await recoverRoot(tx, id)
    await note(tx, by, {
      type: 'VM.RECOVER',
      description: `Recovered virtual machine ${vm.name}`,
      account: vm.accountId,
      resource: { kind: 'UserVm', id },
    })
  })
}

/** The root disk was destroyed with its VM, and comes back with it. */
async function recoverRoot(tx: Tx, vm: string): Promise<void> {
  const root = await rootOf(tx, vm)
  if (root?.state !== 'Destroy') return
  const located = (await locationOf(tx, root.id)) !== undefined
  await updateVolume(tx, root.id, { state: recovered(located), destroyedAt: null })
}
