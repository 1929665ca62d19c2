import { type ExpressionBuilder, sql, type SqlBool } from 'kysely'
import type { Database } from './generated/schema.ts'
import type { Tx } from './store.ts'

/** Volumes that live where their offering would not put them any more. `names`: the first few, by age. */
export interface Unmatched {
  readonly count: number
  readonly names: readonly string[]
}

const NAMED = 5

/**
 * Volumes of a pool, or of an offering, whose disk offering asks for tags that their pool does not carry. They stay where they
 * are: tags decide where a volume is put, not where it is.
 */
export async function unmatchedVolumes(
  tx: Tx,
  of: { readonly pool: string } | { readonly offering: string },
): Promise<Unmatched> {
  const where = 'pool' in of ? sql<SqlBool>`pool.id = ${of.pool}` : sql<SqlBool>`volume.offering_id = ${of.offering}`
  const rows = await tx
    .selectFrom('volume')
    .where('volume.removedAt', 'is', null)
    .where((eb) => isUnmatched(eb, where))
    .select(['volume.name', sql<number>`count(*) over ()`.as('count')])
    .orderBy('volume.seq')
    .limit(NAMED)
    .execute()
  return { count: rows[0]?.count ?? 0, names: rows.map(({ name }) => name) }
}

/** True of a volume in a pool that does not carry all tags of its disk offering; `and`: of the pool or the volume, besides. */
export function isUnmatched(
  eb: ExpressionBuilder<Database, 'volume'>,
  and: ReturnType<typeof sql<SqlBool>> = sql`true`,
) {
  return eb.exists(
    eb
      .selectFrom('location')
      .innerJoin('pool', 'pool.id', 'location.poolId')
      .innerJoin('offering', (join) => join.onRef('offering.id', '=', 'volume.offeringId'))
      .select('location.volumeId')
      .whereRef('location.volumeId', '=', 'volume.id')
      .where(sql<SqlBool>`not offering.tags <@ pool.tags`)
      .where(and),
  )
}
