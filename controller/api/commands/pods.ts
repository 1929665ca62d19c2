import { changePlace, createPod, deletePlace } from '../../operations/places.ts'
import { capacities } from '../../store/queries/capacity.ts'
import { listPods, type PodView } from '../../store/queries/zones.ts'
import { defineCommand, OPERATORS, OPERATORS_READING, type Request, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entity, flag, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { capacityFields, renderCapacity } from './capacity.ts'
import { idsOf } from './listed.ts'
import { ALLOCATION_STATES } from './zones.ts'

const shape = {
  id: field.string('the ID of the Pod'),
  name: field.string('the name of the Pod'),
  zoneid: field.string('the Zone ID of the Pod'),
  zonename: field.string('the Zone name of the Pod'),
  allocationstate: field.string('Enabled or Disabled: whether things may be placed there'),
  capacity: field.list(capacityFields, 'the capacity of the Pod, with showcapacities'),
} as const
const pod = { key: 'pod', shape } as const

const create = defineCommand({
  name: 'createPod',
  kind: 'sync',
  description: 'Creates a pod in a zone.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'the name of the Pod' }),
    zoneid: entity('zone', { required: true, description: 'the Zone ID in which the Pod will be created' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'Enabled unless said' }),
  },
  response: pod,
  async run(request) {
    const { name, zoneid, allocationstate } = request.params
    const id = await createPod(request, { name, zone: zoneid, allocationState: allocationstate ?? 'Enabled' })
    return { object: await one(request, id) }
  },
})

const list = defineCommand({
  name: 'listPods',
  kind: 'sync',
  description: 'Lists pods.',
  roles: OPERATORS_READING,
  params: {
    id: entity('pod', { description: 'list Pods by ID' }),
    name: text({ description: 'list Pods by name' }),
    zoneid: entity('zone', { description: 'list Pods by Zone ID' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'list Pods by allocation state' }),
    keyword,
    showcapacities: flag({ description: 'whether to show the capacities of the pods' }),
  },
  response: { ...pod, list: true },
  async run({ system, params, page }) {
    const { reader } = system.store
    const { name, zoneid: zone, allocationstate: allocationState } = params
    const filter = given({ ids: idsOf(params), name, keyword: params.keyword, zone, allocationState })
    const { count, items } = await listPods(reader, filter, page)
    if (params.showcapacities !== true) return { count, list: items.map(rendered) }
    const all = await capacities(reader, { by: 'pod' })
    const capacity = (of: PodView) => all.filter(({ place }) => place === of.id).map(renderCapacity)
    return { count, list: items.map((view) => ({ ...rendered(view), capacity: capacity(view) })) }
  },
})

const update = defineCommand({
  name: 'updatePod',
  kind: 'sync',
  description: 'Renames, enables or disables a pod.',
  roles: OPERATORS,
  params: {
    id: entity('pod', { required: true, description: 'the ID of the Pod' }),
    name: text({ description: 'the name of the Pod' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'whether things may be placed there' }),
  },
  response: pod,
  async run(request) {
    const { id, name, allocationstate } = request.params
    await changePlace(request, 'pod', { id, ...given({ name, allocationState: allocationstate }) })
    return { object: await one(request, id) }
  },
})

const remove = defineCommand({
  name: 'deletePod',
  kind: 'sync',
  description: 'Deletes a pod with nothing in it.',
  roles: OPERATORS,
  params: { id: entity('pod', { required: true, description: 'the ID of the Pod' }) },
  response: SUCCESS,
  async run(request) {
    await deletePlace(request, 'pod', request.params.id)
    return { success: true }
  },
})

async function one({ system }: Request<unknown>, id: string): Promise<Rendered<typeof shape>> {
  const { items } = await listPods(system.store.reader, { ids: [id] }, { offset: 0 })
  return items[0] === undefined ? { id } : rendered(items[0])
}

function rendered({ id, name, zoneId, zoneName, allocationState }: PodView): Rendered<typeof shape> {
  return { id, name, zoneid: zoneId, zonename: zoneName, allocationstate: allocationState }
}

/** The commands about pods. */
export const podCommands = [create, list, update, remove] as const
