import { Refusal } from '../domain/failures.ts'
import { checkLimits } from '../sagas/limits.ts'
import { archivingOf, snapshotArchive } from '../sagas/snapshot-archive.ts'
import { snapshotDelete } from '../sagas/snapshot-delete.ts'
import { archivesOfZone } from '../store/archives.ts'
import { moversOfZone } from '../store/movers.ts'
import { snapshotStanding } from '../store/queries/standing.ts'
import { archiveCopyOf } from '../store/snapshots.ts'
import type { Reader, Tx } from '../store/store.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** A snapshot to archive. `keepPrimary`: its copy on the array stays there. */
export interface ArchivingRequest {
  readonly id: string
  readonly keepPrimary: boolean
}

/**
 * Submits archiving a snapshot; of one that is archived already and still on its array, that it goes from there. Refuses
 * where the zone has no archive or no mover, and, where no operation is open on it, a snapshot that is not on its array, or is
 * where it is to be.
 */
export async function archiveSnapshot(by: By, { id, keepPrimary }: ArchivingRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const snapshot = certain(await snapshotStanding(tx, id), 'id')
    await checkArchivable(tx, snapshot.zoneId)
    const { accountId: account, name } = snapshot
    if (!snapshot.busy && (await isArchived(tx, snapshot, keepPrimary))) {
      const input = { snapshot: id, only: 'array' } as const
      const event = eventOf({ id, name, accountId: account })
      return { operation: await submit(tx, by, { command: 'archiveSnapshot', event, head: snapshotDelete, input }), id }
    }
    if (!snapshot.busy) await checkLimits(tx, account, { secondaryBytes: snapshot.bytes })
    return { operation: await submitArchiving(tx, by, { snapshot, command: 'archiveSnapshot', keepPrimary }), id }
  })
}

/** Submits archiving a snapshot, told apart from the one of its volume that was archived before it. */
export async function submitArchiving(
  tx: Tx,
  by: By,
  what: {
    readonly snapshot: Named & { readonly volumeId: string }
    readonly command: string
    readonly keepPrimary: boolean
  },
): Promise<string> {
  const { snapshot, command, keepPrimary } = what
  const input = await archivingOf(tx, { snapshot: snapshot.id, volume: snapshot.volumeId, keepPrimary })
  return submit(tx, by, { command, event: eventOf(snapshot), head: snapshotArchive, input })
}

interface Named {
  readonly id: string
  readonly name: string
  readonly accountId: string
}

function eventOf({ id, name, accountId: account }: Named) {
  const description = `Archiving snapshot ${name}`
  return { type: 'SNAPSHOT.ARCHIVE', description, account, resource: { kind: 'Snapshot', id } }
}

/** Whether there is nothing left to do but to take it from its array. */
async function isArchived(
  tx: Tx,
  snapshot: { readonly id: string; readonly state: string; readonly poolId: string | null },
  keepPrimary: boolean,
): Promise<boolean> {
  const { id, state, poolId } = snapshot
  if (state !== 'BackedUp')
    throw new Refusal('INVALID', `A snapshot in state ${state} cannot be archived: it must be BackedUp`)
  const archived = (await archiveCopyOf(tx, id)) !== undefined
  if (poolId === null || (archived && keepPrimary))
    throw new Refusal('INVALID', `Invalid parameter id: snapshot ${id} is in secondary storage already`)
  return archived
}

/** Throws `Refusal` where nothing of the zone can be archived at all. */
export async function checkArchivable(
  reader: Reader,
  zone: string,
  what: 'snapshot' | 'template' = 'snapshot',
): Promise<void> {
  if ((await archivesOfZone(reader, zone)).length === 0)
    throw new Refusal('INVALID', `The ${what} would go to secondary storage, and the zone has none`)
  if ((await moversOfZone(reader, zone)).length === 0)
    throw new Refusal('INVALID', `The ${what} would go to secondary storage, and the zone has no data mover`)
}
