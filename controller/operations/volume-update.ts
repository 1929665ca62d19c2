import { Refusal } from '../domain/failures.ts'
import { volumeUpdate } from '../sagas/volume-update.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** What to change of a volume's record; absent means as it is. */
export interface VolumeChange {
  readonly volume: string
  readonly name?: string
  readonly chainInfo?: string
  readonly display?: boolean
}

/** Submits the change of name and labels, which waits for what is being done with the volume. Nothing on the array changes. */
export async function changeVolume(by: By, change: VolumeChange): Promise<Submitted> {
  if (change.name === '') throw new Refusal('INVALID', 'Invalid parameter name: it must not be empty')
  return await carriedOut(by, async (tx) => {
    const volume = certain(await volumeStanding(tx, change.volume), 'id')
    const operation = await submit(tx, by, {
      command: 'updateVolume',
      head: volumeUpdate,
      input: change,
      event: {
        type: 'VOLUME.UPDATE',
        description: `Changing volume ${volume.name}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id: volume.id },
      },
    })
    return { operation, id: volume.id }
  })
}
