import { type Insertable, sql } from 'kysely'
import type { TemplateTable } from './generated/schema.ts'
import type { Tx } from './store.ts'

/** Adds a template. */
export async function insertTemplate(tx: Tx, template: Insertable<TemplateTable>): Promise<void> {
  await tx.insertInto('template').values(template).execute()
}

/** Takes a template away from new VMs. Its row stays for those that were made of it. Idempotent. */
export async function removeTemplate(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('template')
    .set({ removedAt: sql<Date>`coalesce(removed_at, now())` })
    .where('id', '=', id)
    .execute()
}
