import { randomUUID } from 'node:crypto'
import { type BackendSnapshot, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next, peek } from '../domain/machine.ts'
import { inService } from '../domain/pool.ts'
import { SNAPSHOT_MACHINE } from '../domain/snapshot.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { locationOf } from '../store/locations.ts'
import { pinPools } from '../store/pools.ts'
import { resourcesOfSnapshot } from '../store/resources.ts'
import {
  copiesOfVolume,
  insertCopy,
  lockSnapshot,
  snapshotById,
  updateCopies,
  updateSnapshot,
} from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, updateVolume } from '../store/volumes.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** Take `snapshot`, a row in state Allocated. */
export interface SnapshotCreateInput {
  readonly snapshot: string
}

/** Takes a snapshot on the array that holds the volume. */
export const snapshotCreate = sagaHead<SnapshotCreateInput>({
  name: 'snapshot-create',
  version: 1,
  lane: 'motion',
  needs: async (tx, { snapshot }) => resourcesOfSnapshot(tx, snapshot),
  about: ({ snapshot }) => ({ kind: 'snapshot', id: snapshot }),
})

const OUTCOME: Outcome<SnapshotCreateInput> = {
  type: 'SNAPSHOT.CREATE',
  kind: 'Snapshot',
  id: ({ snapshot }) => snapshot,
  doing: 'creating snapshot',
}

interface Begun {
  readonly snapshot: string
  readonly volume: string
  readonly pool: string
}

/** Steps: begin, take. A snapshot that was not taken ends in Error, from which it can be deleted. */
export function snapshotCreateSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<SnapshotCreateInput, Tx>(snapshotCreate)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.snapshot, under),
    })
    .step('take', {
      run: async ({ begin }, context) => take(deps, begin, context),
      record: async (tx, { begin }, taken) => recordTaken(tx, begin, taken),
      undo: async ({ begin }, context) => dropSnapshot(deps, begin, context),
    })
    .build(
      ends(
        OUTCOME,
        async (tx, { begin }, { operation }) => {
          await updateVolume(tx, begin.volume, { state: 'Ready' })
          await release(tx, 'volume', { id: begin.volume, operation })
          await release(tx, 'snapshot', { id: begin.snapshot, operation })
        },
        failSnapshot,
      ),
    )
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: SnapshotCreateInput; readonly under: Under },
): Promise<Begun> {
  const snapshot = await lockSnapshot(tx, input.snapshot)
  const volume = snapshot && (await lockVolume(tx, snapshot.volumeId))
  if (!snapshot || !volume) throw new Refusal('NOT_FOUND', `There is no snapshot ${input.snapshot}`)
  const { operation } = under
  await hold(tx, 'snapshot', { id: snapshot.id, operation })
  const location = await locationOf(tx, volume.id)
  if (volume.state !== 'Ready' || location?.state !== 'present') {
    throw new Refusal('INVALID', `Volume ${volume.id} is not in Ready state but ${volume.state}. Cannot take snapshot.`)
  }
  const [row] = await pinPools(tx, [location.poolId])
  if (!row || !inService(row.state))
    throw new Refusal('UNAVAILABLE', `The storage pool of volume ${volume.id} is not in service`)
  const pool = await poolFacts(deps, row)
  if (!pool.can.has('snapshots')) throw new Refusal('INVALID', `The storage of volume ${volume.id} takes no snapshots`)
  const limit = pool.limits.maxSnapshotsPerVolume
  const copies = await copiesOfVolume(tx, volume.id)
  if (limit !== undefined && copies >= limit) {
    throw new Refusal('INVALID', `Volume ${volume.id} has ${copies} snapshots, its storage keeps ${limit} per volume`)
  }
  await hold(tx, 'volume', { id: volume.id, operation })
  const creating = next(SNAPSHOT_MACHINE, snapshot.state, { event: 'CreateRequested', of: `Snapshot ${snapshot.id}` })
  await updateSnapshot(tx, snapshot.id, { state: creating })
  const busy = next(VOLUME_MACHINE, volume.state, { event: 'SnapshotRequested', of: `Volume ${volume.id}` })
  await updateVolume(tx, volume.id, { state: busy })
  await insertCopy(tx, { id: randomUUID(), snapshotId: snapshot.id, kind: 'array', poolId: row.id, state: 'intended' })
  return { snapshot: snapshot.id, volume: volume.id, pool: row.id }
}

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'snapshot', { id, operation }))) return
  const snapshot = await snapshotById(tx, id)
  await updateCopies(tx, id, { state: 'gone' })
  await updateSnapshot(tx, id, { state: 'Creating' })
  await release(tx, 'snapshot', { id, operation })
  if (!snapshot) return
  await updateVolume(tx, snapshot.volumeId, { state: 'Ready' })
  await release(tx, 'volume', { id: snapshot.volumeId, operation })
}

/** A snapshot that was not taken says so, also when it was refused before anything began. */
async function failSnapshot(tx: Tx, { snapshot: id }: SnapshotCreateInput): Promise<void> {
  const snapshot = await lockSnapshot(tx, id)
  const state = snapshot && peek(SNAPSHOT_MACHINE, snapshot.state, 'OperationFailed')
  if (state === 'Error') await updateSnapshot(tx, id, { state })
}

async function take(deps: SagaDeps, what: Begun, context: StepContext): Promise<BackendSnapshot> {
  const pool = await deps.plugins.pool(what.pool)
  const { snapshots } = pool.provider(context.log)
  if (!snapshots) throw new PluginError('UNSUPPORTED', `pool ${what.pool} takes no snapshots`, 'none')
  // Ids of ours are made by us; the brands only keep kinds apart.
  const spec = { id: what.snapshot as SnapshotId, volume: what.volume as VolumeId }
  return saying('The storage system did not take the snapshot', async () =>
    snapshots.create(spec, part(context.call, 'create')),
  )
}

async function recordTaken(tx: Tx, what: Begun, taken: BackendSnapshot): Promise<void> {
  const of = `Snapshot ${what.snapshot}`
  const onArray = next(SNAPSHOT_MACHINE, 'Creating', { event: 'OperationSucceeded', of })
  const state = next(SNAPSHOT_MACHINE, onArray, { event: 'OperationNotPerformed', of })
  await updateSnapshot(tx, what.snapshot, { state, bytes: taken.bytes, takenAt: new Date(taken.takenAt) })
  await updateCopies(tx, what.snapshot, { state: 'present', name: taken.name, bytes: taken.usedBytes })
}

/** Deletes what `take` may have made. */
async function dropSnapshot(deps: SagaDeps, what: Begun, context: StepContext): Promise<void> {
  const pool = await deps.plugins.pool(what.pool)
  // An id of ours is made by us; the brand only keeps kinds apart.
  await pool.provider(context.log).snapshots?.delete(what.snapshot as SnapshotId, part(context.call, 'delete'))
}
