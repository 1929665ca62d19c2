import { sql, type Updateable } from 'kysely'
import { nearest, type SettingName, type SettingScope, valuesSet } from './configurations.ts'
import type { PoolRow, PoolTable } from './generated/schema.ts'
import { jsonb } from './json.ts'
import type { Tx } from './store.ts'

/** Which column of a pool holds the value in force of a setting. */
const TERMS = {
  'storage.overprovisioning.factor': 'bytesFactor',
  'storage.iops.overprovisioning.factor': 'iopsFactor',
  'pool.storage.capacity.disablethreshold': 'usedThreshold',
  'pool.storage.allocated.capacity.disablethreshold': 'allocatedThreshold',
  'storage.iops.floor': 'floorIops',
  'storage.unbounded.volumes': 'boundedOnly',
} as const satisfies Partial<Record<SettingName, keyof PoolTable>>
type PoolSetting = keyof typeof TERMS
type PoolTerm = (typeof TERMS)[PoolSetting]

/** At which scope each term of a pool was set; a term that was set nowhere is absent. Throws on what we did not write. */
export function readTermsFrom(value: unknown): Readonly<Partial<Record<PoolTerm, SettingScope>>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('the terms of a pool are no object')
  for (const scope of Object.values(value))
    if (scope !== 'global' && scope !== 'zone' && scope !== 'pool')
      throw new TypeError('a term of a pool has an unknown scope')
  return value
}

/** A pool that has promised more than it might under the terms as they are now. */
export interface Overpromised {
  readonly name: string
  readonly reserved: number
  readonly limit: number
  readonly unit: 'bytes' | 'IOPS'
}

/**
 * Writes the terms in force, nearest scope first, into the rows of the pools concerned: of one, of a zone's, or of all.
 * In the same transaction as the change of a setting, or as the registration of a pool; both hold the installation's row, so
 * that neither misses the other. Answers a pool that has promised more than it may from now on, which the caller may refuse.
 */
export async function applyTerms(
  tx: Tx,
  which: { readonly pool?: string; readonly zone?: string },
): Promise<Overpromised | undefined> {
  await sql`select 1 from installation for update`.execute(tx)
  const rows = await tx
    .selectFrom('pool')
    .selectAll()
    .where('removedAt', 'is', null)
    .where(({ eb, and }) =>
      and([
        ...(which.pool === undefined ? [] : [eb('id', '=', which.pool)]),
        ...(which.zone === undefined ? [] : [eb('zoneId', '=', which.zone)]),
      ]),
    )
    .orderBy('id')
    .forUpdate()
    .execute()
  const set = await valuesSet(tx)
  if (which.pool === undefined) await writeHostFactors(tx, set, which.zone)
  const over: Overpromised[] = []
  for (const row of rows) {
    const terms = termsOf(set, row)
    await tx.updateTable('pool').set(terms).where('id', '=', row.id).execute()
    over.push(...overpromised(row, { ...row, ...terms }))
  }
  return over[0]
}

/** As `applyTerms`, of the hosts of a zone: when one is registered. */
export async function applyHostTerms(tx: Tx, zone: string): Promise<void> {
  await sql`select 1 from installation for update`.execute(tx)
  await writeHostFactors(tx, await valuesSet(tx), zone)
}

async function writeHostFactors(tx: Tx, set: ValuesSet, zone: string | undefined): Promise<void> {
  const hosts = tx.selectFrom('host').select(['id', 'zoneId']).where('removedAt', 'is', null).orderBy('id').forUpdate()
  for (const row of await (zone === undefined ? hosts : hosts.where('zoneId', '=', zone)).execute()) {
    const { value } = nearest(set, 'host.qos.overprovisioning.factor', { zone: row.zoneId })
    await tx.updateTable('host').set({ qosFactor: value }).where('id', '=', row.id).execute()
  }
}

type ValuesSet = Awaited<ReturnType<typeof valuesSet>>

function termsOf(set: ValuesSet, pool: Pick<PoolRow, 'id' | 'zoneId'>) {
  const from: Partial<Record<PoolTerm, SettingScope>> = {}
  const valueOf = (name: PoolSetting): number => {
    const { value, scope } = nearest(set, name, { pool: pool.id, zone: pool.zoneId })
    if (scope !== 'usual') from[TERMS[name]] = scope
    return value
  }
  const terms = {
    bytesFactor: valueOf('storage.overprovisioning.factor'),
    iopsFactor: valueOf('storage.iops.overprovisioning.factor'),
    usedThreshold: valueOf('pool.storage.capacity.disablethreshold'),
    allocatedThreshold: valueOf('pool.storage.allocated.capacity.disablethreshold'),
    floorIops: valueOf('storage.iops.floor'),
    boundedOnly: valueOf('storage.unbounded.volumes') === 0,
  }
  return { ...terms, termsFrom: jsonb(from) } satisfies Updateable<PoolTable>
}

/** Where the new terms allow less than the old, and less than is promised. */
function overpromised(
  before: Pick<PoolRow, 'bytesFactor' | 'iopsFactor'>,
  after: Omit<PoolRow, 'termsFrom'>,
): readonly Overpromised[] {
  const { name, reservedBytes, reservedIops, totalIops, capacityIops } = after
  const bytes = Math.floor((after.capacityBytes ?? after.totalBytes) * after.bytesFactor)
  const cap = capacityIops ?? totalIops
  const iops = cap === null ? Infinity : Math.floor(cap * after.iopsFactor)
  const over: Overpromised[] = []
  if (after.bytesFactor < before.bytesFactor && reservedBytes > bytes)
    over.push({ name, reserved: reservedBytes, limit: bytes, unit: 'bytes' })
  if (after.iopsFactor < before.iopsFactor && reservedIops > iops)
    over.push({ name, reserved: reservedIops, limit: iops, unit: 'IOPS' })
  return over
}
