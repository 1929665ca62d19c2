import { Refusal } from '../domain/failures.ts'
import { checkLimits } from '../sagas/limits.ts'
import { snapshotCreate } from '../sagas/snapshot-create.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import { insertSnapshot, snapshotById } from '../store/snapshots.ts'
import { writeTags } from '../store/tags.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { freshId, ID_TAKEN } from './custom-id.ts'
import { type By, carriedOut, submit } from './submit.ts'
import { unlessTaken } from './taken.ts'

/** A snapshot to take. `name` absent: volume and time. `location`: CloudStack's `locationtype`. */
export interface SnapshotRequest {
  readonly volume: string
  readonly name?: string
  readonly location?: string
  readonly quiesce: boolean
  /** The id it shall have: a UUID chosen by an administrator, so that asking twice takes one snapshot. */
  readonly customId?: string
  readonly tags: Readonly<Record<string, string>>
}

/**
 * Records the snapshot and submits taking it. Refuses, naming the parameter: a location that cannot be, and where no
 * operation is open on the volume, one that is not Ready.
 */
export async function createSnapshot(by: By, request: SnapshotRequest): Promise<Submitted> {
  const location = request.location?.toUpperCase()
  if (location !== undefined && location !== 'PRIMARY' && location !== 'SECONDARY')
    throw new Refusal('INVALID', 'Invalid parameter locationtype: it must be PRIMARY or SECONDARY')
  if (request.quiesce) throw new Refusal('INVALID', "can't handle quiescevm equal true for volume snapshot")
  return await unlessTaken(ID_TAKEN, () =>
    carriedOut(by, async (tx) => {
      const volume = certain(await volumeStanding(tx, request.volume), 'volumeid')
      if (!volume.busy && volume.state !== 'Ready')
        throw new Refusal(
          'INVALID',
          `VolumeId: ${volume.id} is not in Ready state but ${volume.state}. Cannot take snapshot.`,
        )
      checkLocation(location, volume.poolManaged)
      await checkLimits(tx, volume.accountId, { snapshots: 1 })
      const id = await freshId(
        by.caller,
        request.customId,
        async (chosen) => (await snapshotById(tx, chosen)) !== undefined,
      )
      const name = request.name ?? `${volume.name}_${new Date().toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}`
      await insertSnapshot(tx, {
        id,
        accountId: volume.accountId,
        zoneId: volume.zoneId,
        volumeId: volume.id,
        name,
        state: 'Allocated',
        bytes: volume.bytes,
      })
      const tag = { resourceType: 'Snapshot', resourceId: id, accountId: volume.accountId }
      await writeTags(
        tx,
        Object.entries(request.tags).map(([key, value]) => ({ ...tag, key, value })),
      )
      const operation = await submit(tx, by, {
        command: 'createSnapshot',
        head: snapshotCreate,
        input: { snapshot: id },
        event: {
          type: 'SNAPSHOT.CREATE',
          description: `Taking snapshot ${name} of volume ${volume.name}`,
          account: volume.accountId,
          resource: { kind: 'Snapshot', id },
        },
      })
      return { operation, id }
    }),
  )
}

/** `managed` is null while the volume lives nowhere: then it may still come to live on a managed pool. */
function checkLocation(location: 'PRIMARY' | 'SECONDARY' | undefined, managed: boolean | null): void {
  if (managed === false && location !== undefined)
    throw new Refusal('INVALID', 'Invalid parameter locationtype: it is for volumes on managed storage only')
  if (managed === false || location === 'SECONDARY')
    throw new Refusal('INVALID', 'The snapshot would go to secondary storage, and the zone has none')
}
