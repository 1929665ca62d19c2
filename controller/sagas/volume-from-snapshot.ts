import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type Under } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, updateVolume } from '../store/volumes.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { makeVolume, recordMade, unmakeVolume, unrecordMade } from './making.ts'
import { ends, type Outcome } from './outcome.ts'
import { placeVolume, unplace, type VolumePlan } from './placing.ts'

/** Fill `volume`, a row in state Allocated, with the bytes of `snapshot`. */
export interface VolumeFromSnapshotInput {
  readonly volume: string
  readonly snapshot: string
}

/** Makes a volume on the array from one of its snapshots, in the pool that holds the snapshot. */
export const volumeFromSnapshot = sagaHead<VolumeFromSnapshotInput>({
  name: 'volume-from-snapshot',
  version: 1,
  lane: 'motion',
  needs: async (tx, { volume, snapshot }) =>
    unique([resourceName('snapshot', snapshot), ...(await resourcesOfVolume(tx, volume))]),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME: Outcome<VolumeFromSnapshotInput> = {
  type: 'VOLUME.CREATE',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'creating volume',
}

/** Steps: begin, clone. A failure leaves the volume Allocated: the next attach tries again. */
export function volumeFromSnapshotSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeFromSnapshotInput, Tx>(volumeFromSnapshot)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, { operation }) => {
        if (!(await isHeld(tx, 'volume', { id: input.volume, operation }))) return
        await unplace(tx, input.volume)
        await updateVolume(tx, input.volume, { state: 'Allocated' })
        await release(tx, 'volume', { id: input.volume, operation })
      },
    })
    .step('clone', {
      run: async ({ begin }, context) => makeVolume(deps, begin, context),
      record: async (tx, { begin }, made) => recordMade(tx, begin, made),
      undo: async ({ begin }, context) => unmakeVolume(deps, begin, context),
      unrecord: async (tx, { begin }) => unrecordMade(tx, begin),
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        const state = next(VOLUME_MACHINE, 'Creating', { event: 'OperationSucceeded', of: `Volume ${input.volume}` })
        await updateVolume(tx, input.volume, { state })
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: VolumeFromSnapshotInput; readonly under: Under },
): Promise<VolumePlan> {
  const volume = await lockVolume(tx, input.volume)
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  const state = next(VOLUME_MACHINE, volume.state, { event: 'CreateRequested', of: `Volume ${volume.id}` })
  await hold(tx, 'volume', { id: volume.id, operation: under.operation })
  const plan = await placeVolume(tx, deps, { volume: { ...volume, sourceSnapshotId: input.snapshot }, under })
  await updateVolume(tx, volume.id, { state, sourceSnapshotId: input.snapshot })
  return plan
}
