import { sql } from 'kysely'
import type { Reader } from '../store.ts'

/** How many there are of each. */
export interface Infrastructure {
  readonly zones: number
  readonly pods: number
  readonly clusters: number
  readonly hosts: number
  readonly storagepools: number
}

/** Counts what is registered and not removed. */
export async function infrastructure(reader: Reader): Promise<Infrastructure> {
  const { rows } = await sql<Infrastructure>`select
    (select count(*) from zone where removed_at is null) as zones,
    (select count(*) from pod where removed_at is null) as pods,
    (select count(*) from cluster where removed_at is null) as clusters,
    (select count(*) from host where removed_at is null) as hosts,
    (select count(*) from pool where removed_at is null) as storagepools`.execute(reader)
  const [row] = rows
  if (row === undefined) throw new Error('a query without a table answers one row')
  return row
}

/** A controller as it is listed. `alive`: it renewed its leases within the last minute of the database's clock. */
export interface ManagementServer {
  readonly id: string
  readonly alive: boolean
  readonly startedAt: Date
  readonly seenAt: Date
  readonly operations: number
}

/** Controllers that have not signed off, the newest first. */
export async function listManagementServers(reader: Reader): Promise<readonly ManagementServer[]> {
  const { rows } = await sql<ManagementServer>`
    select id, seen_at > now() - interval '1 minute' as alive, started_at, seen_at, (
      select count(*) from operation o where o.node = node.id and o.state in ('running', 'undoing')
    ) as operations
    from node order by started_at desc, id`.execute(reader)
  return rows
}

/** Tags of hosts or pools, each once, by name; with the number of the first that carries it. */
export async function placeTags(
  reader: Reader,
  kind: 'host' | 'pool',
): Promise<readonly { readonly tag: string; readonly first: number }[]> {
  const { rows } = await sql<{ readonly tag: string; readonly first: number }>`
    select tag, min(seq) as first
    from ${sql.table(kind)}, unnest(tags) as tag where removed_at is null group by tag order by tag`.execute(reader)
  return rows
}
