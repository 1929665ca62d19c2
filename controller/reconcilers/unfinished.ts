import { resourceName } from '../domain/resource.ts'
import { snapshotDelete } from '../sagas/snapshot-delete.ts'
import { vmExpunge } from '../sagas/vm-expunge.ts'
import { vmStop } from '../sagas/vm-stop.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { volumeDetach } from '../sagas/volume-detach.ts'
import { attachmentsToFinish } from '../store/attachments.ts'
import { vmsWithStaleAccess } from '../store/connections.ts'
import { snapshotsToFinish } from '../store/snapshots.ts'
import { vmsToFinish } from '../store/vms.ts'
import { volumesToFinish } from '../store/volumes.ts'
import { ask } from './ask.ts'
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
    const reason = 'unfinished'
    for (const { id, accountId: account } of await vmsWithStaleAccess(reader)) {
      await ask(deps, turn, {
        reason,
        head: vmStop,
        input: { vm: id, force: true },
        about: resourceName('vm', id),
        account,
      })
    }
    for (const { id, accountId: account } of await vmsToFinish(reader)) {
      await ask(deps, turn, { reason, head: vmExpunge, input: { vm: id }, about: resourceName('vm', id), account })
    }
    for (const { volumeId: id, accountId: account } of await attachmentsToFinish(reader)) {
      await ask(deps, turn, {
        reason,
        head: volumeDetach,
        input: { volume: id },
        about: resourceName('volume', id),
        account,
      })
    }
    for (const { id, accountId: account } of await snapshotsToFinish(reader)) {
      await ask(deps, turn, {
        reason,
        head: snapshotDelete,
        input: { snapshot: id },
        about: resourceName('snapshot', id),
        account,
      })
    }
    for (const { id, accountId: account } of await volumesToFinish(reader)) {
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
