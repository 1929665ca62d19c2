import { sql } from 'kysely'
import { updateAttachment } from './attachments.ts'
import type { Reader, Tx } from './store.ts'

/** IOPS and bytes per second. */
export interface Charged {
  readonly iops: number
  readonly rate: number
}

/**
 * What the disks on each host may draw at most that the host throttles itself: of VMs that run there, or are about to; one that
 * migrates counts on both. A host without any is absent. Only under the lock of a host's row does it stay so.
 */
export async function chargesOfHosts(reader: Reader, hosts: readonly string[]): Promise<ReadonlyMap<string, Charged>> {
  if (hosts.length === 0) return new Map()
  const rows = await reader
    .selectFrom('host')
    .innerJoin('vm', (join) =>
      join.on(({ or, eb }) =>
        or([eb('host.id', '=', eb.ref('vm.hostId')), eb('host.id', '=', eb.ref('vm.targetHostId'))]),
      ),
    )
    .innerJoin('attachment', 'attachment.vmId', 'vm.id')
    .select(['host.id', sql<number>`sum(attachment.charged_iops)::bigint`.as('iops')])
    .select(sql<number>`sum(attachment.charged_rate)::bigint`.as('rate'))
    .where('host.id', 'in', [...hosts])
    .where('vm.removedAt', 'is', null)
    .groupBy('host.id')
    .execute()
  return new Map(rows.map(({ id, iops, rate }) => [id, { iops, rate }]))
}

/** What the host is charged for a disk from now on, whichever host that is. Nothing happens when the volume is no disk. */
export async function chargeHost(tx: Tx, volume: string, { iops, rate }: Charged): Promise<void> {
  await updateAttachment(tx, volume, { chargedIops: iops, chargedRate: rate })
}
