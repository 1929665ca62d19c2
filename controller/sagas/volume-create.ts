import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { sagaHead } from './head.ts'
import { ends } from './outcome.ts'

/** `volume` is a row in state Allocated. */
export interface VolumeCreateInput {
  readonly volume: string
}

/** What is left to do for a volume that lives nowhere yet, after its row was made: nothing. It gives the command its job. */
export const volumeCreate = sagaHead<VolumeCreateInput>({
  name: 'volume-create',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME = {
  type: 'VOLUME.CREATE',
  kind: 'Volume',
  id: ({ volume }: VolumeCreateInput) => volume,
  doing: 'creating volume',
} as const

/** A volume gets its place at the first attach, so there is a single step and no effect. */
export function volumeCreateSaga(): SagaDefinition<Tx> {
  return saga<VolumeCreateInput, Tx>(volumeCreate)
    .step('begin', { decide: async () => ({}) })
    .build(ends(OUTCOME, async () => {}))
}
