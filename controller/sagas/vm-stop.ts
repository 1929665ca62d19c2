import { Refusal } from '../domain/failures.ts'
import { next, peek } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { VM_MACHINE } from '../domain/vm.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type Under } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { rootOf } from '../store/root-disks.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm, vmDestroyed, vmLeftHost } from '../store/vms.ts'
import { volumeDestroyed } from '../store/volumes.ts'
import { withdrawAccess } from './access.ts'
import { checkAfter } from './after.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'
import { type Abroad, abroad, forgetGrants, lookAtMachine, recordStopped, stopMachine } from './stopping.ts'

/**
 * Stop `vm`. `force` pulls the plug. `destroy`: it ends in state Destroyed instead of Stopped. `on`: only if it is on that
 * host still. `after`: only if that operation went well. `restart`: whether it is to run again as soon as it can, if this is what stops it; absent: as was wished.
 */
export interface VmStopInput {
  readonly vm: string
  readonly force: boolean
  readonly destroy?: boolean
  readonly on?: string
  readonly after?: string
  readonly restart?: boolean
}

/** Stops a VM and withdraws its access to its volumes; stopping what is stopped is success. */
export const vmStop = sagaHead<VmStopInput>({
  name: 'vm-stop',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME: Outcome<VmStopInput> = {
  type: ({ destroy }) => (destroy === true ? 'VM.DESTROY' : 'VM.STOP'),
  kind: 'UserVm',
  id: ({ vm }) => vm,
  doing: 'stopping virtual machine',
}

/**
 * Steps: begin, stop, withdraw. When the stop fails the VM is recorded as its host reports it. When the withdrawal fails the
 * VM is Stopped all the same, and a reconciler goes on withdrawing.
 */
export function vmStopSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VmStopInput, Tx>(vmStop)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(tx, input, under),
      unrecord: async (tx, { input }, { operation }) => {
        if (!(await isHeld(tx, 'vm', { id: input.vm, operation }))) return
        const vm = await lockVm(tx, input.vm)
        if (vm?.state === 'Stopping')
          await updateVm(
            tx,
            vm.id,
            vm.hostId === null ? { state: 'Stopped' } : { state: 'Running', restartWanted: false },
          )
        await release(tx, 'vm', { id: input.vm, operation })
      },
    })
    .step('stop', {
      run: async ({ input, begin }, context) => stopMachine(deps, { ...begin, force: input.force }, context),
      record: async (tx, { begin }) => {
        await recordStopped(tx, begin)
        if (begin.host !== undefined) await vmLeftHost(tx, begin.vm, 'Stopping')
      },
      undo: async ({ begin }, context) => lookAtMachine(deps, begin, context),
      unrecord: async (tx, { begin }, { found }) => {
        if (found !== 'stopped' || begin.host === undefined) return
        await recordStopped(tx, begin)
        await vmLeftHost(tx, begin.vm, 'Stopping')
      },
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin.grants, context),
      record: async (tx, { begin }) => forgetGrants(tx, begin.grants),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        const vm = await lockVm(tx, input.vm)
        const state = vm && endState(vm.state, input)
        if (vm && state) await updateVm(tx, vm.id, { state })
        if (vm && state === 'Destroyed' && vm.state !== state) {
          await vmDestroyed(tx, vm.id)
          await destroyRoot(tx, vm.id)
        }
        await release(tx, 'vm', { id: input.vm, operation })
      }),
    )
}

async function begin(tx: Tx, input: VmStopInput, under: Under): Promise<Abroad> {
  const vm = await lockVm(tx, input.vm)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
  await checkAfter(tx, input.after)
  const resting = vm.state === 'Stopped' || vm.state === 'Destroyed' || vm.state === 'Error'
  if (!resting && input.on !== undefined && input.on !== vm.hostId)
    throw new Refusal('INVALID', `Virtual machine ${vm.id} is not on the host on which it was to be stopped`)
  const state = resting
    ? vm.state
    : next(VM_MACHINE, vm.state, { event: 'StopRequested', of: `Virtual machine ${vm.id}` })
  await hold(tx, 'vm', { id: vm.id, operation: under.operation })
  // What rests is not stopped by this: nobody wishes it to run but who did before.
  const restartWanted = resting ? vm.restartWanted && input.restart !== false : (input.restart ?? vm.restartWanted)
  await updateVm(tx, vm.id, { state, restartWanted })
  return abroad(tx, vm.id, vm.hostId)
}

/** The root disk goes with its VM, and stays its disk: it comes back with it, or is deleted with it. */
async function destroyRoot(tx: Tx, vm: string): Promise<void> {
  const root = await rootOf(tx, vm)
  const state = root && peek(VOLUME_MACHINE, root.state, 'DestroyRequested')
  if (root && state !== undefined) await volumeDestroyed(tx, root.id, state)
}

function endState(state: string, input: VmStopInput): string {
  const of = `Virtual machine ${input.vm}`
  const stopped = state === 'Stopping' ? next(VM_MACHINE, state, { event: 'OperationSucceeded', of }) : state
  if (input.destroy !== true || stopped === 'Destroyed') return stopped
  return next(VM_MACHINE, stopped, { event: 'DestroyRequested', of })
}
