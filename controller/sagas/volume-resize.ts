import type { Qos } from '@moorage/contract'
import { resourcesOfVolume } from '../store/resources.ts'
import { sagaHead } from './head.ts'

/**
 * Change `volume`: to `bytes` (never fewer), to another offering, to another QoS vector; absent means as it is. With an
 * `offering`, `qos` absent means the offering's own vector.
 */
export interface VolumeResizeInput {
  readonly volume: string
  readonly bytes?: number
  readonly offering?: string
  readonly qos?: Qos
}

/** Grows a volume and changes its QoS, live where it is plugged in. */
export const volumeResize = sagaHead<VolumeResizeInput>({
  name: 'volume-resize',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})
