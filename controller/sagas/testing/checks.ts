import { expect } from 'vitest'
import { recycledFor, updateFinding } from '../../store/findings.ts'
import { updateHost } from '../../store/hosts.ts'
import { censusPurge } from '../census-purge.ts'
import { poolMaintenanceCancel } from '../pool-maintenance-cancel.ts'
import { snapshotDelete } from '../snapshot-delete.ts'
import { templateDelete } from '../template-delete.ts'
import type { World } from './world.ts'
import { vmExpunge } from '../vm-expunge.ts'
import { volumeDelete } from '../volume-delete.ts'

/** Where the ledger's sums differ from its rows, or its rows from the volumes that live somewhere. Must be empty. */
export async function ledgerFaults({ store }: World): Promise<readonly string[]> {
  const { reader } = store
  const pools = await reader.selectFrom('pool').select(['id', 'name', 'reservedBytes', 'reservedIops']).execute()
  const reservations = await reader.selectFrom('reservation').selectAll().execute()
  const locations = await reader.selectFrom('location').selectAll().execute()
  const sums = pools.flatMap(({ id, name, reservedBytes, reservedIops }) => {
    const rows = reservations.filter(({ poolId }) => poolId === id)
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    const iops = rows.reduce((sum, row) => sum + row.iops, 0)
    return bytes === reservedBytes && iops === reservedIops
      ? []
      : [`${name}: ${reservedBytes}/${reservedIops}, rows ${bytes}/${iops}`]
  })
  const rows = locations.filter(
    ({ volumeId, bytes }) => !reservations.some((row) => row.volumeId === volumeId && row.bytes === bytes),
  )
  const without = reservations.filter(({ volumeId }) => !locations.some((row) => row.volumeId === volumeId))
  return [
    ...sums,
    ...rows.map(({ volumeId }) => `location of ${volumeId} is not reserved in its size`),
    ...without.map(({ volumeId }) => `reservation of ${volumeId} has no location`),
  ]
}

/** Rows that an operation still holds. With no operation open there must be none. */
export async function leftHeld({ store }: World): Promise<readonly string[]> {
  const tables = ['pool', 'host', 'vm', 'volume', 'snapshot', 'template'] as const
  const found = await Promise.all(
    tables.map(async (table) => {
      const rows = await store.reader.selectFrom(table).select('id').where('operationId', 'is not', null).execute()
      return rows.map(({ id }) => `${table} ${id}`)
    }),
  )
  return found.flat()
}

/** What is off once no operation is open: by a census, in the ledger, held. */
export async function faultsLeft(world: World): Promise<readonly string[]> {
  return [...(await world.findings()), ...(await ledgerFaults(world)), ...(await leftHeld(world))]
}

/** Waits until no operation is open. */
export async function settled(world: World): Promise<void> {
  // In a transaction, because a read of its own may fail where everything is serializable.
  const open = await world.store.transact((tx) =>
    tx.selectFrom('operation').select('id').where('state', 'in', ['queued', 'running', 'undoing']).execute(),
  )
  for (const { id } of open) await world.end(id)
}

/** Deletes what is in the recycle bin, as if it had been there for long. */
export async function emptyBin(world: World): Promise<void> {
  for (const { id } of await recycledFor(world.store.reader, 0)) {
    await world.store.transact(async (tx) => updateFinding(tx, id, { recycledAt: new Date(0) }))
    await world.done(censusPurge, { finding: id })
  }
}

/** Takes everything away that a test made, through sagas, and throws unless arrays, hosts, movers and archives are then empty. */
export async function clear(world: World): Promise<void> {
  const { store } = world
  const { reader } = store
  const parked = await reader.selectFrom('pool').select('id').where('state', '<>', 'Up').execute()
  for (const { id } of parked) await world.done(poolMaintenanceCancel, { pool: id })
  const away = await reader.selectFrom('host').select('id').where('resourceState', '<>', 'Enabled').execute()
  for (const { id } of away) await store.transact(async (tx) => updateHost(tx, id, { resourceState: 'Enabled' }))
  await settled(world)
  const vms = await reader.selectFrom('vm').select('id').where('removedAt', 'is', null).execute()
  for (const { id } of vms) await world.done(vmExpunge, { vm: id })
  // Root disks are deleted by operations of their own.
  await settled(world)
  const snapshots = await reader.selectFrom('snapshot').select('id').where('removedAt', 'is', null).execute()
  for (const { id } of snapshots) await world.done(snapshotDelete, { snapshot: id })
  const volumes = await reader.selectFrom('volume').select('id').where('removedAt', 'is', null).execute()
  for (const { id } of volumes) await world.done(volumeDelete, { volume: id })
  const archived = await reader
    .selectFrom('template')
    .select('id')
    .where('archiveId', 'is not', null)
    .where('removedAt', 'is', null)
    .execute()
  for (const { id } of archived) await world.done(templateDelete, { template: id })
  await emptyBin(world)
  await world.collect()
  const left = [...(await world.arrays()), ...(await world.machines()), ...(await world.moved())]
  if (left.length > 0) throw new Error(`left over: ${JSON.stringify(left)}`)
}

/** As `expect.stringContaining`, which is typed as `any`. */
export function containing(text: string): unknown {
  return expect.stringContaining(text)
}
