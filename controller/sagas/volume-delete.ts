import { resourcesOfVolume } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Delete `volume` for good. */
export interface VolumeDeleteInput {
  readonly volume: string
}

/** Deletes a volume that is not attached, whatever its state; also finishes the deletion of one that left a tombstone. */
export const volumeDelete = sagaHead<VolumeDeleteInput>({
  name: 'volume-delete',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})
