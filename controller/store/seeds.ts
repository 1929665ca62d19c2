import { type Insertable, sql } from 'kysely'
import type { SeedRow, SeedTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** A seed with how it stands. `whole`: its snapshot can be cloned. `broken`: nothing will ever be cloned from it. */
export interface SeedView extends SeedRow {
  readonly whole: boolean
  readonly broken: boolean
  readonly volumeGone: boolean
  readonly snapshotGone: boolean
  readonly accountId: string
}

/** The seeds of a template. */
export async function seedsOf(reader: Reader, template: string): Promise<readonly SeedView[]> {
  return views(reader).where('seed.templateId', '=', template).execute()
}

/** Seeds of templates that were removed. */
export async function seedsOfRemoved(reader: Reader): Promise<readonly SeedView[]> {
  return views(reader)
    .innerJoin('template', 'template.id', 'seed.templateId')
    .where('template.removedAt', 'is not', null)
    .execute()
}

function views(reader: Reader) {
  return reader
    .selectFrom('seed')
    .innerJoin('volume', 'volume.id', 'seed.volumeId')
    .innerJoin('snapshot', 'snapshot.id', 'seed.snapshotId')
    .leftJoin('snapshotCopy as copy', (join) =>
      join
        .onRef('copy.snapshotId', '=', 'seed.snapshotId')
        .onRef('copy.poolId', '=', 'seed.poolId')
        .on('copy.kind', '=', 'array')
        .on('copy.state', '=', 'present'),
    )
    .selectAll('seed')
    .select(['volume.accountId', sql<boolean>`volume.removed_at is not null`.as('volumeGone')])
    .select(sql<boolean>`snapshot.removed_at is not null`.as('snapshotGone'))
    .select(sql<boolean>`snapshot.state = 'BackedUp' and copy.id is not null`.as('whole'))
    .select(
      sql<boolean>`snapshot.state = 'Error' or snapshot.removed_at is not null
        or (snapshot.state = 'BackedUp' and copy.id is null)`.as('broken'),
    )
}

/** Records a seed, unless there is one. Answers whether it was. */
export async function insertSeed(tx: Tx, seed: Insertable<SeedTable>): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('seed')
    .values(seed)
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** Forgets a seed; what it consists of stays. */
export async function deleteSeed(tx: Tx, seed: Pick<SeedRow, 'templateId' | 'poolId'>): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('seed')
    .where('templateId', '=', seed.templateId)
    .where('poolId', '=', seed.poolId)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

/** Pools in service where a root disk of a template lives that can be deployed, and that have no seed of it. */
export async function poolsWithoutSeed(
  reader: Reader,
): Promise<readonly { readonly templateId: string; readonly poolId: string }[]> {
  return reader
    .selectFrom('volume')
    .innerJoin('template', 'template.id', 'volume.templateId')
    .innerJoin('location', 'location.volumeId', 'volume.id')
    .innerJoin('pool', 'pool.id', 'location.poolId')
    .select(['template.id as templateId', 'pool.id as poolId'])
    .distinct()
    .where('volume.type', '=', 'ROOT')
    .where('volume.removedAt', 'is', null)
    .where('template.removedAt', 'is', null)
    .where('template.state', '=', 'Ready')
    .where('location.state', '=', 'present')
    .where('pool.state', '=', 'Up')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('seed')
            .select('seed.volumeId')
            .whereRef('seed.templateId', '=', 'template.id')
            .whereRef('seed.poolId', '=', 'pool.id'),
        ),
      ),
    )
    .execute()
}

/** Seeds that broke longer than `seconds` ago, or of which no more can be told than that they were made so long ago. */
export async function brokenSeeds(reader: Reader, seconds: number): Promise<readonly SeedView[]> {
  const old = await views(reader)
    .where('seed.createdAt', '<=', sql<Date>`now() - make_interval(secs => ${seconds})`)
    .execute()
  return old.filter(({ broken }) => broken)
}

/** To whom seeds belong: the first root administrator's account; where there is none, the account of the template. */
export async function ownerOfSeeds(reader: Reader, template: { readonly accountId: string }): Promise<string> {
  const row = await reader
    .selectFrom('account')
    .select('id')
    .where('role', '=', 'admin')
    .where('removedAt', 'is', null)
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst()
  return row?.id ?? template.accountId
}
