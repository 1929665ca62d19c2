import { sql } from 'kysely'
import type { Tx } from './store.ts'

/** What is asked regularly how it is, and has `unreachable_since`. */
export type Watched = 'pool' | 'archive' | 'mover'

/** It did not answer. True when that is news. */
export async function fellSilent(tx: Tx, table: Watched, id: string): Promise<boolean> {
  const row = await tx
    .updateTable(table)
    .set({ unreachableSince: sql<Date>`now()` })
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .where('unreachableSince', 'is', null)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}
