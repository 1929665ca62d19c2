import { asPluginError, type SnapshotId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { SNAPSHOT_MACHINE } from '../domain/snapshot.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { locationOf } from '../store/locations.ts'
import { resourcesOfSnapshot } from '../store/resources.ts'
import {
  copiesOf,
  archiveCopyOf,
  copiesOfVolume,
  destroySnapshot,
  lockSnapshot,
  updateCopies,
  updateCopiesIn,
  updateSnapshot,
} from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { volumeById } from '../store/volumes.ts'
import { mayPass, part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { removeFromArchive } from './archiving.ts'
import { ends, type Outcome } from './outcome.ts'
import { deleteBytes, forgetBytes } from './volume-delete.ts'

/** Delete `snapshot` and all its copies; `only` those on an array where that is told: the snapshot then stays, in its archive. */
export interface SnapshotDeleteInput {
  readonly snapshot: string
  readonly only?: 'array'
}

/** Deletes a snapshot; with the last one on an array goes what was left of a deleted volume. */
export const snapshotDelete = sagaHead<SnapshotDeleteInput>({
  name: 'snapshot-delete',
  version: 2,
  lane: 'housekeeping',
  needs: async (tx, { snapshot }) => resourcesOfSnapshot(tx, snapshot),
  about: ({ snapshot }) => ({ kind: 'snapshot', id: snapshot }),
})

const OUTCOME: Outcome<SnapshotDeleteInput> = {
  type: 'SNAPSHOT.DELETE',
  kind: 'Snapshot',
  id: ({ snapshot }) => snapshot,
  doing: 'deleting snapshot',
}

interface Begun {
  readonly snapshot: string
  readonly zone: string
  readonly pools: readonly string[]
  readonly archives: readonly string[]
  /** Array object of a deleted volume that goes when this is its last snapshot. */
  readonly tombstone?: { readonly volume: string; readonly pool: string }
}

/**
 * Steps: begin, delete (copies on arrays), archive (copies in archives), tombstone. When a copy on an array could not be
 * deleted but is still there, the snapshot is as it was; when it is gone, or nobody answers, it stays Destroying, or its copy
 * deleting, and a reconciler finishes.
 */
export function snapshotDeleteSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<SnapshotDeleteInput, Tx>(snapshotDelete)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(tx, input, under),
      unrecord: async (tx, { input }, under) => restore(tx, input.snapshot, under),
    })
    .step('delete', {
      run: async ({ begin }, context) => deleteCopies(deps, begin, context),
      record: async (tx, { begin: { snapshot } }) => updateCopiesIn(tx, { snapshot, kind: 'array' }, { state: 'gone' }),
      undo: async ({ begin }, context) => ((await allThere(deps, begin, context)) ? 'there' : 'not there'),
      unrecord: async (tx, { begin }, { found, operation }) => {
        // Released here, so that undoing `begin` does not call usable what has lost its bytes.
        if (found === 'not there') await release(tx, 'snapshot', { id: begin.snapshot, operation })
      },
    })
    .step('archive', {
      run: async ({ begin: { snapshot, zone, archives } }, context) => {
        for (const archive of archives) await removeFromArchive(deps, { snapshot, zone, archive }, context)
      },
      record: async (tx, { input: { only }, begin: { snapshot } }) => {
        if (only === undefined) await updateCopiesIn(tx, { snapshot, kind: 'archive' }, { state: 'gone' })
      },
      undo: async () => {},
    })
    .step('tombstone', {
      run: async ({ begin: { tombstone } }, context) =>
        tombstone ? deleteBytes(deps, { ...tombstone, snapshots: 1 }, context) : 'tombstone',
      record: async (tx, { begin: { tombstone } }, leftover) => {
        if (tombstone && leftover === 'gone') await forgetBytes(tx, tombstone.volume)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        if (input.only === undefined) await destroySnapshot(tx, input.snapshot)
        await release(tx, 'snapshot', { id: input.snapshot, operation })
      }),
    )
}

async function begin(tx: Tx, input: SnapshotDeleteInput, under: Under): Promise<Begun> {
  const snapshot = await lockSnapshot(tx, input.snapshot)
  if (!snapshot || snapshot.removedAt) throw new Refusal('NOT_FOUND', `There is no snapshot ${input.snapshot}`)
  const of = `Snapshot ${snapshot.id}`
  if (input.only === undefined) {
    const state = next(SNAPSHOT_MACHINE, snapshot.state, { event: 'DestroyRequested', of })
    await updateSnapshot(tx, snapshot.id, { state })
  } else if (snapshot.state !== 'BackedUp' || (await archiveCopyOf(tx, snapshot.id)) === undefined) {
    throw new Refusal('INVALID', `${of} has no copy but that on its array`)
  }
  await hold(tx, 'snapshot', { id: snapshot.id, operation: under.operation })
  const copies = (await copiesOf(tx, snapshot.id)).filter(({ kind }) => input.only === undefined || kind === input.only)
  const onArray = copies.filter(({ kind }) => kind === 'array')
  await updateCopiesIn(tx, { snapshot: snapshot.id, kind: 'array' }, { state: 'deleting' })
  if (input.only === undefined)
    await updateCopiesIn(tx, { snapshot: snapshot.id, kind: 'archive' }, { state: 'deleting' })
  const volume = await volumeById(tx, snapshot.volumeId)
  const location = await locationOf(tx, snapshot.volumeId)
  const others = (await copiesOfVolume(tx, snapshot.volumeId)) - onArray.length
  const last = volume?.state === 'Expunged' && location !== undefined && others <= 0
  return {
    snapshot: snapshot.id,
    zone: snapshot.zoneId,
    pools: onArray.flatMap(({ poolId }) => poolId ?? []),
    archives: copies.flatMap(({ archiveId }) => archiveId ?? []),
    ...(last ? { tombstone: { volume: snapshot.volumeId, pool: location.poolId } } : {}),
  }
}

async function deleteCopies(deps: SagaDeps, what: Begun, context: StepContext): Promise<void> {
  for (const id of what.pools) {
    const pool = await deps.plugins.pool(id)
    const { snapshots } = pool.provider(context.log)
    await saying('The storage system did not delete the snapshot', async () =>
      // An id of ours is made by us; the brand only keeps kinds apart.
      snapshots?.delete(what.snapshot as SnapshotId, part(context.call, `delete/${id}`)),
    )
  }
}

/** Whether every copy is certainly still there. */
async function allThere(deps: SagaDeps, what: Begun, context: StepContext): Promise<boolean> {
  for (const id of what.pools) {
    const pool = await deps.plugins.pool(id)
    try {
      // An id of ours is made by us; the brand only keeps kinds apart.
      const found = await pool
        .provider(context.log)
        .snapshots?.get(what.snapshot as SnapshotId, part(context.call, `look/${id}`))
      if (!found) return false
    } catch (error) {
      if (mayPass(asPluginError(error))) return false
      throw error
    }
  }
  return what.pools.length > 0
}

async function restore(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'snapshot', { id, operation }))) return
  const copies = await copiesOf(tx, id)
  // One that never had a copy was in Error, or not yet taken: there is nothing to restore it to but Error.
  await updateSnapshot(tx, id, { state: copies.length > 0 ? 'BackedUp' : 'Error' })
  await updateCopies(tx, id, { state: 'present' })
  await release(tx, 'snapshot', { id, operation })
}
