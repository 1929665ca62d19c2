import { Refusal } from '../domain/failures.ts'
import { recovered } from '../domain/volume.ts'
import { locationOf } from '../store/locations.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import { lockVolume, updateVolume } from '../store/volumes.ts'
import { certain } from './certain.ts'
import { type By, note } from './submit.ts'

/**
 * Takes a destroyed volume back, at once. Refused in any other state, and while an operation is open on it: its deletion
 * may have begun. Locks the row as every submission does, so that a deletion is either seen here or finds it recovered.
 */
export async function recoverVolume(by: By, id: string): Promise<void> {
  await by.system.store.transact(async (tx) => {
    certain(await lockVolume(tx, id), 'id')
    const volume = certain(await volumeStanding(tx, id), 'id')
    if (volume.busy) throw new Refusal('INVALID', 'The volume cannot be recovered while an operation on it is open')
    if (volume.state !== 'Destroy')
      throw new Refusal('INVALID', `A volume in state ${volume.state} cannot be recovered: it must be in state Destroy`)
    if (volume.vmId !== null)
      throw new Refusal('INVALID', 'The volume was destroyed with its virtual machine, and is recovered with it')
    const location = await locationOf(tx, id)
    await updateVolume(tx, id, { state: recovered(location !== undefined), destroyedAt: null })
    await note(tx, by, {
      type: 'VOLUME.RECOVER',
      description: `Recovered volume ${volume.name}`,
      account: volume.accountId,
      resource: { kind: 'Volume', id },
    })
  })
}
