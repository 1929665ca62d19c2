import { vmStart } from '../sagas/vm-start.ts'
import { lockVm, vmsToRestart } from '../store/vms.ts'
import { askFor } from './ask.ts'
import type { Reconciler } from './reconciler.ts'

/** A VM that asks for it runs again when its host was lost, and one that its host's maintenance had to stop in any case. That its old host has no access any more, the start sees to. */
export const vmRestart: Reconciler = {
  name: 'vm-restart',
  everyMs: 10_000,
  async run(deps, turn) {
    const vms = await vmsToRestart(deps.store.reader)
    await askFor(deps, turn, {
      head: vmStart,
      reason: 'it was stopped for the sake of its host',
      wishes: vms.map(({ id, accountId: account }) => ({
        kind: 'vm',
        id,
        account,
        input: { vm: id },
        still: async (tx) => {
          const vm = await lockVm(tx, id)
          return vm?.restartWanted === true && vm.state === 'Stopped' && vm.removedAt === null
        },
      })),
    })
  },
}
