import { type Expression, type ExpressionBuilder, sql, type SqlBool } from 'kysely'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { containing, cutPage, type Listed, NO_LIMIT, type Window } from './page.ts'
import { type Pending, pendingOf } from './pending.ts'

/** What `listStoragePools` may ask for; absent fields do not filter. */
export interface PoolFilter {
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
  readonly zone?: string
  readonly pod?: string
  readonly cluster?: string
  readonly scope?: 'ZONE' | 'CLUSTER' | 'HOST'
  readonly state?: string
  /** Pools that this host reaches: of its cluster, its zone, or its own. */
  readonly host?: string
  /** Host in the url. */
  readonly address?: string
  /** Path in the url, with its slash. */
  readonly path?: string
}

/** A pool with the names of where it is. Holds no secrets: the sealed settings are left out. */
export type PoolView = Awaited<ReturnType<typeof selectPools>>[number] & { readonly pending?: Pending }

/** A page of registered pools in the order of registration. */
export async function listPools(reader: Reader, filter: PoolFilter, window: Window): Promise<Listed<PoolView>> {
  const wanted = reader
    .selectFrom('pool')
    .where('pool.removedAt', 'is', null)
    .where((eb) => eb.and(conditions(eb, filter)))
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('pool.id')
        .orderBy('pool.seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await poolViews(reader, ids) }
}

/** The pools of these ids in the order of registration, removed ones too. */
export async function poolViews(reader: Reader, ids: readonly string[]): Promise<readonly PoolView[]> {
  if (ids.length === 0) return []
  const [rows, pending] = await Promise.all([selectPools(reader, ids), pendingOf(reader, ids)])
  return rows.map((row) => {
    const open = pending.get(row.id)
    return open === undefined ? row : { ...row, pending: open }
  })
}

function conditions(eb: ExpressionBuilder<Database, 'pool'>, filter: PoolFilter) {
  const found: Expression<SqlBool>[] = []
  if (filter.ids !== undefined) found.push(eb('pool.id', 'in', filter.ids.length > 0 ? filter.ids : [null]))
  if (filter.name !== undefined) found.push(eb('pool.name', '=', filter.name))
  if (filter.keyword !== undefined) found.push(eb('pool.name', 'ilike', containing(filter.keyword)))
  if (filter.zone !== undefined) found.push(eb('pool.zoneId', '=', filter.zone))
  if (filter.pod !== undefined) found.push(eb('pool.podId', '=', filter.pod))
  if (filter.cluster !== undefined) found.push(eb('pool.clusterId', '=', filter.cluster))
  if (filter.scope !== undefined) found.push(eb('pool.scope', '=', filter.scope))
  if (filter.state !== undefined) found.push(eb(sql`lower(pool.state)`, '=', filter.state.toLowerCase()))
  if (filter.host !== undefined) found.push(reachedBy(eb, filter.host))
  if (filter.address !== undefined)
    found.push(sql<SqlBool>`regexp_replace(pool.url, '^[^:]+://([^/:?#]*).*$', '\\1') = ${filter.address}`)
  if (filter.path !== undefined)
    found.push(sql<SqlBool>`regexp_replace(pool.url, '^[^:]+://[^/?#]*', '') = ${filter.path}`)
  return found
}

function reachedBy(eb: ExpressionBuilder<Database, 'pool'>, host: string) {
  const of = (column: 'host.zoneId' | 'host.clusterId') =>
    eb.selectFrom('host').select(column).where('host.id', '=', host)
  return eb.or([
    eb.and([eb('pool.scope', '=', 'ZONE'), eb('pool.zoneId', 'in', of('host.zoneId'))]),
    eb.and([eb('pool.scope', '=', 'CLUSTER'), eb('pool.clusterId', 'in', of('host.clusterId'))]),
    eb.and([eb('pool.scope', '=', 'HOST'), eb('pool.hostId', '=', host)]),
  ])
}

function selectPools(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('pool')
    .innerJoin('zone', 'zone.id', 'pool.zoneId')
    .leftJoin('pod', 'pod.id', 'pool.podId')
    .leftJoin('cluster', 'cluster.id', 'pool.clusterId')
    .where('pool.id', 'in', ids)
    .select([
      'pool.id',
      'pool.name',
      'pool.provider',
      'pool.url',
      'pool.scope',
      'pool.managed',
      'pool.state',
      'pool.tags',
    ])
    .select([
      'pool.hypervisor',
      'pool.totalBytes',
      'pool.usedBytes',
      'pool.totalIops',
      'pool.capacityBytes',
      'pool.capacityIops',
    ])
    .select([
      'pool.bytesFactor',
      'pool.iopsFactor',
      'pool.reservedBytes',
      'pool.reservedIops',
      'pool.reservedVolumes',
      'pool.reportedAt',
      'pool.qosDrift',
      'pool.createdAt',
    ])
    .select(['pool.foreignBytes', 'pool.foreignVolumes', 'pool.capacityVolumes', 'pool.floorIops', 'pool.boundedOnly'])
    .select(['pool.usedThreshold', 'pool.allocatedThreshold'])
    .select((eb) => eb.ref('pool.settings').$castTo<Readonly<Record<string, string>>>().as('settings'))
    .select(['pool.zoneId', 'zone.name as zoneName', 'pool.podId', 'pod.name as podName'])
    .select(['pool.clusterId', 'cluster.name as clusterName'])
    .orderBy('pool.seq')
    .execute()
}
