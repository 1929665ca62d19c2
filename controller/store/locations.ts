import type { Insertable, Updateable } from 'kysely'
import type { LocationRow, LocationTable } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** Records where a volume is to live, before the array is asked. */
export async function insertLocation(tx: Tx, location: Insertable<LocationTable>): Promise<void> {
  await later(tx.insertInto('location').values(location))
}

/** Where the volume lives, if anywhere. */
export async function locationOf(reader: Reader, volume: string): Promise<LocationRow | undefined> {
  return reader.selectFrom('location').selectAll().where('volumeId', '=', volume).executeTakeFirst()
}

/** Where the volumes live; those that live nowhere are absent. */
export async function locationsOf(
  reader: Reader,
  volumes: readonly string[],
): Promise<ReadonlyMap<string, LocationRow>> {
  if (volumes.length === 0) return new Map()
  const rows = await reader
    .selectFrom('location')
    .selectAll()
    .where('volumeId', 'in', [...volumes])
    .execute()
  return new Map(rows.map((row) => [row.volumeId, row]))
}

/** Changes columns of a location. */
export async function updateLocation(tx: Tx, volume: string, changes: Updateable<LocationTable>): Promise<void> {
  await later(tx.updateTable('location').set(changes).where('volumeId', '=', volume))
}

/** Forgets where the volume lived. Nothing happens when it lives nowhere. */
export async function deleteLocation(tx: Tx, volume: string): Promise<void> {
  await later(tx.deleteFrom('location').where('volumeId', '=', volume))
}
