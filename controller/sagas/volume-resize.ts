import type { Qos } from '@moorage/contract'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { isHeld, release } from '../store/held.ts'
import { updateLocation } from '../store/locations.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { observeQos, updateVolume } from '../store/volumes.ts'
import { unlessGone } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { recordClamping } from './making.ts'
import { ends, type Outcome } from './outcome.ts'
import { applyArrayQos, applyThrottle, grow, lookAtSize, refresh } from './resizing.ts'
import { beginResize, putReservationBack } from './resize-begin.ts'

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

const OUTCOME: Outcome<VolumeResizeInput> = {
  type: 'VOLUME.RESIZE',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'resizing volume',
}

/**
 * Steps: begin, array-qos, throttle, grow, refresh (tell the machine). What can be undone comes before what cannot: an
 * array does not shrink, so after a failed refresh the volume keeps its new size, and the record and the failure say so.
 */
export function volumeResizeSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeResizeInput, Tx>(volumeResize)
    .step('begin', {
      decide: async (tx, { input }, under) => beginResize(deps, tx, { input, under }),
      unrecord: async (tx, { input }, { operation }) => {
        if (!(await isHeld(tx, 'volume', { id: input.volume, operation }))) return
        await putReservationBack(tx, input.volume)
        await release(tx, 'volume', { id: input.volume, operation })
      },
    })
    .step('array-qos', {
      run: async ({ begin }, context) => applyArrayQos(deps, { ...begin, vector: begin.after.arrayQos }, context),
      record: async (tx, { begin }, set) => {
        if (!set) return
        await updateVolume(tx, begin.volume, { qosApplied: set.applied })
        await observeQos(tx, begin.volume, set.observed)
        await recordClamping(tx, begin.volume, set.clamped)
      },
      undo: async ({ begin }, context) =>
        unlessGone(async () => applyArrayQos(deps, { ...begin, vector: begin.before.arrayQos }, context)),
      unrecord: async (tx, { begin }, { found }) => {
        if (found) await updateVolume(tx, begin.volume, { qosApplied: found.applied })
      },
    })
    .step('throttle', {
      run: async ({ begin }, context) => applyThrottle(deps, { ...begin, vector: begin.after.throttle }, context),
      record: async (tx, { begin }, set) => {
        if (set) await updateVolume(tx, begin.volume, { qosApplied: set.applied })
      },
      undo: async ({ begin }, context) => applyThrottle(deps, { ...begin, vector: begin.before.throttle }, context),
      unrecord: async (tx, { begin }, { found }) => {
        if (found) await updateVolume(tx, begin.volume, { qosApplied: found.applied })
      },
    })
    .step('grow', {
      run: async ({ begin }, context) => grow(deps, begin, context),
      record: async (tx, { begin }, bytes) => {
        if (bytes !== null) await updateLocation(tx, begin.volume, { bytes })
      },
      undo: async ({ begin }, context) => lookAtSize(deps, begin, context),
      unrecord: async (tx, { begin }, { found }) => {
        if (found === null || found <= begin.before.locationBytes) return
        await updateLocation(tx, begin.volume, { bytes: found })
        await updateVolume(tx, begin.volume, { bytes: Math.min(found, begin.after.bytes) })
      },
    })
    .step('refresh', {
      run: async ({ begin, grow }, context) =>
        grow === null ? undefined : refresh(deps, { ...begin, bytes: grow }, context),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input, begin }, { operation }) => {
        const { bytes, qos, wantedTier, tier, offering } = begin.after
        await updateVolume(tx, input.volume, {
          bytes,
          qosRequested: qos,
          qosTier: wantedTier,
          offeringId: offering,
          ...(begin.pool === undefined ? {} : { state: 'Ready' }),
        })
        if (begin.pool !== undefined) await updateLocation(tx, input.volume, { qosTier: tier })
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}
