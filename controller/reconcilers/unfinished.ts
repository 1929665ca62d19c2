import { snapshotDelete, type SnapshotDeleteInput } from '../sagas/snapshot-delete.ts'
import { vmExpunge } from '../sagas/vm-expunge.ts'
import { vmLeave } from '../sagas/vm-leave.ts'
import { vmStop } from '../sagas/vm-stop.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { volumeDetach } from '../sagas/volume-detach.ts'
import { attachmentsToFinish } from '../store/attachments.ts'
import { accessLeftBehind, vmsWithStaleAccess } from '../store/connections.ts'
import { copiesToFinish, snapshotsToFinish } from '../store/snapshots.ts'
import { vmsToFinish } from '../store/vms.ts'
import { volumesToFinish } from '../store/volumes.ts'
import { askFor, type Wish } from './ask.ts'
import type { Reconciler } from './reconciler.ts'

/**
 * What had begun to go is gone in the end: deletions, detachments and withdrawals that their operation had to leave because
 * an array or host did not answer.
 */
export const unfinished: Reconciler = {
  name: 'unfinished',
  everyMs: 60_000,
  async run(deps, turn) {
    const { reader } = deps.store
    const reason = 'left unfinished'
    const open = await vmsWithStaleAccess(reader)
    await askFor(deps, turn, {
      head: vmStop,
      reason,
      wishes: open.map(({ id, accountId: account }) => ({ kind: 'vm', id, account, input: { vm: id, force: true } })),
    })
    const left = await accessLeftBehind(reader)
    await askFor(deps, turn, {
      head: vmLeave,
      reason,
      wishes: left.map(({ id, accountId: account, host }) => ({ kind: 'vm', id, account, input: { vm: id, host } })),
    })
    const vms = await vmsToFinish(reader)
    await askFor(deps, turn, {
      head: vmExpunge,
      reason,
      wishes: vms.map(({ id, accountId: account }) => ({ kind: 'vm', id, account, input: { vm: id } })),
    })
    const attached = await attachmentsToFinish(reader)
    await askFor(deps, turn, {
      head: volumeDetach,
      reason,
      wishes: attached.map(({ volumeId: id, accountId: account }) => ({
        kind: 'volume',
        id,
        account,
        input: { volume: id },
      })),
    })
    const snapshots = await snapshotsToFinish(reader)
    await askFor(deps, turn, {
      head: snapshotDelete,
      reason,
      wishes: snapshots.map(({ id, accountId: account }) => wish(id, account)),
    })
    const copies = await copiesToFinish(reader)
    await askFor(deps, turn, {
      head: snapshotDelete,
      reason,
      wishes: copies.map(({ id, accountId: account }) => wish(id, account, 'array')),
    })
    const volumes = await volumesToFinish(reader)
    await askFor(deps, turn, {
      head: volumeDelete,
      reason,
      wishes: volumes.map(({ id, accountId: account }) => ({ kind: 'volume', id, account, input: { volume: id } })),
    })
  },
}

function wish(id: string, account: string, only?: 'array'): Wish<SnapshotDeleteInput> {
  return { kind: 'snapshot', id, account, input: { snapshot: id, ...(only === undefined ? {} : { only }) } }
}
