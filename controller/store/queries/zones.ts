import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Window } from './page.ts'

/** What lists of zones, pods and clusters may ask for; absent fields do not filter. */
export interface PlaceFilter {
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
  readonly allocationState?: string
}

/** A zone as it is listed. */
export type ZoneView = Awaited<ReturnType<typeof listZones>>['items'][number]
/** A pod as it is listed. */
export type PodView = Awaited<ReturnType<typeof listPods>>['items'][number]
/** A cluster as it is listed. */
export type ClusterView = Awaited<ReturnType<typeof listClusters>>['items'][number]

/** Zones by name. */
export async function listZones(
  reader: Reader,
  filter: PlaceFilter & { readonly networkType?: string },
  window: Window,
) {
  let query = reader.selectFrom('zone').where('zone.removedAt', 'is', null)
  if (filter.ids !== undefined) query = query.where('zone.id', 'in', filter.ids)
  if (filter.name !== undefined) query = query.where('zone.name', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('zone.name', 'ilike', containing(filter.keyword))
  if (filter.allocationState !== undefined) query = query.where('zone.allocationState', '=', filter.allocationState)
  if (filter.networkType !== undefined) query = query.where('zone.networkType', 'ilike', filter.networkType)
  const columns = ['zone.id', 'zone.name', 'zone.networkType', 'zone.allocationState'] as const
  return await listed(query.select(columns).orderBy('zone.name'), window)
}

/** Pods by name. */
export async function listPods(reader: Reader, filter: PlaceFilter & { readonly zone?: string }, window: Window) {
  let query = reader.selectFrom('pod').innerJoin('zone', 'zone.id', 'pod.zoneId').where('pod.removedAt', 'is', null)
  if (filter.ids !== undefined) query = query.where('pod.id', 'in', filter.ids)
  if (filter.name !== undefined) query = query.where('pod.name', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('pod.name', 'ilike', containing(filter.keyword))
  if (filter.allocationState !== undefined) query = query.where('pod.allocationState', '=', filter.allocationState)
  if (filter.zone !== undefined) query = query.where('pod.zoneId', '=', filter.zone)
  const columns = ['pod.id', 'pod.name', 'pod.allocationState', 'pod.zoneId', 'zone.name as zoneName'] as const
  return await listed(query.select(columns).orderBy('pod.name'), window)
}

/** Clusters by name. */
export async function listClusters(
  reader: Reader,
  filter: PlaceFilter & { readonly zone?: string; readonly pod?: string; readonly hypervisor?: string },
  window: Window,
) {
  let query = reader
    .selectFrom('cluster')
    .innerJoin('zone', 'zone.id', 'cluster.zoneId')
    .innerJoin('pod', 'pod.id', 'cluster.podId')
    .where('cluster.removedAt', 'is', null)
  if (filter.ids !== undefined) query = query.where('cluster.id', 'in', filter.ids)
  if (filter.name !== undefined) query = query.where('cluster.name', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('cluster.name', 'ilike', containing(filter.keyword))
  if (filter.allocationState !== undefined) query = query.where('cluster.allocationState', '=', filter.allocationState)
  if (filter.zone !== undefined) query = query.where('cluster.zoneId', '=', filter.zone)
  if (filter.pod !== undefined) query = query.where('cluster.podId', '=', filter.pod)
  if (filter.hypervisor !== undefined) query = query.where('cluster.hypervisor', 'ilike', filter.hypervisor)
  const columns = [
    'cluster.id',
    'cluster.name',
    'cluster.hypervisor',
    'cluster.allocationState',
    'cluster.zoneId',
    'cluster.podId',
    'zone.name as zoneName',
    'pod.name as podName',
  ] as const
  return await listed(query.select(columns).orderBy('cluster.name'), window)
}
