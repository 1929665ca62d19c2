import { changePlace, createZone, deletePlace } from '../../operations/places.ts'
import { capacities } from '../../store/queries/capacity.ts'
import { tagsOf } from '../../store/queries/pending.ts'
import { listZones, type ZoneView } from '../../store/queries/zones.ts'
import { defineCommand, EVERYONE, OPERATORS, type Request, SUCCESS } from '../command.ts'
import { isAdmin } from '../dispatch.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entities, entity, flag, text } from '../params.ts'
import { field, type Rendered, tagFields } from '../shape.ts'
import { capacityFields, renderCapacity } from './capacity.ts'
import { idsOf } from './listed.ts'

/** Whether things may be placed somewhere. */
export const ALLOCATION_STATES = ['Enabled', 'Disabled'] as const

const shape = {
  id: field.string('Zone id'),
  name: field.string('Zone name'),
  networktype: field.string('the network type of the zone: Basic or Advanced'),
  securitygroupsenabled: field.boolean('false: there are no networks to secure'),
  allocationstate: field.string('Enabled or Disabled: whether things may be placed there'),
  localstorageenabled: field.boolean('false: storage is on arrays'),
  type: field.string('the type of the zone: Core'),
  tags: field.list(tagFields, 'tags of the zone'),
  capacity: field.list(capacityFields, 'the capacity of the zone, with showcapacities', { admin: true }),
} as const
const zone = { key: 'zone', shape } as const

const create = defineCommand({
  name: 'createZone',
  kind: 'sync',
  description: 'Creates a zone: hosts and arrays that can reach each other.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'the name of the zone' }),
    networktype: choice(['Basic', 'Advanced'], {
      required: true,
      description: 'Basic or Advanced: remembered for the sake of clients, there are no networks here',
    }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'Enabled unless said' }),
  },
  response: zone,
  async run(request) {
    const { name, networktype, allocationstate } = request.params
    const id = await createZone(request, {
      name,
      networkType: networktype,
      allocationState: allocationstate ?? 'Enabled',
    })
    return { object: await one(request, id) }
  },
})

const list = defineCommand({
  name: 'listZones',
  kind: 'sync',
  description: 'Lists zones.',
  roles: EVERYONE,
  params: {
    id: entity('zone', { description: 'the ID of the zone' }),
    ids: entities('zone', { description: 'the IDs of the zones' }),
    name: text({ description: 'the name of the zone' }),
    keyword,
    networktype: text({ description: 'the network type of the zone' }),
    available: flag({ description: 'true: only zones in which things may be placed' }),
    showcapacities: flag({ description: 'whether to show the capacities of the zones' }),
  },
  response: { ...zone, list: true },
  async run(request) {
    const { params, system, caller, page } = request
    // Others than administrators cannot use a zone that is disabled, and CloudStack does not show it to them.
    const enabled = params.available === true || !isAdmin(caller)
    const { count, items } = await listZones(
      system.store.reader,
      given({
        ids: idsOf(params),
        name: params.name,
        keyword: params.keyword,
        networkType: params.networktype,
        allocationState: enabled ? 'Enabled' : undefined,
      }),
      page,
    )
    return { count, list: await rendered(request, items, params.showcapacities === true) }
  },
})

const update = defineCommand({
  name: 'updateZone',
  kind: 'sync',
  description: 'Renames, enables or disables a zone.',
  roles: OPERATORS,
  params: {
    id: entity('zone', { required: true, description: 'the ID of the zone' }),
    name: text({ description: 'the name of the zone' }),
    allocationstate: choice(ALLOCATION_STATES, { description: 'whether things may be placed there' }),
  },
  response: zone,
  async run(request) {
    const { id, name, allocationstate } = request.params
    await changePlace(request, 'zone', { id, ...given({ name, allocationState: allocationstate }) })
    return { object: await one(request, id) }
  },
})

const remove = defineCommand({
  name: 'deleteZone',
  kind: 'sync',
  description: 'Deletes a zone with nothing in it.',
  roles: OPERATORS,
  params: { id: entity('zone', { required: true, description: 'the ID of the zone' }) },
  response: SUCCESS,
  async run(request) {
    await deletePlace(request, 'zone', request.params.id)
    return { success: true }
  },
})

async function one(request: Request<unknown>, id: string): Promise<Rendered<typeof shape>> {
  const { items } = await listZones(request.system.store.reader, { ids: [id] }, { offset: 0 })
  return (await rendered(request, items, false))[0] ?? { id }
}

async function rendered(
  { system }: Request<unknown>,
  views: readonly ZoneView[],
  showCapacities: boolean,
): Promise<readonly Rendered<typeof shape>[]> {
  const { reader } = system.store
  const tags = await tagsOf(
    reader,
    'Zone',
    views.map(({ id }) => id),
  )
  const all = showCapacities ? await capacities(reader, { by: 'zone' }) : []
  return views.map(({ id, name, networkType, allocationState }) => ({
    id,
    name,
    networktype: networkType,
    securitygroupsenabled: false,
    allocationstate: allocationState,
    localstorageenabled: false,
    type: 'Core',
    tags: (tags.get(id) ?? []).map((tag) => ({ ...tag, resourcetype: 'Zone', resourceid: id })),
    ...(showCapacities ? { capacity: all.filter(({ place }) => place === id).map(renderCapacity) } : {}),
  }))
}

/** The commands about zones. */
export const zoneCommands = [create, list, update, remove] as const
