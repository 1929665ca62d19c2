import { Refusal } from '../domain/failures.ts'
import { connectionsTo, sealedOf, unsealConnection } from '../store/connections.ts'
import { locationOf } from '../store/locations.ts'
import type { System } from './context.ts'

/** Name of a volume on its array. Throws `Refusal` `INVALID` while it lives nowhere. */
export async function backendName({ store }: System, volume: string): Promise<string> {
  const location = await locationOf(store.reader, volume)
  if (!location?.name) throw new Refusal('INVALID', 'Invalid parameter volumeid: the volume is on no array yet')
  return location.name
}

/** iSCSI name of the target of a volume. Throws `Refusal` `INVALID` while no host reaches it over iSCSI: then it has none. */
export async function targetName({ store }: System, volume: string): Promise<string> {
  for (const access of await connectionsTo(store.reader, [volume])) {
    const sealed = await sealedOf(store.reader, access)
    const connection = sealed === undefined ? undefined : unsealConnection(store, access, sealed)
    if (connection?.via === 'iscsi') return connection.iqn
  }
  throw new Refusal('INVALID', 'Invalid parameter volumeid: no host reaches the volume over iSCSI')
}
