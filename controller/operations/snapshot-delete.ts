import { snapshotDelete } from '../sagas/snapshot-delete.ts'
import { snapshotStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Submits the deletion of a snapshot and all its copies. Valid from every state. */
export async function deleteSnapshot(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const snapshot = certain(await snapshotStanding(tx, id), 'id')
    const operation = await submit(tx, by, {
      command: 'deleteSnapshot',
      head: snapshotDelete,
      input: { snapshot: id },
      event: {
        type: 'SNAPSHOT.DELETE',
        description: `Deleting snapshot ${snapshot.name}`,
        account: snapshot.accountId,
        resource: { kind: 'Snapshot', id },
      },
    })
    return { operation, id }
  })
}
