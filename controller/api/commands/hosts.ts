import type { System } from '../../operations/context.ts'
import { addHost } from '../../operations/host-add.ts'
import { enterHostMaintenance, leaveHostMaintenance } from '../../operations/host-maintenance.ts'
import { declareHostLost } from '../../operations/host-lost.ts'
import { reconnectHost } from '../../operations/host-reconnect.ts'
import { removeHost } from '../../operations/host-remove.ts'
import { changeHost, resourceStateOf } from '../../operations/host-update.ts'
import { hostViews, listHosts } from '../../store/queries/hosts.ts'
import { defineCommand, type Finished, OPERATORS, OPERATORS_READING, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entity, flag, list as listOf, long, map, text } from '../params.ts'
import type { Rendered } from '../shape.ts'
import { hostShape, renderHost } from './host-shape.ts'

const host = { key: 'host', shape: hostShape } as const

async function oneHost(system: System, id: string): Promise<Rendered<typeof hostShape>> {
  return (await hostViews(system.store.reader, [id])).map(renderHost)[0] ?? {}
}

const add = defineCommand({
  name: 'addHost',
  kind: 'sync',
  description: 'Adds a hypervisor host, once it has answered and said who it is.',
  roles: OPERATORS,
  params: {
    zoneid: entity('zone', { required: true, description: 'the Zone ID for the host' }),
    podid: entity('pod', { required: true, description: 'the Pod ID for the host' }),
    clusterid: entity('cluster', { description: 'the cluster ID for the host; the only one of the pod if not given' }),
    clustername: text({ description: 'the cluster name for the host' }),
    url: text({ required: true, length: 2048, description: 'the host URL; its scheme tells the plug-in' }),
    username: text({ description: 'the username for the host' }),
    password: text({ secret: true, description: 'the password for the host' }),
    hypervisor: text({ required: true, description: 'hypervisor type of the host' }),
    allocationstate: text({ description: 'Disabled: no virtual machine is placed there yet' }),
    hosttags: listOf({ description: 'list of tags to be added to the host' }),
    details: map({ description: 'further settings of the plug-in' }),
  },
  response: { ...host, listShaped: true },
  async run({ system, caller, params }) {
    const { zoneid, podid, clusterid, clustername, url, username, password, hypervisor } = params
    const enabled = params.allocationstate === undefined || resourceStateOf(params.allocationstate) === 'Enabled'
    const id = await addHost(
      { system, caller },
      {
        zone: zoneid,
        pod: podid,
        url,
        hypervisor,
        enabled,
        tags: params.hosttags ?? [],
        details: params.details ?? {},
        ...given({ cluster: clusterid, clusterName: clustername, username, password }),
      },
    )
    return { object: await oneHost(system, id) }
  },
})

const itself = entity('host', { required: true, description: 'the ID of the host' })

const update = defineCommand({
  name: 'updateHost',
  kind: 'sync',
  description: 'Updates a host.',
  roles: OPERATORS,
  params: {
    id: itself,
    name: text({ description: 'change the name of the host' }),
    allocationstate: text({ description: 'Enable or Disable: whether virtual machines are placed there' }),
    hosttags: listOf({ description: 'list of tags, which replaces the one there is' }),
    capacityiops: long({
      description: 'IOPS that it may draw for disks that it throttles itself; 0: as many as it can',
    }),
    capacitybytesrate: long({ description: 'bytes per second that it may draw for those; 0: as many as it can' }),
  },
  response: host,
  async run({ system, caller, params: { id, name, allocationstate, hosttags, capacityiops, capacitybytesrate } }) {
    const caps = { capacityIops: capacityiops, capacityRate: capacitybytesrate }
    const changes = { name: name || undefined, tags: hosttags, allocation: allocationstate || undefined, ...caps }
    await changeHost({ system, caller }, { host: id, ...given(changes) })
    return { object: await oneHost(system, id) }
  },
})

const remove = defineCommand({
  name: 'deleteHost',
  kind: 'sync',
  description: 'Forgets a host on which no virtual machine runs. Nothing on the host is touched.',
  roles: OPERATORS,
  params: {
    id: itself,
    forced: flag({ description: 'accepted for the sake of clients: a host with virtual machines is never forgotten' }),
  },
  response: SUCCESS,
  async run({ system, caller, params: { id } }) {
    await removeHost({ system, caller }, id)
    return { success: true }
  },
})

// What a filter names may have been removed since: CloudStack answers an empty list then, and clients wait for just that.
const list = defineCommand({
  name: 'listHosts',
  kind: 'sync',
  description: 'Lists hosts.',
  roles: OPERATORS_READING,
  params: {
    keyword,
    id: entity('host', { removed: true, description: 'the id of the host' }),
    name: text({ description: 'the name of the host' }),
    type: text({ description: 'the host type: all are Routing' }),
    zoneid: entity('zone', { removed: true, description: 'the Zone ID for the host' }),
    podid: entity('pod', { removed: true, description: 'the Pod ID for the host' }),
    clusterid: entity('cluster', { removed: true, description: 'lists hosts existing in particular cluster' }),
    state: text({ description: 'the state of the host' }),
    resourcestate: text({ description: 'list hosts by resource state: Enabled, Disabled, Maintenance, ...' }),
    hypervisor: text({ description: 'hypervisor type of host' }),
    virtualmachineid: entity('vm', { removed: true, description: 'lists the host on which this virtual machine runs' }),
    details: choice(['all', 'capacity', 'events', 'stats', 'min'], { description: 'accepted for the sake of clients' }),
  },
  response: { ...host, list: true },
  async run({ system, params, page }) {
    if (params.type !== undefined && params.type.toLowerCase() !== 'routing') return { list: [], count: 0 }
    const { items, count } = await listHosts(
      system.store.reader,
      given({
        ids: params.id === undefined ? undefined : [params.id],
        name: params.name || undefined,
        keyword: params.keyword,
        zone: params.zoneid,
        pod: params.podid,
        cluster: params.clusterid,
        state: params.state || undefined,
        resourceState: params.resourcestate || undefined,
        hypervisor: params.hypervisor || undefined,
        vm: params.virtualmachineid,
      }),
      page,
    )
    return { list: items.map(renderHost), count }
  },
})

const result = async ({ system, subject }: Finished) => oneHost(system, subject)

const enter = defineCommand({
  name: 'prepareHostForMaintenance',
  kind: 'async',
  description:
    'Takes a host out of service: its virtual machines move to other hosts; those that cannot are stopped, and start again when there is room.',
  roles: OPERATORS,
  params: { id: itself },
  response: host,
  result,
  run: ({ system, caller, params: { id } }) => enterHostMaintenance({ system, caller }, id),
})

const leave = defineCommand({
  name: 'cancelHostMaintenance',
  kind: 'async',
  description: 'Puts a host back into service: virtual machines that it ran last and that could not move start again.',
  roles: OPERATORS,
  params: { id: itself },
  response: host,
  result,
  run: ({ system, caller, params: { id } }) => leaveHostMaintenance({ system, caller }, id),
})

const reconnect = defineCommand({
  name: 'reconnectHost',
  kind: 'async',
  description: 'Asks a host now who it is, instead of within seconds, and records that it answers.',
  roles: OPERATORS,
  params: { id: itself },
  response: host,
  result,
  run: async ({ system, caller, params: { id } }) => ({ operation: await reconnectHost({ system, caller }, id) }),
})

const lose = defineCommand({
  name: 'declareHostLost',
  kind: 'sync',
  extension: true,
  description:
    'Gives up a host that does not answer: arrays end its access, then its virtual machines are Stopped, and those with high availability start elsewhere.',
  roles: OPERATORS,
  params: {
    id: itself,
    dead: flag({
      description:
        'true: it is known to run nothing any more, so that storage which cannot end its sessions is free, too',
    }),
  },
  response: host,
  async run({ system, caller, params: { id, dead } }) {
    await declareHostLost({ system, caller }, { host: id, dead: dead ?? false })
    return { object: await oneHost(system, id) }
  },
})

/** The commands about hypervisor hosts. */
export const hostCommands = [add, update, remove, enter, leave, reconnect, lose, list] as const
