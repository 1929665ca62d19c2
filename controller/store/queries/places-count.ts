import { sql } from 'kysely'
import type { Reader } from '../store.ts'

/** How many there are, and how many of them are in service. */
export interface Counts {
  readonly good: number
  readonly all: number
}

/** The hosts of each cluster, and those that are Up; clusters without hosts are absent. */
export async function hostsOfClusters(
  reader: Reader,
  clusters: readonly string[],
): Promise<ReadonlyMap<string, Counts>> {
  const { rows } = await sql<Counts & { readonly id: string }>`
    select cluster_id as id, count(*) as "all", count(*) filter (where state = 'Up') as good
    from host where cluster_id = any(${clusters}::uuid[]) and removed_at is null group by cluster_id`.execute(reader)
  return new Map(rows.map(({ id, ...counts }) => [id, counts]))
}

/** The clusters of each zone, and those that are Enabled; zones without clusters are absent. */
export async function clustersOfZones(reader: Reader, zones: readonly string[]): Promise<ReadonlyMap<string, Counts>> {
  const { rows } = await sql<Counts & { readonly id: string }>`
    select zone_id as id, count(*) as "all", count(*) filter (where allocation_state = 'Enabled') as good
    from cluster where zone_id = any(${zones}::uuid[]) and removed_at is null group by zone_id`.execute(reader)
  return new Map(rows.map(({ id, ...counts }) => [id, counts]))
}
