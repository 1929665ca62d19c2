import { type Insertable, sql } from 'kysely'
import type { StandInTable } from './generated/schema.ts'
import type { Tx } from './store.ts'

/** Locks whose stand-ins are counted until the transaction ends: `null`, those that are nobody's. */
export async function lockStandInsOf(tx: Tx, account: string | null): Promise<void> {
  await (
    account === null
      ? sql`select 1 from installation for update`
      : sql`select 1 from account where id = ${account} for no key update`
  ).execute(tx)
}

/** Records a stand-in. Its name may be taken: a unique index decides. */
export async function insertStandIn(tx: Tx, row: Insertable<StandInTable>): Promise<void> {
  await tx.insertInto('standIn').values(row).execute()
}

/** Forgets a stand-in; false when there is none. */
export async function deleteStandIn(tx: Tx, id: string): Promise<boolean> {
  const gone = await tx.deleteFrom('standIn').where('id', '=', id).executeTakeFirst()
  return gone.numDeletedRows > 0n
}

/** Forgets what was recorded for an account. */
export async function deleteStandInsOf(tx: Tx, account: string): Promise<void> {
  await tx.deleteFrom('standIn').where('accountId', '=', account).execute()
}
