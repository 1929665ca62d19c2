import { resourceName } from '../domain/resource.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Fill `volume`, a row in state Allocated, with the bytes of `snapshot`. */
export interface VolumeFromSnapshotInput {
  readonly volume: string
  readonly snapshot: string
}

/** Makes a volume on the array from one of its snapshots, in the pool that holds the snapshot. */
export const volumeFromSnapshot = sagaHead<VolumeFromSnapshotInput>({
  name: 'volume-from-snapshot',
  version: 1,
  lane: 'motion',
  needs: async (tx, { volume, snapshot }) =>
    unique([resourceName('snapshot', snapshot), ...(await resourcesOfVolume(tx, volume))]),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})
