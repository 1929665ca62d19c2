import { sql } from 'kysely'
import { type Amounts, type Limited, type LimitOwner, LIMITED_NAMES } from '../domain/limits.ts'
import type { Reader, Tx } from './store.ts'

/** A limit that was set. `most` in pieces or bytes. */
export interface SetLimit extends LimitOwner {
  readonly ownerId: string
  readonly limited: Limited
  readonly most: number
}

/** Sets a limit in place of the one before; `most` absent: none any more. */
export async function writeLimit(
  tx: Tx,
  limit: { readonly ownerId: string; readonly limited: Limited; readonly most?: number },
): Promise<void> {
  const { ownerId, limited, most } = limit
  if (most === undefined) {
    await tx.deleteFrom('resourceLimit').where('ownerId', '=', ownerId).where('limited', '=', limited).execute()
    return
  }
  await tx
    .insertInto('resourceLimit')
    .values({ ownerId, limited, most })
    .onConflict((oc) => oc.columns(['ownerId', 'limited']).doUpdateSet({ most }))
    .execute()
}

/** The limits that hold for an account, its own and those of the domains above it. */
export async function limitsOf(reader: Reader, account: string): Promise<readonly SetLimit[]> {
  const { rows } = await sql<SetLimit>`
    select 'account' as kind, a.name, l.owner_id, l.limited, l.most
    from resource_limit l join account a on a.id = l.owner_id where a.id = ${account}
    union all
    select 'domain', d.name, l.owner_id, l.limited, l.most
    from resource_limit l
    join domain d on d.id = l.owner_id
    join account a on a.id = ${account}
    join domain own on own.id = a.domain_id and starts_with(own.path, d.path)`.execute(reader)
  return rows
}

/**
 * Locks the owners of limits until the transaction ends, in one order, so that two who add at once cannot both see room
 * for the last piece.
 */
export async function lockLimitOwners(tx: Tx, owners: readonly string[]): Promise<void> {
  const ids = [...new Set(owners)].toSorted()
  if (ids.length === 0) return
  await sql`select 1 from resource_limit where owner_id in (${sql.join(ids)}) order by owner_id, limited for update`.execute(
    tx,
  )
}

/**
 * What an account, or all accounts of a domain and of those below it, have. What is destroyed counts until it is expunged:
 * it takes its room, and may be recovered. A volume that is growing counts with what is reserved for it. A snapshot that is
 * being archived counts in full, one that is with the bytes that hold anything; a template likewise.
 */
export async function amountsOf(reader: Reader, owner: Pick<SetLimit, 'kind' | 'ownerId'>): Promise<Required<Amounts>> {
  const accounts =
    owner.kind === 'account'
      ? sql`select ${owner.ownerId}::uuid`
      : sql`select a.id from account a join domain d on d.id = a.domain_id
          where starts_with(d.path, (select path from domain where id = ${owner.ownerId}))`
  const { rows } = await sql<Required<Amounts>>`
    with mine as (${accounts}), there as (
      select 'vm' as what, cpus::bigint as cpus, memory_bytes as bytes from vm
        where account_id in (select * from mine) and removed_at is null
      union all select 'volume', 0, greatest(v.bytes, r.bytes) from volume v left join reservation r on r.volume_id = v.id
        where v.account_id in (select * from mine) and v.removed_at is null
      union all select 'snapshot', 0, 0 from snapshot where account_id in (select * from mine) and removed_at is null
      union all select 'archived', 0, c.bytes from snapshot_copy c join snapshot s on s.id = c.snapshot_id
        where s.account_id in (select * from mine) and c.kind = 'archive' and c.state <> 'gone'
      union all select 'template', 0, 0 from template where account_id in (select * from mine) and removed_at is null
      union all select 'archived', 0, data_bytes from template
        where account_id in (select * from mine) and removed_at is null and archive_id is not null
    )
    select count(*) filter (where what = 'vm') as vms, count(*) filter (where what = 'volume') as volumes,
      count(*) filter (where what = 'snapshot') as snapshots, count(*) filter (where what = 'template') as templates,
      coalesce(sum(cpus), 0)::bigint as cpus,
      coalesce(sum(bytes) filter (where what = 'vm'), 0)::bigint as memory,
      coalesce(sum(bytes) filter (where what = 'volume'), 0)::bigint as "primaryBytes",
      coalesce(sum(bytes) filter (where what = 'archived'), 0)::bigint as "secondaryBytes"
    from there`.execute(reader)
  const [row] = rows
  if (row === undefined) throw new Error('a query without groups answers one row')
  return row
}

/** The limit of one owner on one kind; `undefined` when none was set. */
export async function limitOf(reader: Reader, owner: string): Promise<ReadonlyMap<Limited, number>> {
  const rows = await reader
    .selectFrom('resourceLimit')
    .where('ownerId', '=', owner)
    .select(['limited', 'most'])
    .execute()
  return new Map(
    rows.flatMap(({ limited, most }) => {
      const kind = LIMITED_NAMES.find((name) => name === limited)
      return kind === undefined ? [] : [[kind, most] as const]
    }),
  )
}
