import { resourcesOfVolume } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Take `volume` from the VM it is attached to. */
export interface VolumeDetachInput {
  readonly volume: string
}

/** Takes a volume from its VM: unplugged, its access withdrawn, then forgotten. */
export const volumeDetach = sagaHead<VolumeDetachInput>({
  name: 'volume-detach',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})
