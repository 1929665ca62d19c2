import { sql } from 'kysely'
import type { Reader } from '../store.ts'

/** Where capacities are summed, and of what. Absent fields do not filter. */
export interface CapacityFilter {
  readonly by: 'zone' | 'pod' | 'cluster'
  readonly zone?: string
  readonly pod?: string
  readonly cluster?: string
  /** CloudStack's number of the kind. */
  readonly type?: number
}

/** One kind of capacity of one place. Bytes, CPU cores, IOPS or volumes. `allocated`: what is promised; `used`: what is in use. */
export interface CapacityView {
  readonly type: 0 | 2 | 3 | 90 | 1001 | 1002
  readonly place: string
  readonly name: string
  readonly zoneId: string
  readonly zoneName: string
  readonly total: number
  readonly used: number
  readonly allocated: number
  /** Of `allocated`, what is not ours. */
  readonly foreign: number
}

/**
 * Capacities as CloudStack numbers them: 0 memory, 2 storage (bytes written), 3 storage allocated (the ledger against what
 * may be promised: cap times overcommit factor; what is not ours counts where no cap was set), 90 CPU cores; and, which it
 * does not know, 1001 IOPS and 1002 volumes, of the pools that limit those. Only kinds of which a place has any. A pool that serves a
 * whole zone counts for the zone alone.
 */
export async function capacities(reader: Reader, filter: CapacityFilter): Promise<readonly CapacityView[]> {
  const place = sql.ref(`${filter.by}Id`)
  const { rows } = await sql<CapacityView>`
    with shares as (
      select zone_id, pod_id, cluster_id, 2 as type, total_bytes as total, used_bytes as used, used_bytes as allocated,
        0::bigint as alien
      from pool where removed_at is null
      union all
      select zone_id, pod_id, cluster_id, 3, floor(coalesce(capacity_bytes, total_bytes) * bytes_factor)::bigint,
        reserved_bytes + taken.alien, reserved_bytes + taken.alien, taken.alien
      from pool, lateral (select case when capacity_bytes is null then foreign_bytes else 0 end as alien) taken
      where removed_at is null
      union all
      select zone_id, pod_id, cluster_id, 1001, floor(coalesce(capacity_iops, total_iops) * iops_factor)::bigint,
        reserved_iops + taken.alien, reserved_iops + taken.alien, taken.alien
      from pool, lateral (select case when capacity_iops is null then foreign_volumes * floor_iops else 0 end as alien) taken
      where removed_at is null and coalesce(capacity_iops, total_iops) is not null
      union all
      select zone_id, pod_id, cluster_id, 1002, capacity_volumes, reserved_volumes, reserved_volumes, 0
      from pool where removed_at is null and capacity_volumes is not null
      union all
      select zone_id, pod_id, cluster_id, 0, memory_bytes, taken.memory, taken.memory, 0
      from host, lateral (
        select coalesce(sum(vm.memory_bytes), 0)::bigint as memory from vm where vm.host_id = host.id and vm.removed_at is null
      ) taken where removed_at is null
      union all
      select zone_id, pod_id, cluster_id, 90, host.cpus, taken.cpus, taken.cpus, 0
      from host, lateral (
        select coalesce(sum(vm.cpus), 0)::bigint as cpus from vm where vm.host_id = host.id and vm.removed_at is null
      ) taken where removed_at is null
    )
    select shares.type, place.id as place, place.name, zone.id as zone_id, zone.name as zone_name,
      sum(shares.total)::bigint as total, sum(shares.used)::bigint as used, sum(shares.allocated)::bigint as allocated,
      sum(shares.alien)::bigint as foreign
    from shares
    join ${sql.table(filter.by)} place on place.id = shares.${place}
    join zone on zone.id = shares.zone_id
    where (${filter.zone ?? null}::uuid is null or shares.zone_id = ${filter.zone ?? null})
      and (${filter.pod ?? null}::uuid is null or shares.pod_id = ${filter.pod ?? null})
      and (${filter.cluster ?? null}::uuid is null or shares.cluster_id = ${filter.cluster ?? null})
      and (${filter.type ?? null}::integer is null or shares.type = ${filter.type ?? null})
    group by shares.type, place.id, place.name, zone.id, zone.name
    order by zone.name, place.name, shares.type`.execute(reader)
  return rows
}
