import { later } from './pipeline.ts'
import type { Tx } from './store.ts'

/** Tables whose rows name the operation that is changing them. */
export type HeldTable = 'pool' | 'host' | 'vm' | 'volume' | 'snapshot' | 'template'

const OPEN = ['queued', 'running', 'undoing'] as const

/** A row, and the operation that is to change it. */
export interface Hold {
  readonly id: string
  readonly operation: string
  /** Whose name is on the row, of which its lock was taken when it was read; absent: that is still to be looked up. */
  readonly holder?: string | null
}

/**
 * Writes the operation's name on the row: its transitional state then says whose it is. Throws when another operation that
 * is still open has its name there, which locks make impossible.
 */
export async function hold(tx: Tx, table: HeldTable, { id, operation, ...known }: Hold): Promise<void> {
  const holder = known.holder === undefined ? await holderOf(tx, table, id) : known.holder
  if (holder !== null && holder !== operation) {
    const other = await tx
      .selectFrom('operation')
      .select('id')
      .where('id', '=', holder)
      .where('state', 'in', OPEN)
      .executeTakeFirst()
    if (other) throw new Error(`${table} ${id} is held by operation ${other.id}, which is still open`)
  }
  await later(tx.updateTable(table).set({ operationId: operation }).where('id', '=', id))
}

async function holderOf(tx: Tx, table: HeldTable, id: string): Promise<string | null> {
  const row = await tx.selectFrom(table).select('operationId').where('id', '=', id).forUpdate().executeTakeFirst()
  if (!row) throw new Error(`${table} ${id} does not exist`)
  return row.operationId
}

/** Whether the operation's name is on the row: whether its first step was committed. */
export async function isHeld(tx: Tx, table: HeldTable, { id, operation }: Hold): Promise<boolean> {
  const row = await tx
    .selectFrom(table)
    .select('id')
    .where('id', '=', id)
    .where('operationId', '=', operation)
    .forUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** Takes the operation's name off the row. Nothing happens when it is not there. */
export async function release(tx: Tx, table: HeldTable, { id, operation }: Hold): Promise<void> {
  await later(
    tx.updateTable(table).set({ operationId: null }).where('id', '=', id).where('operationId', '=', operation),
  )
}
