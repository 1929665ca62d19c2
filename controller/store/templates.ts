import { type Insertable, sql, type Updateable } from 'kysely'
import type { TemplateRow, TemplateTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a template. */
export async function insertTemplate(tx: Tx, template: Insertable<TemplateTable>): Promise<void> {
  await tx.insertInto('template').values(template).execute()
}

/** The template, its row locked until the transaction ends; removed ones, too. */
export async function lockTemplate(tx: Tx, id: string): Promise<TemplateRow | undefined> {
  return await tx.selectFrom('template').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Changes columns of a template. */
export async function updateTemplate(tx: Tx, id: string, changes: Updateable<TemplateTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('template').set(changes).where('id', '=', id).execute()
}

/** Takes a template away from new VMs. Its row stays for those that were made of it. Idempotent. */
export async function removeTemplate(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('template')
    .set({ removedAt: sql<Date>`coalesce(removed_at, now())` })
    .where('id', '=', id)
    .execute()
}

/** How many templates an archive holds, or is to hold. */
export async function templatesInArchive(reader: Reader, archive: string): Promise<number> {
  const row = await reader
    .selectFrom('template')
    .select(({ fn }) => fn.countAll<number>().as('templates'))
    .where('archiveId', '=', archive)
    .executeTakeFirstOrThrow()
  return row.templates
}
