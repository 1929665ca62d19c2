import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import { checkLimits } from '../sagas/limits.ts'
import { vmRestore } from '../sagas/vm-restore.ts'
import { vmStart } from '../sagas/vm-start.ts'
import { vmStop } from '../sagas/vm-stop.ts'
import { volumeFromSnapshot } from '../sagas/volume-from-snapshot.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { templateNow } from '../store/queries/places.ts'
import { vmStanding } from '../store/queries/standing.ts'
import { rootOf } from '../store/root-disks.ts'
import type { Tx } from '../store/store.ts'
import { insertVolume } from '../store/volumes.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { isDisk } from './root-disk.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which VM to give a new root disk. `template` absent: its own. `expunge`: the old disk goes for good. */
export interface RestoreRequest {
  readonly vm: string
  readonly template?: string
  readonly expunge: boolean
}

/**
 * Submits making a new root disk, stopping a VM that runs, exchanging the disks, and its start: one behind the other by the
 * lock of the VM, each only if the one before went well. The last of them is answered. The new disk has the terms of the old one, and its
 * size where the template is not larger; until they are exchanged the VM keeps the old one.
 */
export async function restoreVm(by: By, request: RestoreRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, request.vm), 'virtualmachineid')
    if (!vm.busy && vm.state !== 'Running' && vm.state !== 'Stopped')
      throw new Refusal(
        'INVALID',
        `A virtual machine in state ${vm.state} cannot be restored: it must be Running or Stopped`,
      )
    const old = await rootOf(tx, vm.id)
    if (!old)
      throw new Refusal(
        'INVALID',
        'Invalid parameter virtualmachineid: the virtual machine has no root disk, it boots what its host holds',
      )
    const root = await addSuccessor(tx, { old, vm, template: request.template })
    const resource = { kind: 'UserVm', id: vm.id }
    const event = {
      type: 'VM.RESTORE',
      description: `Restoring virtual machine ${vm.name}`,
      account: vm.accountId,
      resource,
    }
    const common = { command: 'restoreVirtualMachine', event }
    const made = await submit(tx, by, { ...common, head: volumeFromSnapshot, input: { volume: root, vm: vm.id } })
    const runs = vm.state !== 'Stopped'
    // The plug is pulled: nobody reads what the guest would still write.
    const stop = { vm: vm.id, force: true, restart: false, after: made }
    if (runs) await submit(tx, by, { ...common, head: vmStop, input: stop })
    const input = { vm: vm.id, root, expunge: request.expunge }
    const restored = await submit(tx, by, { ...common, head: vmRestore, input })
    const operation = runs
      ? await submit(tx, by, { ...common, head: vmStart, input: { vm: vm.id, after: restored } })
      : restored
    return { operation, id: vm.id }
  })
}

async function addSuccessor(
  tx: Tx,
  of: {
    readonly old: VolumeRow
    readonly vm: { readonly zoneId: string; readonly hypervisor: string; readonly name: string }
    readonly template: string | undefined
  },
): Promise<string> {
  const { old, vm } = of
  const template = certain(await templateNow(tx, of.template ?? old.templateId ?? ''), 'templateid')
  if (!isDisk(template) || template.state !== 'Ready')
    throw new Refusal('INVALID', 'Invalid parameter templateid: it must be a template that is a disk, and Ready')
  if ((template.zoneId !== null && template.zoneId !== vm.zoneId) || template.hypervisor !== vm.hypervisor)
    throw new Refusal('INVALID', 'Invalid parameter templateid: it is for another zone or hypervisor')
  const bytes = Math.max(old.bytes, template.bytes)
  await checkLimits(tx, old.accountId, { volumes: 1, primaryBytes: bytes })
  const id = randomUUID()
  await insertVolume(tx, {
    id,
    accountId: old.accountId,
    zoneId: old.zoneId,
    name: `ROOT-${vm.name}`,
    type: 'ROOT',
    offeringId: old.offeringId,
    templateId: template.id,
    bytes,
    qosTier: old.qosTier,
    qosRequested: old.qosRequested,
    settings: old.settings,
    state: 'Allocated',
  })
  return id
}
