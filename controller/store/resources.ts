import { sql } from 'kysely'
import { resourceName } from '../domain/resource.ts'
import type { Reader, Tx } from './store.ts'

const OPEN = ['queued', 'running', 'undoing'] as const

/**
 * The locks that an operation on the volume needs: the volume, the VM it is attached to, and every VM and snapshot that
 * an open operation on the volume names (it may attach it before our turn comes). Locks the volume's row until the
 * transaction ends, so that of two concurrent submissions the later one sees the earlier. Submit in the same transaction.
 */
export async function resourcesOfVolume(tx: Tx, volume: string): Promise<readonly string[]> {
  const row = await tx
    .selectFrom('volume')
    .select(['sourceSnapshotId', 'state'])
    .where('id', '=', volume)
    .forUpdate()
    .executeTakeFirst()
  const attached = await tx.selectFrom('attachment').select('vmId').where('volumeId', '=', volume).execute()
  const own = resourceName('volume', volume)
  const open = await tx
    .selectFrom('operation')
    .select('resources')
    .where('state', 'in', OPEN)
    .where(sql<boolean>`resources @> array[${own}]`)
    .execute()
  const named = open.flatMap(({ resources }) => resources).filter((name) => name.startsWith('vm:'))
  const source = row?.state === 'Allocated' && row.sourceSnapshotId !== null ? [row.sourceSnapshotId] : []
  return unique([
    own,
    ...attached.map(({ vmId }) => resourceName('vm', vmId)),
    ...named,
    ...source.map((id) => resourceName('snapshot', id)),
  ])
}

/** As `resourcesOfVolume`, for the volume of the snapshot, and with the snapshot itself. */
export async function resourcesOfSnapshot(tx: Tx, snapshot: string): Promise<readonly string[]> {
  const row = await tx.selectFrom('snapshot').select('volumeId').where('id', '=', snapshot).executeTakeFirst()
  const own = resourceName('snapshot', snapshot)
  return row ? unique([own, ...(await resourcesOfVolume(tx, row.volumeId))]) : [own]
}

/** Whether an operation that is open holds, or waits for, the lock of that name. */
export async function isBusy(reader: Reader, resource: string): Promise<boolean> {
  const row = await reader
    .selectFrom('operation')
    .select('id')
    .where('state', 'in', OPEN)
    .where(sql<boolean>`resources @> array[${resource}]`)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Sorted, so that the order says nothing. */
export function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}
