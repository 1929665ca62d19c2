import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { attachmentOf } from '../store/attachments.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, volumeDestroyed } from '../store/volumes.ts'
import { sagaHead } from './head.ts'
import { ends } from './outcome.ts'

/** Put `volume` aside, to be deleted later. */
export interface VolumeDestroyInput {
  readonly volume: string
}

/** Puts a volume aside: it can be recovered until the clean-up deletes it. Its bytes stay. */
export const volumeDestroy = sagaHead<VolumeDestroyInput>({
  name: 'volume-destroy',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME = {
  type: 'VOLUME.DESTROY',
  kind: 'Volume',
  id: ({ volume }: VolumeDestroyInput) => volume,
  doing: 'destroying volume',
} as const

/** One step, in the database only: destroying what is destroyed is success. */
export function volumeDestroySaga(): SagaDefinition<Tx> {
  return saga<VolumeDestroyInput, Tx>(volumeDestroy)
    .step('begin', {
      decide: async (tx, { input }) => {
        const volume = await lockVolume(tx, input.volume)
        if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
        if (volume.state === 'Destroy') return {}
        if (await attachmentOf(tx, volume.id))
          throw new Refusal('INVALID', 'Please specify a volume that is not attached to any VM.')
        const state = next(VOLUME_MACHINE, volume.state, { event: 'DestroyRequested', of: `Volume ${volume.id}` })
        await volumeDestroyed(tx, volume.id, state)
        return {}
      },
    })
    .build(ends(OUTCOME, async () => {}))
}
