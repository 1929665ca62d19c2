import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { VM_MACHINE } from '../domain/vm.ts'
import { type SagaDefinition, saga, type Under } from '../jobs/saga.ts'
import { deleteAttachment } from '../store/attachments.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { hold, release } from '../store/held.ts'
import { rootOf } from '../store/root-disks.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, removeVm, updateVm, vmLeftHost } from '../store/vms.ts'
import { withdrawAccess } from './access.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { submitInternal } from './internal.ts'
import { ends, type Outcome } from './outcome.ts'
import { type Abroad, abroad, forgetGrants, lookAtMachine, recordStopped, stopMachine } from './stopping.ts'
import { volumeDelete } from './volume-delete.ts'

/** Remove `vm` for good. */
export interface VmExpungeInput {
  readonly vm: string
}

/** Stops a VM if it runs, detaches its volumes, which stay but for its root disk, and removes it. */
export const vmExpunge = sagaHead<VmExpungeInput>({
  name: 'vm-expunge',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME: Outcome<VmExpungeInput> = {
  type: 'VM.EXPUNGE',
  kind: 'UserVm',
  id: ({ vm }) => vm,
  doing: 'expunging virtual machine',
}

/** Steps: begin, stop (plug pulled), withdraw. A failure leaves the VM Expunging, and a reconciler asks again. */
export function vmExpungeSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VmExpungeInput, Tx>(vmExpunge)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(tx, input, under),
      unrecord: async (tx, { input }, { operation }) => release(tx, 'vm', { id: input.vm, operation }),
    })
    .step('stop', {
      run: async ({ begin }, context) => stopMachine(deps, { ...begin, force: true }, context),
      record: async (tx, { begin }) => {
        await recordStopped(tx, begin)
        await vmLeftHost(tx, begin.vm, 'Expunging')
      },
      undo: async ({ begin }, context) => lookAtMachine(deps, begin, context),
      unrecord: async (tx, { begin }, { found }) => {
        if (found !== 'stopped') return
        await recordStopped(tx, begin)
        await vmLeftHost(tx, begin.vm, 'Expunging')
      },
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin.grants, context),
      record: async (tx, { begin }) => forgetGrants(tx, begin.grants),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input, begin }, { operation }) => {
        const root = await rootOf(tx, input.vm)
        for (const volume of begin.volumes) await deleteAttachment(tx, volume)
        await removeVm(tx, input.vm)
        await release(tx, 'vm', { id: input.vm, operation })
        if (root) await deleteRoot(deps, tx, { root, operation })
      }),
    )
}

/** The root disk goes with its VM, by an operation of its own. */
async function deleteRoot(
  deps: SagaDeps,
  tx: Tx,
  { root, operation }: { readonly root: VolumeRow; readonly operation: string },
): Promise<void> {
  await submitInternal(tx, deps.jobs(), {
    head: volumeDelete,
    input: { volume: root.id },
    id: derivedId(operation, 'root', root.id),
    account: root.accountId,
  })
}

async function begin(tx: Tx, input: VmExpungeInput, under: Under): Promise<Abroad> {
  const vm = await lockVm(tx, input.vm)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
  const state = next(VM_MACHINE, vm.state, { event: 'ExpungeOperation', of: `Virtual machine ${vm.id}` })
  await hold(tx, 'vm', { id: vm.id, operation: under.operation })
  await updateVm(tx, vm.id, { state })
  return abroad(tx, vm.id, vm.hostId)
}
