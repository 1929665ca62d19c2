import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { isHeld, release } from '../store/held.ts'
import { updateLocation } from '../store/locations.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, observeQos, updateVolume } from '../store/volumes.ts'
import { unlessGone } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { checkLimits } from './limits.ts'
import { recordClamping } from './making.ts'
import { ends, type Outcome } from './outcome.ts'
import { applyArrayQos, applyThrottle, grow, lookAtSize, refresh, type SetQos } from './resizing.ts'
import {
  beginResize,
  putReservationBack,
  settleReservation,
  type Resizing,
  type VolumeResizeInput,
} from './resize-begin.ts'

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
      record: async (tx, { begin }, set) => recordArrayQos(tx, begin.volume, set),
      undo: async ({ begin }, context) =>
        unlessGone(async () => applyArrayQos(deps, { ...begin, vector: begin.before.arrayQos }, context)),
      unrecord: async (tx, { begin }, { found }) => recordApplied(tx, begin.volume, found),
    })
    .step('throttle', {
      run: async ({ begin }, context) => applyThrottle(deps, { ...begin, vector: begin.after.throttle }, context),
      record: async (tx, { begin }, set) => recordApplied(tx, begin.volume, set),
      undo: async ({ begin }, context) => applyThrottle(deps, { ...begin, vector: begin.before.throttle }, context),
      unrecord: async (tx, { begin }, { found }) => recordApplied(tx, begin.volume, found),
    })
    .step('grow', {
      run: async ({ begin }, context) => grow(deps, begin, context),
      record: async (tx, { begin }, bytes) => {
        if (bytes !== null) await updateLocation(tx, begin.volume, { bytes })
      },
      undo: async ({ begin }, context) => lookAtSize(deps, begin, context),
      unrecord: async (tx, { begin }, { found }) => recordFoundSize(tx, begin, found),
    })
    .step('refresh', {
      run: async ({ begin, grow }, context) =>
        grow === null ? undefined : refresh(deps, { ...begin, bytes: grow }, context),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input, begin }, { operation }) => {
        await recordResized(tx, begin)
        await settleReservation(tx, begin)
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function recordArrayQos(tx: Tx, volume: string, set: SetQos | null): Promise<void> {
  if (!set) return
  await recordApplied(tx, volume, set)
  await observeQos(tx, volume, set.observed)
  await recordClamping(tx, volume, set.clamped)
}

async function recordApplied(tx: Tx, volume: string, set: Pick<SetQos, 'applied'> | null): Promise<void> {
  if (set) await updateVolume(tx, volume, { qosApplied: set.applied })
}

/** The array may have grown the volume although the change failed: then the record follows. */
async function recordFoundSize(tx: Tx, { volume, before, after }: Resizing, found: number | null): Promise<void> {
  if (found === null || found <= before.locationBytes) return
  await updateLocation(tx, volume, { bytes: found })
  await updateVolume(tx, volume, { bytes: Math.min(found, after.bytes) })
}

async function recordResized(tx: Tx, { volume, pool, after }: Resizing): Promise<void> {
  const { bytes, qos, wantedTier, tier, offering } = after
  if (pool === undefined) {
    // Nothing was reserved for it meanwhile: another volume may have taken the room since.
    const before = await lockVolume(tx, volume)
    if (before) await checkLimits(tx, before.accountId, { primaryBytes: bytes - before.bytes })
  }
  await updateVolume(tx, volume, { bytes, qosRequested: qos, qosTier: wantedTier, offeringId: offering })
  if (pool === undefined) return
  await updateVolume(tx, volume, { state: 'Ready' })
  await updateLocation(tx, volume, { qosTier: tier })
}
