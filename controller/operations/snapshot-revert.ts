import { Refusal } from '../domain/failures.ts'
import { snapshotRevert } from '../sagas/snapshot-revert.ts'
import { snapshotStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/**
 * Submits putting the volume back to the snapshot. Refuses, where no operation is open on them: a snapshot that is not
 * BackedUp or not on its array, a volume that is not Ready, and one that is a disk of a VM which is not stopped.
 */
export async function revertSnapshot(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const snapshot = certain(await snapshotStanding(tx, id), 'id')
    if (snapshot.volumeRemovedAt !== null)
      throw new Refusal('INVALID', 'The volume of the snapshot is gone; make a new volume from the snapshot instead')
    if (!snapshot.busy) {
      if (snapshot.state !== 'BackedUp')
        throw new Refusal('INVALID', `A snapshot in state ${snapshot.state} cannot be reverted to: it must be BackedUp`)
      if (snapshot.poolId === null)
        throw new Refusal('INVALID', 'The snapshot is in secondary storage only: make a new volume from it instead')
      if (snapshot.vmState !== null && snapshot.vmState !== 'Stopped')
        throw new Refusal(
          'INVALID',
          `The VM the specified disk is attached to is not in the shutdown state: ${snapshot.vmName} is ${snapshot.vmState}`,
        )
      if (snapshot.volumeState !== 'Ready')
        throw new Refusal('INVALID', `The volume is in state ${snapshot.volumeState}: it must be Ready to be reverted`)
    }
    const operation = await submit(tx, by, {
      command: 'revertSnapshot',
      head: snapshotRevert,
      input: { snapshot: id },
      event: {
        type: 'SNAPSHOT.REVERT',
        description: `Reverting volume ${snapshot.volumeName} to snapshot ${snapshot.name}`,
        account: snapshot.accountId,
        resource: { kind: 'Snapshot', id },
      },
    })
    return { operation, id }
  })
}
