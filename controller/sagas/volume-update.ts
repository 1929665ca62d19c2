import { Refusal } from '../domain/failures.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, updateVolume } from '../store/volumes.ts'
import { sagaHead } from './head.ts'
import { ends } from './outcome.ts'

/** What to change of the record of `volume`; absent means as it is. */
export interface VolumeUpdateInput {
  readonly volume: string
  readonly name?: string
  readonly chainInfo?: string
  readonly display?: boolean
}

/** Changes what a volume is called and how it is shown. */
export const volumeUpdate = sagaHead<VolumeUpdateInput>({
  name: 'volume-update',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME = {
  type: 'VOLUME.UPDATE',
  kind: 'Volume',
  id: ({ volume }: VolumeUpdateInput) => volume,
  doing: 'changing volume',
} as const

/** One step, in the database only. */
export function volumeUpdateSaga(): SagaDefinition<Tx> {
  return saga<VolumeUpdateInput, Tx>(volumeUpdate)
    .step('begin', {
      decide: async (tx, { input: { volume: id, ...changes } }) => {
        const volume = await lockVolume(tx, id)
        if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${id}`)
        if (Object.keys(changes).length > 0) await updateVolume(tx, id, changes)
        return {}
      },
    })
    .build(ends(OUTCOME, async () => {}))
}
