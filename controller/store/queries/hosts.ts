import { type Expression, type ExpressionBuilder, sql, type SqlBool } from 'kysely'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { containing, cutPage, inOrder, type Listed, NO_LIMIT, type Window } from './page.ts'

/** What `listHosts` may ask for; absent fields do not filter. */
export interface HostFilter {
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
  readonly zone?: string
  readonly pod?: string
  readonly cluster?: string
  readonly state?: string
  readonly resourceState?: string
  readonly hypervisor?: string
  /** The host on which this VM runs. */
  readonly vm?: string
}

/** A host with the names of where it is, and what its VMs were given. Holds no secrets: the sealed settings are left out. */
export type HostView = Awaited<ReturnType<typeof selectHosts>>[number]

/** A page of registered hosts in the order of registration. */
export async function listHosts(reader: Reader, filter: HostFilter, window: Window): Promise<Listed<HostView>> {
  const wanted = reader
    .selectFrom('host')
    .where('host.removedAt', 'is', null)
    .where((eb) => eb.and(conditions(eb, filter)))
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('host.id')
        .orderBy('host.seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await hostViews(reader, ids) }
}

/** The hosts of these ids in their order, removed ones too. */
export async function hostViews(reader: Reader, ids: readonly string[]): Promise<readonly HostView[]> {
  return ids.length === 0 ? [] : inOrder(ids, await selectHosts(reader, ids))
}

function conditions(eb: ExpressionBuilder<Database, 'host'>, filter: HostFilter) {
  const found: Expression<SqlBool>[] = []
  if (filter.ids !== undefined) found.push(eb('host.id', 'in', filter.ids.length > 0 ? filter.ids : [null]))
  if (filter.name !== undefined) found.push(eb('host.name', '=', filter.name))
  if (filter.keyword !== undefined) found.push(eb('host.name', 'ilike', containing(filter.keyword)))
  if (filter.zone !== undefined) found.push(eb('host.zoneId', '=', filter.zone))
  if (filter.pod !== undefined) found.push(eb('host.podId', '=', filter.pod))
  if (filter.cluster !== undefined) found.push(eb('host.clusterId', '=', filter.cluster))
  if (filter.state !== undefined) found.push(eb(sql`lower(host.state)`, '=', filter.state.toLowerCase()))
  if (filter.resourceState !== undefined)
    found.push(eb(sql`lower(host.resource_state)`, '=', filter.resourceState.toLowerCase()))
  if (filter.hypervisor !== undefined) found.push(eb(sql`lower(host.hypervisor)`, '=', filter.hypervisor.toLowerCase()))
  if (filter.vm !== undefined)
    found.push(eb('host.id', 'in', eb.selectFrom('vm').select('vm.hostId').where('vm.id', '=', filter.vm)))
  return found
}

function selectHosts(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('host')
    .innerJoin('zone', 'zone.id', 'host.zoneId')
    .innerJoin('pod', 'pod.id', 'host.podId')
    .innerJoin('cluster', 'cluster.id', 'host.clusterId')
    .where('host.id', 'in', ids)
    .select(['host.id', 'host.name', 'host.plugin', 'host.hypervisor', 'host.url', 'host.initiator', 'host.version'])
    .select(['host.state', 'host.resourceState', 'host.tags', 'host.cpus', 'host.memoryBytes', 'host.lastSeenAt'])
    .select([
      'host.createdAt',
      'host.silentSince',
      'host.lostAt',
      'host.removedAt',
      'host.zoneId',
      'zone.name as zoneName',
    ])
    .select(['host.podId', 'pod.name as podName', 'host.clusterId', 'cluster.name as clusterName'])
    .select((eb) => [
      running(eb)
        .select(({ fn }) => fn.coalesce(fn.sum<number>('vm.memoryBytes'), sql<number>`0`).as('n'))
        .$asScalar()
        .$notNull()
        .as('memoryGiven'),
      running(eb)
        .select(({ fn }) => fn.coalesce(fn.sum<number>('vm.cpus'), sql<number>`0`).as('n'))
        .$asScalar()
        .$notNull()
        .as('cpusGiven'),
    ])
    .select(['host.capacityIops', 'host.capacityRate', 'host.qosFactor'])
    .select([charged('charged_iops').as('chargedIops'), charged('charged_rate').as('chargedRate')])
    .execute()
}

/** As the ledger of hosts counts: a VM that migrates is on both. */
function charged(column: 'charged_iops' | 'charged_rate') {
  return sql<number>`(select coalesce(sum(attachment.${sql.ref(column)}), 0)::bigint
    from vm join attachment on attachment.vm_id = vm.id
    where (vm.host_id = host.id or vm.target_host_id = host.id) and vm.removed_at is null)`
}

function running(eb: ExpressionBuilder<Database, 'host'>) {
  return eb.selectFrom('vm').whereRef('vm.hostId', '=', 'host.id').where('vm.removedAt', 'is', null)
}
