import { sql } from 'kysely'
import { resourceName } from '../domain/resource.ts'
import type { VolumeRow } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'
import { raw, together } from './together.ts'

const OPEN = ['queued', 'running', 'undoing'] as const

/**
 * The locks that an operation on the volume needs: the volume, the VM it is attached to, and every VM and snapshot that
 * an open operation on the volume names (it may attach it before our turn comes). Locks the volume's row until the
 * transaction ends, so that of two concurrent submissions the later one sees the earlier. Submit in the same transaction.
 */
export async function resourcesOfVolume(tx: Tx, volume: string): Promise<readonly string[]> {
  const own = resourceName('volume', volume)
  const [[row], named] = await together<[Pick<VolumeRow, 'sourceSnapshotId' | 'state'>, { readonly name: string }]>(
    tx,
    tx.selectFrom('volume').select(['sourceSnapshotId', 'state']).where('id', '=', volume).forUpdate(),
    raw(
      tx,
      sql<{ readonly name: string }>`
      select 'vm:' || vm_id as name from attachment where volume_id = ${volume}
      union
      select name from operation, unnest(resources) as name
      where state in ('queued', 'running', 'undoing') and resources @> array[${own}] and name like 'vm:%'`,
    ),
  )
  const source = row?.state === 'Allocated' && row.sourceSnapshotId !== null ? [row.sourceSnapshotId] : []
  return unique([own, ...named.map(({ name }) => name), ...source.map((id) => resourceName('snapshot', id))])
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
