import { Refusal } from '../domain/failures.ts'
import { checkLimits } from '../sagas/limits.ts'
import { snapshotCreate } from '../sagas/snapshot-create.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import { insertSnapshot, snapshotById } from '../store/snapshots.ts'
import { writeTags } from '../store/tags.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { freshId, ID_TAKEN } from './custom-id.ts'
import { checkArchivable, submitArchiving } from './snapshot-archive.ts'
import { type By, carriedOut, submit } from './submit.ts'
import { unlessTaken } from './taken.ts'

/** A snapshot to take. `name` absent: volume and time. `location`: CloudStack's `locationtype`. */
export interface SnapshotRequest {
  readonly volume: string
  readonly name?: string
  readonly location?: string
  /** Of one that goes to secondary storage: the job ends once it is taken, and it is archived by another. */
  readonly inBackground: boolean
  readonly quiesce: boolean
  /** The id it shall have: a UUID chosen by an administrator, so that asking twice takes one snapshot. */
  readonly customId?: string
  readonly tags: Readonly<Record<string, string>>
}

/**
 * Records the snapshot and submits taking it, and archiving it where it is to be in secondary storage: then the job is that of
 * archiving, which waits for its turn behind the other. Refuses, naming the parameter: a location that cannot be, and where no
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
      const archived = goesToArchive(location, volume.poolManaged)
      if (archived) await checkArchivable(tx, volume.zoneId)
      const more = archived ? { secondaryBytes: volume.bytes } : {}
      await checkLimits(tx, volume.accountId, { snapshots: 1, ...more })
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
      const taking = await submit(tx, by, {
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
      if (!archived) return { operation: taking, id }
      const archiving = await submitArchiving(tx, by, {
        snapshot: { id, name, volumeId: volume.id, accountId: volume.accountId },
        command: 'createSnapshot',
        keepPrimary: false,
      })
      return { operation: request.inBackground ? taking : archiving, id }
    }),
  )
}

/** Whether a snapshot is to be archived. Throws `Refusal` for a location that cannot be chosen. `managed` is null while the volume lives nowhere: it may still come to live on a managed pool. */
export function goesToArchive(location: 'PRIMARY' | 'SECONDARY' | undefined, managed: boolean | null): boolean {
  if (managed === false && location !== undefined)
    throw new Refusal('INVALID', 'Invalid parameter locationtype: it is for volumes on managed storage only')
  return managed === false || location === 'SECONDARY'
}
