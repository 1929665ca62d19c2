import { resourcesOfSnapshot } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Delete `snapshot` and all its copies. */
export interface SnapshotDeleteInput {
  readonly snapshot: string
}

/** Deletes a snapshot; with the last one goes what was left of a deleted volume. */
export const snapshotDelete = sagaHead<SnapshotDeleteInput>({
  name: 'snapshot-delete',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { snapshot }) => resourcesOfSnapshot(tx, snapshot),
  about: ({ snapshot }) => ({ kind: 'snapshot', id: snapshot }),
})
