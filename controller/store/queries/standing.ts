import { type Compilable, type RawBuilder, sql } from 'kysely'
import type { Reader, Tx } from '../store.ts'
import { together } from '../together.ts'

/**
 * How a volume stands: its row, the VM it is (or is becoming) a disk of, and where it lives. `busy`: an open operation
 * holds or awaits it or that VM, so that nothing about its state is certain yet. `undefined` when there is no such row.
 */
export function volumeStanding(reader: Reader, id: string) {
  return volumeAsked(reader, id).executeTakeFirst()
}

/** `volumeStanding` and `vmStanding` in one round trip. */
export async function attachStanding(tx: Tx, of: { readonly volume: string; readonly vm: string }) {
  const volume = volumeAsked(tx, of.volume)
  const vm = vmAsked(tx, of.vm)
  const [[volumeRow], [vmRow]] = await together<[RowOf<typeof volume>, RowOf<typeof vm>]>(tx, volume, vm)
  return { volume: volumeRow, vm: vmRow }
}

type RowOf<Query> = Query extends Compilable<infer Row extends object> ? Row : never

function volumeAsked(reader: Reader, id: string) {
  return reader
    .selectFrom('volume')
    .leftJoin('attachment', 'attachment.volumeId', 'volume.id')
    .leftJoin('vm', 'vm.id', 'attachment.vmId')
    .leftJoin('location', 'location.volumeId', 'volume.id')
    .leftJoin('pool', 'pool.id', 'location.poolId')
    .where('volume.id', '=', id)
    .selectAll('volume')
    .select(['attachment.vmId', 'attachment.deviceId', 'vm.state as vmState', 'vm.name as vmName'])
    .select(['pool.id as poolId', 'pool.managed as poolManaged', 'pool.state as poolState'])
    .select(openOn(sql`array['volume:' || volume.id, 'vm:' || vm.id]`).as('busy'))
}

/** How a snapshot stands: its row, the array copy's pool, and the VM that has its volume. `busy` as for volumes. */
export function snapshotStanding(reader: Reader, id: string) {
  return reader
    .selectFrom('snapshot')
    .innerJoin('volume', 'volume.id', 'snapshot.volumeId')
    .leftJoin('attachment', 'attachment.volumeId', 'volume.id')
    .leftJoin('vm', 'vm.id', 'attachment.vmId')
    .leftJoin('snapshotCopy', (join) =>
      join
        .onRef('snapshotCopy.snapshotId', '=', 'snapshot.id')
        .on('snapshotCopy.kind', '=', 'array')
        .on('snapshotCopy.state', '=', 'present'),
    )
    .where('snapshot.id', '=', id)
    .selectAll('snapshot')
    .select(['volume.name as volumeName', 'volume.state as volumeState', 'volume.offeringId as volumeOfferingId'])
    .select(['volume.bytes as volumeBytes', 'volume.removedAt as volumeRemovedAt', 'volume.qosRequested as volumeQos'])
    .select('volume.qosTier as volumeQosTier')
    .select(['attachment.vmId', 'vm.state as vmState', 'vm.name as vmName', 'snapshotCopy.poolId'])
    .select(openOn(sql`array['snapshot:' || snapshot.id, 'volume:' || volume.id, 'vm:' || vm.id]`).as('busy'))
    .executeTakeFirst()
}

/** How a VM stands: its row, and the device ids that its disks take. `busy`: an open operation holds or awaits it. */
export function vmStanding(reader: Reader, id: string) {
  return vmAsked(reader, id).executeTakeFirst()
}

function vmAsked(reader: Reader, id: string) {
  return reader
    .selectFrom('vm')
    .where('vm.id', '=', id)
    .selectAll('vm')
    .select((eb) =>
      eb
        .selectFrom('attachment')
        .whereRef('attachment.vmId', '=', 'vm.id')
        .select(sql<readonly number[]>`coalesce(array_agg(device_id), '{}')`.as('ids'))
        .$asScalar()
        .$notNull()
        .as('deviceIds'),
    )
    .select(openOn(sql`array['vm:' || vm.id]`).as('busy'))
}

/** How a pool stands: its row, and what lives there: volumes (`destroyed` of them only await deletion) and snapshots. */
export function poolStanding(reader: Reader, id: string) {
  return reader
    .selectFrom('pool')
    .where('pool.id', '=', id)
    .where('pool.removedAt', 'is', null)
    .selectAll('pool')
    .select((eb) => [
      eb
        .selectFrom('location')
        .whereRef('location.poolId', '=', 'pool.id')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .$asScalar()
        .$notNull()
        .as('volumes'),
      eb
        .selectFrom('location')
        .innerJoin('volume', 'volume.id', 'location.volumeId')
        .whereRef('location.poolId', '=', 'pool.id')
        .where('volume.state', '=', 'Destroy')
        .select(sql<readonly string[]>`coalesce(array_agg(volume.id), '{}')`.as('ids'))
        .$asScalar()
        .$notNull()
        .as('destroyed'),
      eb
        .selectFrom('snapshotCopy')
        .whereRef('snapshotCopy.poolId', '=', 'pool.id')
        .where('snapshotCopy.state', '!=', 'gone')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .$asScalar()
        .$notNull()
        .as('snapshots'),
    ])
    .select(openOn(sql`array['pool:' || pool.id]`).as('busy'))
    .executeTakeFirst()
}

/** How a host stands: its row, the VMs on it, and the connections that it still has. */
export function hostStanding(reader: Reader, id: string) {
  return reader
    .selectFrom('host')
    .where('host.id', '=', id)
    .where('host.removedAt', 'is', null)
    .selectAll('host')
    .select((eb) => [
      eb
        .selectFrom('vm')
        .whereRef('vm.hostId', '=', 'host.id')
        .where('vm.removedAt', 'is', null)
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .$asScalar()
        .$notNull()
        .as('vms'),
      eb
        .selectFrom('connection')
        .whereRef('connection.hostId', '=', 'host.id')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .$asScalar()
        .$notNull()
        .as('connections'),
    ])
    .executeTakeFirst()
}

/** True when an open operation names one of the resources; nulls in the array match nothing. */
function openOn(resources: RawBuilder<unknown>) {
  return sql<boolean>`exists (
    select 1 from operation where state in ('queued', 'running', 'undoing') and resources && ${resources}
  )`
}

/** The volume that is disk `deviceId` of the VM, if any. */
export async function volumeOnDevice(reader: Reader, vm: string, deviceId: number): Promise<string | undefined> {
  const row = await reader
    .selectFrom('attachment')
    .select('volumeId')
    .where('vmId', '=', vm)
    .where('deviceId', '=', deviceId)
    .executeTakeFirst()
  return row?.volumeId
}
