import { sql } from 'kysely'
import type { Reader } from '../store.ts'

/** Whether the database runs a statement. Never throws; may take as long as a connection takes to fail. */
export async function answers(reader: Reader): Promise<boolean> {
  return await sql`select 1`.execute(reader).then(
    () => true,
    () => false,
  )
}
