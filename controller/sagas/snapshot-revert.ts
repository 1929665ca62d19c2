import { resourcesOfSnapshot } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Put the volume of `snapshot` back to it. */
export interface SnapshotRevertInput {
  readonly snapshot: string
}

/** Puts a volume back to one of its snapshots, in place. */
export const snapshotRevert = sagaHead<SnapshotRevertInput>({
  name: 'snapshot-revert',
  version: 1,
  lane: 'motion',
  needs: async (tx, { snapshot }) => resourcesOfSnapshot(tx, snapshot),
  about: ({ snapshot }) => ({ kind: 'snapshot', id: snapshot }),
})
