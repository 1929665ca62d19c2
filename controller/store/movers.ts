import { type Insertable, sql, type Updateable } from 'kysely'
import type { MoverFacts } from '../domain/archiving.ts'
import type { MoverRow, MoverTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a mover. Throws on a second registration of one daemon (unique index `mover_identity`). */
export async function insertMover(tx: Tx, mover: Insertable<MoverTable>): Promise<void> {
  await tx.insertInto('mover').values(mover).execute()
}

/** The mover, its row locked until the transaction ends, unless it was removed. */
export async function lockMover(tx: Tx, id: string): Promise<MoverRow | undefined> {
  return tx
    .selectFrom('mover')
    .selectAll()
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .forUpdate()
    .executeTakeFirst()
}

/** The mover, removed ones included: an array may still know one by its name. */
export async function moverById(reader: Reader, id: string): Promise<MoverRow | undefined> {
  return reader.selectFrom('mover').selectAll().where('id', '=', id).executeTakeFirst()
}

/** All movers that were not removed, in the order of registration. */
export async function allMovers(reader: Reader): Promise<readonly MoverRow[]> {
  return reader.selectFrom('mover').selectAll().where('removedAt', 'is', null).orderBy('seq').execute()
}

/** What choosing among the movers of a zone looks at, with the names under which they log in, in the order of registration. */
export async function moversOfZone(
  reader: Reader,
  zone: string,
): Promise<readonly (MoverFacts & { readonly initiator: string })[]> {
  const rows = await reader
    .selectFrom('mover')
    .where('zoneId', '=', zone)
    .where('removedAt', 'is', null)
    .select(['id', 'name', 'accepts', 'archives', 'initiator', 'unreachableSince'])
    .select((eb) =>
      eb
        .selectFrom('connection')
        .whereRef('connection.hostId', '=', 'mover.id')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .$asScalar()
        .$notNull()
        .as('busy'),
    )
    .orderBy('seq')
    .execute()
  return rows.map(({ unreachableSince, ...mover }) => ({ ...mover, silent: unreachableSince !== null }))
}

/** Changes columns of a mover. */
export async function updateMover(tx: Tx, id: string, changes: Updateable<MoverTable>): Promise<void> {
  await tx.updateTable('mover').set(changes).where('id', '=', id).execute()
}

/** The name under which this daemon is registered, if it is. */
export async function moverOfIdentity(reader: Reader, identity: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('mover')
    .select('name')
    .where('identity', '=', identity)
    .where('removedAt', 'is', null)
    .executeTakeFirst()
  return row?.name
}

/**
 * What a mover said of itself just now. Answers since when it had not answered before; `undefined` when it had, or when it is
 * not registered any more.
 */
export async function reportMover(
  tx: Tx,
  id: string,
  report: Pick<MoverRow, 'initiator' | 'accepts' | 'archives' | 'version'>,
): Promise<Date | undefined> {
  const before = await lockMover(tx, id)
  if (!before) return undefined
  const { initiator, accepts, archives, version } = report
  const said = { initiator, accepts: [...accepts], archives: [...archives], version }
  await tx
    .updateTable('mover')
    .set({ ...said, reportedAt: sql<Date>`now()`, unreachableSince: null })
    .where('id', '=', id)
    .execute()
  return before.unreachableSince ?? undefined
}
