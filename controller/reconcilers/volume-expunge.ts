import { resourceName } from '../domain/resource.ts'
import { vmExpunge } from '../sagas/vm-expunge.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { setting } from '../store/configurations.ts'
import { vmsToExpunge } from '../store/vms.ts'
import { volumesToExpunge } from '../store/volumes.ts'
import { ask } from './ask.ts'
import type { Reconciler } from './reconciler.ts'

/** What was destroyed and not recovered within `expunge.delay` is deleted for good. */
export const volumeExpunge: Reconciler = {
  name: 'volume-expunge',
  everyMs: 60_000,
  async run(deps, turn) {
    const { reader } = deps.store
    const delay = await setting(reader, 'expunge.delay')
    const reason = 'expunge'
    for (const { id, accountId: account } of await vmsToExpunge(reader, delay)) {
      await ask(deps, turn, { reason, head: vmExpunge, input: { vm: id }, about: resourceName('vm', id), account })
    }
    for (const { id, accountId: account } of await volumesToExpunge(reader, delay)) {
      await ask(deps, turn, {
        reason,
        head: volumeDelete,
        input: { volume: id },
        about: resourceName('volume', id),
        account,
      })
    }
  },
}
