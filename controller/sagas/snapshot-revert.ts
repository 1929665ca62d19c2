import { type BackendVolume, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { inService } from '../domain/pool.ts'
import { inWords, sizeOn } from '../domain/size.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { explainGrowth } from '../placement/explain.ts'
import type { PoolFacts } from '../placement/facts.ts'
import { attachmentOf } from '../store/attachments.ts'
import { connectionsTo, connectionsWithdrawing, deleteConnectionsTo } from '../store/connections.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { locationOf, updateLocation } from '../store/locations.ts'
import { pinPools } from '../store/pools.ts'
import { changeReservation, reservationOf, restoreReservation } from '../store/reservations.ts'
import { resourcesOfSnapshot } from '../store/resources.ts'
import { arrayCopyOf, lockSnapshot } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { lockVolume, updateVolume } from '../store/volumes.ts'
import { type Grant, withdrawAccess } from './access.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { sagaHead } from './head.ts'
import { checkLimits } from './limits.ts'
import { ends, type Outcome } from './outcome.ts'

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

const OUTCOME: Outcome<SnapshotRevertInput> = {
  type: 'SNAPSHOT.REVERT',
  kind: 'Snapshot',
  id: ({ snapshot }) => snapshot,
  doing: 'reverting to snapshot',
}

interface Begun {
  readonly snapshot: string
  readonly volume: string
  readonly pool: string
  readonly grants: readonly Grant[]
}

/** Steps: begin, withdraw (whatever access is left), revert. What was written since is gone once the array has begun. */
export function snapshotRevertSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<SnapshotRevertInput, Tx>(snapshotRevert)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.snapshot, under),
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin.grants, context),
      record: async (tx, { begin }) => deleteConnectionsTo(tx, begin.volume),
      undo: async () => {},
    })
    .step('revert', {
      run: async ({ begin }, context) => revert(deps, begin, context),
      record: async (tx, { begin }, reverted) => recordSize(tx, begin.volume, reverted.bytes),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { begin }, { operation }) => {
        await updateVolume(tx, begin.volume, { state: 'Ready' })
        await release(tx, 'volume', { id: begin.volume, operation })
      }),
    )
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: SnapshotRevertInput; readonly under: Under },
): Promise<Begun> {
  const snapshot = await lockSnapshot(tx, input.snapshot)
  const volume = snapshot && (await lockVolume(tx, snapshot.volumeId))
  if (!snapshot || !volume) throw new Refusal('NOT_FOUND', `There is no snapshot ${input.snapshot}`)
  const copy = await arrayCopyOf(tx, snapshot.id)
  if (snapshot.state !== 'BackedUp' || !copy) {
    throw new Refusal(
      'INVALID',
      `Snapshot ${snapshot.id} is in state ${snapshot.state}, it must be in BackedUp to be reverted to`,
    )
  }
  await checkNotInUse(tx, volume.id)
  const location = await locationOf(tx, volume.id)
  if (location?.poolId !== copy.poolId) {
    throw new Refusal(
      'INVALID',
      `Volume ${volume.id} does not live where its snapshot ${snapshot.id} is kept: make a new volume from it`,
    )
  }
  const [row] = await pinPools(tx, [location.poolId])
  if (!row || !inService(row.state))
    throw new Refusal('UNAVAILABLE', `The storage pool of volume ${volume.id} is not in service`)
  const pool = await poolFacts(deps, row)
  if (!pool.can.has('revert')) {
    throw new Refusal(
      'INVALID',
      `The storage of volume ${volume.id} cannot revert in place: make a new volume from snapshot ${snapshot.id}`,
    )
  }
  await hold(tx, 'volume', { id: volume.id, operation: under.operation, holder: volume.operationId })
  await chargeGrowth(tx, { volume, pool, bytes: snapshot.bytes })
  const state = next(VOLUME_MACHINE, volume.state, { event: 'RevertSnapshotRequested', of: `Volume ${volume.id}` })
  await updateVolume(tx, volume.id, { state })
  const grants = await connectionsTo(tx, [volume.id])
  await connectionsWithdrawing(tx, [volume.id])
  return { snapshot: snapshot.id, volume: volume.id, pool: location.poolId, grants }
}

/**
 * A volume that an earlier revert made smaller grows again by a revert to a later snapshot: room for that is reserved before anything
 * is lost. Throws `Refusal` `NO_CAPACITY` where there is none, `ALLOCATION` where its account may not have so much.
 */
async function chargeGrowth(
  tx: Tx,
  what: { readonly volume: VolumeRow; readonly pool: PoolFacts; readonly bytes: number },
): Promise<void> {
  const { volume, pool } = what
  await checkLimits(tx, volume.accountId, { primaryBytes: what.bytes - volume.bytes })
  const held = await reservationOf(tx, volume.id)
  const bytes = sizeOn(pool.limits, what.bytes)
  if (!held || bytes <= held.bytes) return
  const to = { bytes, iops: held.iops }
  if (await changeReservation(tx, volume.id, { ...to, keep: true })) return
  const { tenant, operator } = explainGrowth(pool, held, to)
  throw new Refusal('NO_CAPACITY', tenant, { internal: operator })
}

async function checkNotInUse(tx: Tx, volume: string): Promise<void> {
  const attachment = await attachmentOf(tx, volume)
  const vm = attachment && (await lockVm(tx, attachment.vmId))
  if (vm && vm.state !== 'Stopped' && vm.state !== 'Destroyed') {
    throw new Refusal(
      'INVALID',
      `The VM the specified disk is attached to is not in the shutdown state: ${vm.id} is ${vm.state}`,
    )
  }
}

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  const snapshot = await lockSnapshot(tx, id)
  if (!snapshot || !(await isHeld(tx, 'volume', { id: snapshot.volumeId, operation }))) return
  const [held, location] = [await reservationOf(tx, snapshot.volumeId), await locationOf(tx, snapshot.volumeId)]
  if (held && location) await restoreReservation(tx, snapshot.volumeId, location.bytes)
  await updateVolume(tx, snapshot.volumeId, { state: 'Ready' })
  await release(tx, 'volume', { id: snapshot.volumeId, operation })
}

async function revert(deps: SagaDeps, what: Begun, context: StepContext): Promise<BackendVolume> {
  const pool = await deps.plugins.pool(what.pool)
  const facet = pool.provider(context.log).revert
  if (!facet) throw new PluginError('UNSUPPORTED', `pool ${what.pool} reverts nothing`, 'none')
  // Ids of ours are made by us; the brands only keep kinds apart.
  const [volume, snapshot] = [what.volume as VolumeId, what.snapshot as SnapshotId]
  return saying(
    'The storage system did not revert the volume, which may hold data of the snapshot, or as before',
    async () => facet.revert(volume, snapshot, part(context.call, 'revert')),
  )
}

/** A volume that has grown since is as large again as it was: the array gives back the rest. One that had shrunk so is as large as then. */
async function recordSize(tx: Tx, volume: string, bytes: number): Promise<void> {
  const held = await reservationOf(tx, volume)
  if (held && !(await changeReservation(tx, volume, { bytes, iops: held.iops })))
    throw new Refusal(
      'NO_CAPACITY',
      `The storage system made more of volume ${volume} than was reserved, ${inWords(bytes)}, and its pool has no room left for that`,
    )
  await updateLocation(tx, volume, { bytes })
  await updateVolume(tx, volume, { bytes })
}
