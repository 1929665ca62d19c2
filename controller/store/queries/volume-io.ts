import type { IoCounters } from '../../domain/usage.ts'
import type { Reader } from '../store.ts'

/** The I/O of the volumes that each VM has just now; VMs without volumes are absent. */
export async function ioOfVms(reader: Reader, vms: readonly string[]): Promise<ReadonlyMap<string, IoCounters>> {
  if (vms.length === 0) return new Map()
  const rows = await reader
    .selectFrom('attachment')
    .innerJoin('volumeIo', 'volumeIo.volumeId', 'attachment.volumeId')
    .select(['attachment.vmId'])
    .select(({ fn, cast }) => [
      cast<number>(fn.sum('volumeIo.readOps'), 'bigint').as('readOps'),
      cast<number>(fn.sum('volumeIo.writeOps'), 'bigint').as('writeOps'),
      cast<number>(fn.sum('volumeIo.readBytes'), 'bigint').as('readBytes'),
      cast<number>(fn.sum('volumeIo.writeBytes'), 'bigint').as('writeBytes'),
    ])
    .where('attachment.vmId', 'in', vms)
    .groupBy('attachment.vmId')
    .execute()
  return new Map(rows.map(({ vmId, ...io }) => [vmId, io]))
}
