import { randomUUID } from 'node:crypto'
import { sql, type Updateable } from 'kysely'
import { finding } from '../domain/census.ts'
import { resourceName } from '../domain/resource.ts'
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

/** What is left of a volume in a pool in which it does not live any more. */
export interface LeftBehind {
  readonly volume: string
  readonly pool: string
  /** Its name on the back end. */
  readonly name: string
  readonly bytes: number
  /** Which moved it: stands in place of a census. */
  readonly operation: string
}

/** What a volume has left behind is in the recycle bin from now on, as if a census had found it and somebody had put it there. */
export async function leftInBin(tx: Tx, { volume, pool, name, bytes, operation }: LeftBehind): Promise<void> {
  const found = finding({
    class: 'duplicated-volume',
    place: resourceName('pool', pool),
    object: resourceName('volume', volume),
    detail: `${name}, left behind when the volume moved to another pool`,
    resources: [resourceName('volume', volume)],
    bytes,
  })
  const binned = { state: 'recycled', resolution: 'recycled', recycledAt: sql<Date>`now()` } as const
  await tx
    .insertInto('censusFinding')
    .values({ id: randomUUID(), ...found, bytes, runId: operation, resources: [...found.resources], ...binned })
    .onConflict((conflict) =>
      conflict.columns(['kind', 'place', 'object']).doUpdateSet({
        class: found.class,
        detail: found.detail,
        resources: [...found.resources],
        bytes,
        runId: operation,
        reason: null,
        ...binned,
      }),
    )
    .execute()
}

/** Whether a census, or a move, has found something of the volume in that pool that is not gone. */
export async function isFoundIn(
  reader: Reader,
  at: { readonly volume: string; readonly pool: string },
): Promise<boolean> {
  const row = await reader
    .selectFrom('censusFinding')
    .select('id')
    .where('object', '=', resourceName('volume', at.volume))
    .where('place', '=', resourceName('pool', at.pool))
    .where('state', '<>', 'gone')
    .executeTakeFirst()
  return row !== undefined
}

/** The volume is gone, and what it has left behind bears the id of none any more: its findings say so, and stay in the bin. */
export async function leftByNobody(tx: Tx, volume: string): Promise<void> {
  const object = resourceName('volume', volume)
  const was = tx
    .selectFrom('censusFinding')
    .select('place')
    .where('kind', '=', 'duplicated')
    .where('object', '=', object)
  await tx
    .deleteFrom('censusFinding')
    .where('kind', '=', 'orphan')
    .where('object', '=', object)
    .where('state', '=', 'gone')
    .where('place', 'in', was.where('state', '=', 'recycled'))
    .execute()
  await tx
    .updateTable('censusFinding')
    .set({ kind: 'orphan', class: 'orphan-volume' })
    .where('kind', '=', 'duplicated')
    .where('object', '=', object)
    .where('state', '=', 'recycled')
    .execute()
}
