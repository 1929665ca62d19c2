import type { VmId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { hold, release } from '../store/held.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** Restart the guest of `vm`. */
export interface VmRebootInput {
  readonly vm: string
}

/** Restarts the guest of a running VM; machine and disks stay. */
export const vmReboot = sagaHead<VmRebootInput>({
  name: 'vm-reboot',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME: Outcome<VmRebootInput> = {
  type: 'VM.REBOOT',
  kind: 'UserVm',
  id: ({ vm }) => vm,
  doing: 'rebooting virtual machine',
}

/** Steps: begin, reboot. */
export function vmRebootSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VmRebootInput, Tx>(vmReboot)
    .step('begin', {
      decide: async (tx, { input }, { operation }) => {
        const vm = await lockVm(tx, input.vm)
        if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
        if (vm.state !== 'Running' || vm.hostId === null) {
          throw new Refusal('INVALID', `Virtual machine ${vm.id} is ${vm.state}, it must be Running to be rebooted`)
        }
        await hold(tx, 'vm', { id: vm.id, operation })
        return { host: vm.hostId }
      },
      unrecord: async (tx, { input }, { operation }) => release(tx, 'vm', { id: input.vm, operation }),
    })
    .step('reboot', {
      run: async ({ input, begin }, context) => {
        const host = await deps.plugins.host(begin.host)
        await saying(
          'The hypervisor did not reboot the virtual machine',
          async () => host.adapter(context.log).vms.reboot(input.vm as VmId, part(context.call, 'reboot')), // An id of ours is made by us.
        )
      },
      undo: async () => {},
    })
    .build(ends(OUTCOME, async (tx, { input }, { operation }) => release(tx, 'vm', { id: input.vm, operation })))
}
