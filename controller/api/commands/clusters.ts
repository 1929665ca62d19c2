import { addCluster, changePlace, deletePlace } from '../../operations/places.ts'
import { capacities } from '../../store/queries/capacity.ts'
import { type ClusterView, listClusters } from '../../store/queries/zones.ts'
import { defineCommand, OPERATORS, OPERATORS_READING, type Request, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entity, flag, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { capacityFields, renderCapacity } from './capacity.ts'
import { idsOf } from './listed.ts'
import { ALLOCATION_STATES } from './zones.ts'

const shape = {
  id: field.string('the cluster ID'),
  name: field.string('the cluster name'),
  podid: field.string('the Pod ID of the cluster'),
  podname: field.string('the Pod name of the cluster'),
  zoneid: field.string('the Zone ID of the cluster'),
  zonename: field.string('the Zone name of the cluster'),
  hypervisortype: field.string('the hypervisor type of the cluster'),
  clustertype: field.string('the type of the cluster: CloudManaged'),
  allocationstate: field.string('Enabled or Disabled: whether things may be placed there'),
  managedstate: field.string('whether this cluster is managed: Managed'),
  cpuovercommitratio: field.string('the cpu overcommit ratio of the cluster'),
  memoryovercommitratio: field.string('the memory overcommit ratio of the cluster'),
  capacity: field.list(capacityFields, 'the capacity of the Cluster, with showcapacities'),
} as const
const cluster = { key: 'cluster', shape } as const

const add = defineCommand({
  name: 'addCluster',
  kind: 'sync',
  description: 'Adds a cluster: hosts of one hypervisor that reach the same storage.',
  roles: OPERATORS,
  params: {
    clustername: text({ required: true, description: 'the cluster name' }),
    zoneid: entity('zone', { required: true, description: 'the Zone ID for the cluster' }),
    podid: entity('pod', { required: true, description: 'the Pod ID for the cluster' }),
    hypervisor: text({ required: true, description: 'hypervisor type of the cluster, as a plug-in names it' }),
    clustertype: choice(['CloudManaged', 'ExternalManaged'], { description: 'accepted for the sake of clients' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'Enabled unless said' }),
  },
  response: { ...cluster, listShaped: true },
  async run(request) {
    const { clustername, zoneid, podid, hypervisor, allocationstate } = request.params
    const wanted = { name: clustername, zone: zoneid, pod: podid, hypervisor }
    const id = await addCluster(request, { ...wanted, allocationState: allocationstate ?? 'Enabled' })
    return { object: await one(request, id) }
  },
})

const list = defineCommand({
  name: 'listClusters',
  kind: 'sync',
  description: 'Lists clusters.',
  roles: OPERATORS_READING,
  params: {
    id: entity('cluster', { description: 'lists clusters by the cluster ID' }),
    name: text({ description: 'lists clusters by the cluster name' }),
    podid: entity('pod', { description: 'lists clusters by Pod ID' }),
    zoneid: entity('zone', { description: 'lists clusters by Zone ID' }),
    hypervisor: text({ description: 'lists clusters by hypervisor type' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'lists clusters by allocation state' }),
    keyword,
    showcapacities: flag({ description: 'whether to show the capacities of the clusters' }),
  },
  response: { ...cluster, list: true },
  async run({ system, params, page }) {
    const { reader } = system.store
    const { name, podid: pod, zoneid: zone, hypervisor, allocationstate: allocationState } = params
    const filter = given({ ids: idsOf(params), name, keyword: params.keyword, pod, zone, hypervisor, allocationState })
    const { count, items } = await listClusters(reader, filter, page)
    if (params.showcapacities !== true) return { count, list: items.map(rendered) }
    const all = await capacities(reader, { by: 'cluster' })
    const capacity = (of: ClusterView) => all.filter(({ place }) => place === of.id).map(renderCapacity)
    return { count, list: items.map((view) => ({ ...rendered(view), capacity: capacity(view) })) }
  },
})

const update = defineCommand({
  name: 'updateCluster',
  kind: 'sync',
  description: 'Renames, enables or disables a cluster.',
  roles: OPERATORS,
  params: {
    id: entity('cluster', { required: true, description: 'the ID of the Cluster' }),
    clustername: text({ description: 'the cluster name' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'whether things may be placed there' }),
  },
  response: cluster,
  async run(request) {
    const { id, clustername: name, allocationstate: allocationState } = request.params
    await changePlace(request, 'cluster', { id, ...given({ name, allocationState }) })
    return { object: await one(request, id) }
  },
})

const remove = defineCommand({
  name: 'deleteCluster',
  kind: 'sync',
  description: 'Deletes a cluster with nothing in it.',
  roles: OPERATORS,
  params: { id: entity('cluster', { required: true, description: 'the cluster ID' }) },
  response: SUCCESS,
  async run(request) {
    await deletePlace(request, 'cluster', request.params.id)
    return { success: true }
  },
})

async function one({ system }: Request<unknown>, id: string): Promise<Rendered<typeof shape>> {
  const { items } = await listClusters(system.store.reader, { ids: [id] }, { offset: 0 })
  return items[0] === undefined ? { id } : rendered(items[0])
}

function rendered(view: ClusterView): Rendered<typeof shape> {
  return {
    id: view.id,
    name: view.name,
    podid: view.podId,
    podname: view.podName,
    zoneid: view.zoneId,
    zonename: view.zoneName,
    hypervisortype: view.hypervisor,
    clustertype: 'CloudManaged',
    allocationstate: view.allocationState,
    managedstate: 'Managed',
    cpuovercommitratio: '1.0',
    memoryovercommitratio: '1.0',
  }
}

/** The commands about clusters. */
export const clusterCommands = [add, list, update, remove] as const
