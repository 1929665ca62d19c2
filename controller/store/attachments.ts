import { type Insertable, sql, type Updateable } from 'kysely'
import type {
  AttachmentRow,
  AttachmentTable,
  HostRow,
  LocationRow,
  OfferingRow,
  PoolRow,
  VmRow,
  VolumeRow,
} from './generated/schema.ts'
import { later } from './pipeline.ts'
import { type WayRow, type Ways, waysOf, waysOfVm } from './pool-reach.ts'
import type { Reader, Tx } from './store.ts'
import { together } from './together.ts'

/** Records that a volume is to be a disk of a VM. Throws when it is one already, or the device id is taken. */
export async function insertAttachment(tx: Tx, attachment: Insertable<AttachmentTable>): Promise<void> {
  await later(tx.insertInto('attachment').values(attachment))
}

/** What the volume is attached to, if anything. */
export async function attachmentOf(reader: Reader, volume: string): Promise<AttachmentRow | undefined> {
  return reader.selectFrom('attachment').selectAll().where('volumeId', '=', volume).executeTakeFirst()
}

/** The disks of a VM in the order of their device ids. */
export async function attachmentsOfVm(reader: Reader, vm: string): Promise<readonly AttachmentRow[]> {
  return reader.selectFrom('attachment').selectAll().where('vmId', '=', vm).orderBy('deviceId').execute()
}

/** What is decided on when a volume is to become a disk of a VM: each as its row is, absent where there is none. */
export interface AttachGround {
  readonly volume: VolumeRow | undefined
  readonly vm: VmRow | undefined
  /** What the volume is attached to already. */
  readonly attachment: AttachmentRow | undefined
  /** Disks that the VM has, in the order of their device ids. */
  readonly disks: readonly AttachmentRow[]
  readonly location: LocationRow | undefined
  /** Pools in which the disks of the VM live. */
  readonly pools: readonly string[]
  readonly offering: OfferingRow | undefined
  /** The host that the VM runs on, or else all in its zone. */
  readonly ways: Ways
}

/** Reads all that at once, volume and VM locked, in this order, until the transaction ends. */
export async function lockAttachGround(
  tx: Tx,
  of: { readonly volume: string; readonly vm: string },
): Promise<AttachGround> {
  const attachments = tx.selectFrom('attachment').selectAll()
  const [[volume], [vm], [attachment], disks, [location], pools, [offering], hosts, cutOff] = await together<
    [
      VolumeRow,
      VmRow,
      AttachmentRow,
      AttachmentRow,
      LocationRow,
      { readonly poolId: string },
      OfferingRow,
      HostRow,
      WayRow,
    ]
  >(
    tx,
    tx.selectFrom('volume').selectAll().where('id', '=', of.volume).forUpdate(),
    tx.selectFrom('vm').selectAll().where('id', '=', of.vm).forUpdate(),
    attachments.where('volumeId', '=', of.volume),
    attachments.where('vmId', '=', of.vm).orderBy('deviceId'),
    tx.selectFrom('location').selectAll().where('volumeId', '=', of.volume),
    tx
      .selectFrom('attachment')
      .innerJoin('location', 'location.volumeId', 'attachment.volumeId')
      .select('location.poolId')
      .distinct()
      .where('attachment.vmId', '=', of.vm),
    tx
      .selectFrom('offering')
      .selectAll()
      .where('id', '=', tx.selectFrom('volume').select('offeringId').where('id', '=', of.volume)),
    ...waysOfVm(tx, of.vm),
  )
  const ways = waysOf(hosts, cutOff)
  return { volume, vm, attachment, disks, location, pools: pools.map(({ poolId }) => poolId), offering, ways }
}

/** Changes columns of an attachment. */
export async function updateAttachment(tx: Tx, volume: string, changes: Updateable<AttachmentTable>): Promise<void> {
  await later(tx.updateTable('attachment').set(changes).where('volumeId', '=', volume))
}

/** The machine has the disk, under this name. */
export async function plugged(tx: Tx, volume: string, device: string): Promise<void> {
  await later(
    tx
      .updateTable('attachment')
      .set({ actual: 'attached', device, attachedAt: sql<Date>`coalesce(attached_at, now())` })
      .where('volumeId', '=', volume),
  )
}

/** No machine has a disk of the VM any more. */
export async function unpluggedAll(tx: Tx, vm: string): Promise<void> {
  await later(tx.updateTable('attachment').set({ actual: 'detached', device: null }).where('vmId', '=', vm))
}

/** Forgets the attachment. Nothing happens when there is none. */
export async function deleteAttachment(tx: Tx, volume: string): Promise<void> {
  await later(tx.deleteFrom('attachment').where('volumeId', '=', volume))
}

/** Volumes that are to be detached, which their last operation did not get done. */
export async function attachmentsToFinish(
  reader: Reader,
): Promise<readonly { readonly volumeId: string; readonly accountId: string }[]> {
  return reader
    .selectFrom('attachment')
    .innerJoin('volume', 'volume.id', 'attachment.volumeId')
    .select(['attachment.volumeId', 'volume.accountId'])
    .where('attachment.desired', '=', 'detached')
    .execute()
}

/** A volume with the QoS it is to have and who enforces that where. Vectors as the database holds them. */
export interface QosInUse {
  readonly volume: string
  /** Absent: it is attached to none. */
  readonly vm?: string
  /** A host for the hypervisor's tier: the one on which the machine that has the disk runs. */
  readonly place: { readonly kind: 'pool' | 'host'; readonly id: string }
  /** What was applied; where that was never said, what was requested. */
  readonly expected: unknown
  readonly account: string
  /** What its pool does about limits that were changed outside of Moorage. */
  readonly drift: PoolRow['qosDrift']
}

/** Volumes with QoS that are attached, and whose QoS is in force somewhere. */
export async function qosInUse(reader: Reader): Promise<readonly QosInUse[]> {
  const rows = await reader
    .selectFrom('attachment')
    .innerJoin('volume', 'volume.id', 'attachment.volumeId')
    .innerJoin('location', 'location.volumeId', 'volume.id')
    .innerJoin('pool', 'pool.id', 'location.poolId')
    .innerJoin('vm', 'vm.id', 'attachment.vmId')
    .select(['volume.accountId', 'pool.qosDrift'])
    .select(['volume.id', 'volume.qosRequested', 'volume.qosApplied', 'location.qosTier', 'location.poolId'])
    .select(['attachment.actual', 'vm.id as vmId', 'vm.state as vmState', 'vm.hostId'])
    .where('location.state', '=', 'present')
    .where('location.qosTier', '<>', 'none')
    .where('volume.operationId', 'is', null)
    .orderBy('volume.id')
    .execute()
  return rows.flatMap(({ id, vmId, qosApplied, qosRequested, ...row }): QosInUse[] => {
    const { accountId: account, qosDrift: drift } = row
    const seen = { volume: id, vm: vmId, expected: qosApplied ?? qosRequested, account, drift }
    if (row.qosTier === 'storage') return [{ ...seen, place: { kind: 'pool', id: row.poolId } }]
    if (row.hostId === null || row.vmState !== 'Running' || row.actual !== 'attached') return []
    return [{ ...seen, place: { kind: 'host', id: row.hostId } }]
  })
}

/**
 * About `most` of the volumes that are attached to nothing and whose QoS an array enforces: another slice of their ids for each `turn`, which
 * counts up, so that all of them come in their turn however many there are, whatever became of those before them.
 */
export async function qosAtRest(
  reader: Reader,
  { most, turn }: { readonly most: number; readonly turn: number },
): Promise<readonly QosInUse[]> {
  const there = reader.selectFrom('location').where('state', '=', 'present').where('qosTier', '=', 'storage')
  const { n } = await there.select(({ fn }) => fn.countAll<number>().as('n')).executeTakeFirstOrThrow()
  const slices = Math.max(1, Math.ceil(n / most))
  const from = (slice: number) => idAt(slice / slices)
  const slice = turn % slices
  const rows = await reader
    .selectFrom('location')
    .innerJoin('volume', 'volume.id', 'location.volumeId')
    .innerJoin('pool', 'pool.id', 'location.poolId')
    .select(['volume.id', 'volume.accountId', 'volume.qosRequested', 'volume.qosApplied'])
    .select(['location.poolId', 'pool.qosDrift'])
    .where('location.state', '=', 'present')
    .where('location.qosTier', '=', 'storage')
    .where('location.volumeId', '>=', from(slice))
    .$if(slice + 1 < slices, (query) => query.where('location.volumeId', '<', from(slice + 1)))
    .where('volume.operationId', 'is', null)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('attachment').select('vmId').whereRef('attachment.volumeId', '=', 'volume.id'))),
    )
    .orderBy('volume.id')
    .execute()
  return rows.map(({ id: volume, accountId: account, qosApplied, qosRequested, poolId, qosDrift: drift }) => {
    return { volume, account, drift, expected: qosApplied ?? qosRequested, place: { kind: 'pool', id: poolId } }
  })
}

/** The id below which `share` of all ids lie: they are random. */
function idAt(share: number): string {
  const head = Math.floor(share * 2 ** 32).toString(16)
  return `${head.padStart(8, '0')}-0000-0000-0000-000000000000`
}
