import { capacities, type CapacityView } from '../../store/queries/capacity.ts'
import { defineCommand, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { cut } from '../paging.ts'
import { choice, entity, integer } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

/** A capacity, also inside the place whose it is. */
export const capacityFields = {
  type: field.integer('the kind: 0 memory, 2 storage, 3 storage allocated, 90 CPU cores, 1001 IOPS, 1002 volumes'),
  name: field.string('name of the kind, as STORAGE_ALLOCATED'),
  zoneid: field.string('the Zone ID'),
  zonename: field.string('the Zone name'),
  podid: field.string('the Pod ID'),
  podname: field.string('the Pod name'),
  clusterid: field.string('the Cluster ID'),
  clustername: field.string('the Cluster name'),
  capacityallocated: field.long('the capacity currently allocated'),
  capacityused: field.long('the capacity currently in use'),
  capacitytotal: field.long('the total capacity available'),
  capacityforeign: field.long('of what is allocated, what is on the arrays and not ours'),
  percentused: field.string('the percentage of capacity currently in use, with two decimals'),
} as const

/** CloudStack's names; its web interface finds the kinds by them. */
const NAMES = {
  0: 'MEMORY',
  2: 'STORAGE',
  3: 'STORAGE_ALLOCATED',
  90: 'CPU_CORE',
  1001: 'STORAGE_IOPS',
  1002: 'STORAGE_VOLUMES',
} as const

/** One capacity as it is answered. */
export function renderCapacity(view: CapacityView): Rendered<typeof capacityFields> {
  const percent = view.total === 0 ? 0 : (view.used / view.total) * 100
  return {
    type: view.type,
    name: NAMES[view.type],
    zoneid: view.zoneId,
    zonename: view.zoneName,
    capacityallocated: view.allocated,
    capacityused: view.used,
    capacitytotal: view.total,
    capacityforeign: view.foreign,
    percentused: percent.toFixed(2),
  }
}

const list = defineCommand({
  name: 'listCapacity',
  kind: 'sync',
  description: 'Lists the capacities of zones, or of a pod or cluster: what there is, what is promised, what is used.',
  roles: OPERATORS_READING,
  params: {
    zoneid: entity('zone', { description: 'lists capacity by the Zone ID' }),
    podid: entity('pod', { description: 'lists capacity by the Pod ID' }),
    clusterid: entity('cluster', { description: 'lists capacity by the Cluster ID' }),
    type: integer({ description: 'lists capacity by type: 0, 2, 3, 90, 1001 or 1002', least: 0 }),
    sortby: choice(['Usage'], { description: 'Usage: the fullest first' }),
  },
  response: { key: 'capacity', shape: capacityFields, list: true },
  async run({ system, params, page }) {
    const by = params.clusterid !== undefined ? 'cluster' : params.podid === undefined ? 'zone' : 'pod'
    const narrowed = { zone: params.zoneid, pod: params.podid, cluster: params.clusterid, type: params.type }
    const views = await capacities(system.store.reader, { by, ...given(narrowed) })
    const all = views.map((view) => ({
      ...renderCapacity(view),
      ...(by === 'pod' ? { podid: view.place, podname: view.name } : {}),
      ...(by === 'cluster' ? { clusterid: view.place, clustername: view.name } : {}),
    }))
    if (params.sortby !== undefined) all.sort((one, other) => Number(other.percentused) - Number(one.percentused))
    return { list: cut(all, page), count: all.length }
  },
})

/** The commands about capacity. */
export const capacityCommands = [list] as const
