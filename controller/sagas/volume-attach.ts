import { resourceName } from '../domain/resource.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/** Attach `volume` to `vm`; `deviceId` absent: the next free one. */
export interface VolumeAttachInput {
  readonly volume: string
  readonly vm: string
  readonly deviceId?: number
}

/** Gives a volume to a VM: places and makes it on an array first when it lives nowhere yet. */
export const volumeAttach = sagaHead<VolumeAttachInput>({
  name: 'volume-attach',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume, vm }) => unique([resourceName('vm', vm), ...(await resourcesOfVolume(tx, volume))]),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})
