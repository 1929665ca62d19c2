import { later } from './pipeline.ts'
import type { Tx } from './store.ts'

/** Tables whose rows name the operation that is changing them. */
export type HeldTable = 'pool' | 'host' | 'vm' | 'volume' | 'snapshot'

const OPEN = ['queued', 'running', 'undoing'] as const

/** A row, and the operation that is to change it. */
export interface Hold {
  readonly id: string
  readonly operation: string
}

/**
 * Writes the operation's name on the row: its transitional state then says whose it is. Throws when another operation that
 * is still open has its name there, which locks make impossible.
 */
export async function hold(tx: Tx, table: HeldTable, { id, operation }: Hold): Promise<void> {
  const row = await tx.selectFrom(table).select('operationId').where('id', '=', id).forUpdate().executeTakeFirst()
  if (!row) throw new Error(`${table} ${id} does not exist`)
  if (row.operationId !== null && row.operationId !== operation) {
    const other = await tx
      .selectFrom('operation')
      .select('id')
      .where('id', '=', row.operationId)
      .where('state', 'in', OPEN)
      .executeTakeFirst()
    if (other) throw new Error(`${table} ${id} is held by operation ${other.id}, which is still open`)
  }
  await later(tx.updateTable(table).set({ operationId: operation }).where('id', '=', id))
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
