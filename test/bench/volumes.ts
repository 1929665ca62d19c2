import { sql } from 'kysely'
import type { Reader } from '../../controller/store/store.ts'

/** Whose volumes are made, and of what. */
export interface Filling {
  /** How many there are to be afterwards, those that are there included. */
  readonly size: number
  /** Name of the account that owns them. */
  readonly account: string
  readonly zone: string
  readonly offering: string
  readonly pool: string
}

/** Adds volumes of 1 GiB straight to the database, `volume-1` and so on, each present in the pool and metered; then renews the planner's statistics. */
export async function fillVolumes(reader: Reader, to: Filling): Promise<void> {
  await reader.transaction().execute(async (tx) => {
    // Their triggers would take most of the time: what these write is written for all at once.
    await sql`set local session_replication_role = replica`.execute(tx)
    await insertVolumes(tx, to)
  })
  await sql`analyze`.execute(reader)
}

async function insertVolumes(tx: Reader, to: Filling): Promise<void> {
  await sql`
    with made as (
      insert into volume (id, account_id, zone_id, name, type, offering_id, bytes, qos_tier, qos_requested, state)
      select gen_random_uuid(), (select id from account where name = ${to.account}), ${to.zone}, 'volume-' || n,
        'DATADISK', ${to.offering}, 1073741824, 'storage', '{"totalIops":{"min":100,"max":1000}}', 'Ready'
      from generate_series((select count(*) from volume) + 1, ${to.size}) n
      returning id, account_id, zone_id, offering_id
    ), metered as (
      insert into usage_open (kind, part_id, subject_id, account_id, zone_id, offering_id, bytes, min_iops, max_iops, since)
      select 'volume', id, id, account_id, zone_id, offering_id, 1073741824, 100, 1000, now() from made
    )
    insert into location (volume_id, pool_id, state, name, bytes, qos_tier)
    select id, ${to.pool}, 'present', 'vol-' || id, 1073741824, 'storage' from made`.execute(tx)
}
