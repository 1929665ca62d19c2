import { vmExpunge } from '../sagas/vm-expunge.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { setting } from '../store/configurations.ts'
import { vmsToExpunge } from '../store/vms.ts'
import { volumesToExpunge } from '../store/volumes.ts'
import { askFor } from './ask.ts'
import type { Reconciler } from './reconciler.ts'

/** What was destroyed and not recovered within `expunge.delay` is deleted for good: VMs, and volumes. */
export const volumeExpunge: Reconciler = {
  name: 'volume-expunge',
  everyMs: 60_000,
  async run(deps, turn) {
    const { reader } = deps.store
    const delay = await setting(reader, 'expunge.delay')
    const reason = 'destroyed for long enough'
    const vms = await vmsToExpunge(reader, delay)
    await askFor(deps, turn, {
      head: vmExpunge,
      reason,
      wishes: vms.map(({ id, accountId: account }) => ({ kind: 'vm', id, account, input: { vm: id } })),
    })
    const volumes = await volumesToExpunge(reader, delay)
    await askFor(deps, turn, {
      head: volumeDelete,
      reason,
      wishes: volumes.map(({ id, accountId: account }) => ({ kind: 'volume', id, account, input: { volume: id } })),
    })
  },
}
