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

/** I/O that one reading found to be new. */
export interface IoMoment extends IoCounters {
  readonly at: Date
}

/** What was read of each volume from `since` until just before `till`, the oldest first; volumes without I/O are absent. */
export async function ioHistory(
  reader: Reader,
  of: { readonly volumes: readonly string[]; readonly since: Date; readonly till: Date },
): Promise<ReadonlyMap<string, readonly IoMoment[]>> {
  if (of.volumes.length === 0) return new Map()
  const rows = await reader
    .selectFrom('usageIo')
    .select(['volumeId', 'at', 'readOps', 'writeOps', 'readBytes', 'writeBytes'])
    .where('volumeId', 'in', of.volumes)
    .where('at', '>=', of.since)
    .where('at', '<', of.till)
    .orderBy('seq')
    .execute()
  return Map.groupBy(rows, ({ volumeId }) => volumeId)
}
