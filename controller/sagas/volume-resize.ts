import { asksNothing } from '../domain/qos.ts'
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
import { applyArrayQos, applyThrottle, believed, grow, lookAtSize, refresh, type SetQos } from './resizing.ts'
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
      run: async ({ begin }, context) =>
        believed(await applyArrayQos(deps, { ...begin, vector: begin.after.arrayQos }, context)),
      record: async (tx, { begin }, set) => {
        if (begin.after.tier !== 'hypervisor') await recordApplied(tx, begin.volume, set)
      },
      undo: async ({ begin }, context) =>
        unlessGone(async () => applyArrayQos(deps, { ...begin, vector: begin.before.arrayQos }, context)),
      unrecord: async (tx, { begin }, { found }) => {
        if (asksNothing(begin.before.throttle)) await recordSet(tx, begin.volume, found)
        // Where a machine has the disk, the undo of `throttle` has recorded it just before.
        else if (!begin.plugged) await updateVolume(tx, begin.volume, { qosApplied: null })
      },
    })
    .step('throttle', {
      run: async ({ begin }, context) =>
        believed(await applyThrottle(deps, { ...begin, vector: begin.after.throttle }, context)),
      record: async (tx, { begin }, set) => {
        if (begin.after.tier === 'hypervisor') await recordApplied(tx, begin.volume, set)
      },
      undo: async ({ begin }, context) => applyThrottle(deps, { ...begin, vector: begin.before.throttle }, context),
      unrecord: async (tx, { begin }, { found }) => {
        if (!asksNothing(begin.before.throttle)) await recordSet(tx, begin.volume, found)
      },
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

/** Of the tier that enforces, what it said, and where that is not what was asked; the other tier was only told to stop. */
async function recordApplied(tx: Tx, volume: string, set: SetQos | null): Promise<void> {
  await recordSet(tx, volume, set)
  if (set) await recordClamping(tx, volume, set.clamped)
}

async function recordSet(tx: Tx, volume: string, set: SetQos | null): Promise<void> {
  if (!set) return
  await updateVolume(tx, volume, { qosApplied: set.applied })
  await observeQos(tx, volume, set.observed)
}

/** The array may have grown the volume although the change failed: then the record follows. */
async function recordFoundSize(tx: Tx, { volume, before, after }: Resizing, found: number | null): Promise<void> {
  if (found === null || found <= before.locationBytes) return
  await updateLocation(tx, volume, { bytes: found })
  await updateVolume(tx, volume, { bytes: Math.min(found, after.bytes) })
}

async function recordResized(tx: Tx, { volume, pool, plugged, after }: Resizing): Promise<void> {
  const { bytes, qos, wantedTier, tier, offering } = after
  if (pool === undefined) {
    // Nothing was reserved for it meanwhile: another volume may have taken the room since.
    const before = await lockVolume(tx, volume)
    if (before) await checkLimits(tx, before.accountId, { primaryBytes: bytes - before.bytes })
  }
  await updateVolume(tx, volume, { bytes, qosRequested: qos, qosTier: wantedTier, offeringId: offering })
  if (pool === undefined) return
  await updateVolume(tx, volume, { state: 'Ready' })
  // A hypervisor is told when the volume is plugged in: until then nobody has applied anything.
  if (tier === 'hypervisor' && !plugged) await updateVolume(tx, volume, { qosApplied: null })
  await updateLocation(tx, volume, { qosTier: tier })
}
