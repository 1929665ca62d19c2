import type { Failure } from '../jobs/saga.ts'
import { ROOT_DEVICE } from '../domain/volume.ts'
import type { VolumeRow } from './generated/schema.ts'
import type { Reader } from './store.ts'

/** The root disk of a VM; `undefined` when it has none: it boots what its host holds, or nothing. */
export async function rootOf(reader: Reader, vm: string): Promise<VolumeRow | undefined> {
  return reader
    .selectFrom('volume')
    .innerJoin('attachment', 'attachment.volumeId', 'volume.id')
    .selectAll('volume')
    .where('attachment.vmId', '=', vm)
    .where('attachment.deviceId', '=', ROOT_DEVICE)
    .where('volume.type', '=', 'ROOT')
    .executeTakeFirst()
}

/** The last operation of a saga about a volume: whether it is still open, and why it failed, if it did. */
export async function lastAbout(
  reader: Reader,
  of: { readonly volume: string; readonly saga: string },
): Promise<{ readonly open: boolean; readonly failure: Failure | null } | undefined> {
  const row = await reader
    .selectFrom('operation')
    .select(['endedAt', 'failure'])
    .where('subjectId', '=', of.volume)
    .where('saga', '=', of.saga)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  // Only the journal writes it, from a `Failure`.
  return row && { open: row.endedAt === null, failure: row.failure as Failure | null }
}
