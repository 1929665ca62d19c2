import { derivedId } from '../domain/derived-id.ts'
import { asRefusalCode, Refusal } from '../domain/failures.ts'
import { peek } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { ROOT_DEVICE, VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { attachmentOf, deleteAttachment, insertAttachment } from '../store/attachments.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { locationOf } from '../store/locations.ts'
import { lastAbout, rootOf } from '../store/root-disks.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm } from '../store/vms.ts'
import { lockVolume, updateVolume, volumeDestroyed } from '../store/volumes.ts'
import { hostCharge } from '../placement/charges.ts'
import { throttleOf } from './attaching.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { submitInternal } from './internal.ts'
import { ends, type Outcome } from './outcome.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeFromSnapshot } from './volume-from-snapshot.ts'

/** Give `vm` the root disk `root`, which is made already, instead of its own; `expunge` that for good. */
export interface VmRestoreInput {
  readonly vm: string
  readonly root: string
  readonly expunge: boolean
}

/** Exchanges the root disk of a stopped VM for one that was made anew. The old one goes into the bin, or is deleted. */
export const vmRestore = sagaHead<VmRestoreInput>({
  name: 'vm-restore',
  version: 1,
  lane: 'access',
  needs: async (tx, { vm, root }) => unique([resourceName('vm', vm), ...(await resourcesOfVolume(tx, root))]),
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME: Outcome<VmRestoreInput> = {
  type: 'VM.RESTORE',
  kind: 'UserVm',
  id: ({ vm }) => vm,
  doing: 'restoring virtual machine',
}

/**
 * One step, in the database only: in one transaction the new disk takes the place of the old one. Where that cannot be the VM
 * keeps its own, and the new one is deleted.
 */
export function vmRestoreSaga(deps: Pick<SagaDeps, 'jobs'>): SagaDefinition<Tx> {
  return saga<VmRestoreInput, Tx>(vmRestore)
    .step('begin', { decide: async (tx, { input }) => exchange(tx, input) })
    .build(
      ends(
        OUTCOME,
        async (tx, { input, begin }) => {
          if (input.expunge)
            await submitDeletion(deps, tx, { volume: begin.old, cause: input.root, account: begin.account })
        },
        async (tx, { root }) => {
          const made = await lockVolume(tx, root)
          if (!made || made.removedAt || (await attachmentOf(tx, root))) return
          await submitDeletion(deps, tx, { volume: root, cause: 'restore', account: made.accountId })
        },
      ),
    )
}

interface Exchanged {
  readonly old: string
  readonly account: string
}

async function exchange(tx: Tx, input: VmRestoreInput): Promise<Exchanged> {
  const vm = await lockVm(tx, input.vm)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
  // First, since a VM whose new disk was not made was not stopped either.
  const fresh = await lockVolume(tx, input.root)
  const location = await locationOf(tx, input.root)
  if (fresh?.state !== 'Ready' || !location) throw await notMade(tx, input.root)
  if (vm.state !== 'Stopped')
    throw new Refusal('INVALID', `Virtual machine ${vm.id} is ${vm.state}, it must be Stopped to get another root disk`)
  const old = await rootOf(tx, vm.id)
  if (!old) throw new Refusal('INVALID', `Virtual machine ${vm.id} has no root disk`)
  const generation = fresh.generation + 1
  const charge = hostCharge(throttleOf(fresh, location.qosTier))
  await deleteAttachment(tx, old.id)
  await insertAttachment(tx, {
    volumeId: fresh.id,
    vmId: vm.id,
    deviceId: ROOT_DEVICE,
    generation,
    desired: 'attached',
    actual: 'detached',
    chargedIops: charge.iops,
    chargedRate: charge.rate,
  })
  await updateVolume(tx, fresh.id, { generation })
  await updateVm(tx, vm.id, { templateId: fresh.templateId })
  await putAside(tx, old)
  return { old: old.id, account: old.accountId }
}

async function putAside(tx: Tx, old: VolumeRow): Promise<void> {
  const state = peek(VOLUME_MACHINE, old.state, 'DestroyRequested')
  if (state !== undefined) await volumeDestroyed(tx, old.id, state)
}

/** Why the new disk is not there. */
async function notMade(tx: Tx, volume: string): Promise<Refusal> {
  const failure = (await lastAbout(tx, { volume, saga: volumeFromSnapshot.name }))?.failure
  const { code = 'INVALID', text = 'nobody has made it', internal } = failure ?? {}
  const more = internal === undefined ? {} : { internal }
  return new Refusal(asRefusalCode(code), `The new root disk could not be made: ${text}`, more)
}

async function submitDeletion(
  deps: Pick<SagaDeps, 'jobs'>,
  tx: Tx,
  what: { readonly volume: string; readonly cause: string; readonly account: string },
): Promise<void> {
  const { volume, cause, account } = what
  const id = derivedId('vm-restore', cause, volume)
  await submitInternal(tx, deps.jobs(), { head: volumeDelete, input: { volume }, id, account })
}
