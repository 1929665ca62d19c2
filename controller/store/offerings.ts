import { type Insertable, sql, type Updateable } from 'kysely'
import type { OfferingTable } from './generated/schema.ts'
import type { Tx } from './store.ts'

/** Adds an offering. */
export async function insertOffering(tx: Tx, offering: Insertable<OfferingTable>): Promise<void> {
  await tx.insertInto('offering').values(offering).execute()
}

/** Changes columns of an offering; volumes made of it keep what they were sold. */
export async function updateOffering(tx: Tx, id: string, changes: Updateable<OfferingTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('offering').set(changes).where('id', '=', id).execute()
}

/** Takes an offering off sale. It keeps its row for the volumes that were made of it. Idempotent. */
export async function removeOffering(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('offering')
    .set({ removedAt: sql<Date>`coalesce(removed_at, now())` })
    .where('id', '=', id)
    .execute()
}
