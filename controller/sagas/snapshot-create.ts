import { resourcesOfSnapshot } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Take `snapshot`, a row in state Allocated. */
export interface SnapshotCreateInput {
  readonly snapshot: string
}

/** Takes a snapshot on the array that holds the volume. */
export const snapshotCreate = sagaHead<SnapshotCreateInput>({
  name: 'snapshot-create',
  version: 1,
  lane: 'motion',
  needs: async (tx, { snapshot }) => resourcesOfSnapshot(tx, snapshot),
  about: ({ snapshot }) => ({ kind: 'snapshot', id: snapshot }),
})
