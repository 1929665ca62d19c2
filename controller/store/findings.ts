import { sql, type Updateable } from 'kysely'
import type { CensusFindingRow, CensusFindingTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** The finding, its row locked until the transaction ends. */
export async function lockFinding(tx: Tx, id: string): Promise<CensusFindingRow | undefined> {
  return tx.selectFrom('censusFinding').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Changes columns of a finding. */
export async function updateFinding(tx: Tx, id: string, changes: Updateable<CensusFindingTable>): Promise<void> {
  await tx.updateTable('censusFinding').set(changes).where('id', '=', id).execute()
}

/** The object is in the recycle bin from now on, by the database's clock. */
export async function findingRecycled(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('censusFinding')
    .set({ state: 'recycled', resolution: 'recycled', recycledAt: sql<Date>`now()` })
    .where('id', '=', id)
    .execute()
}

/** Whether the object has been in the recycle bin for that long. */
export async function isOverdue(tx: Tx, id: string, seconds: number): Promise<boolean> {
  const row = await overdue(tx, seconds).where('id', '=', id).executeTakeFirst()
  return row !== undefined
}

/** Findings whose objects have been in the recycle bin for that long. */
export async function recycledFor(reader: Reader, seconds: number): Promise<readonly { readonly id: string }[]> {
  return overdue(reader, seconds).orderBy('seq').execute()
}

function overdue(reader: Reader, seconds: number) {
  return reader
    .selectFrom('censusFinding')
    .select('id')
    .where('state', '=', 'recycled')
    .where('recycledAt', '<=', sql<Date>`now() - make_interval(secs => ${seconds})`)
}
