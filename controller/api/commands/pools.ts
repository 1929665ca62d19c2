import { enterMaintenance, leaveMaintenance } from '../../operations/pool-maintenance.ts'
import { registerPool } from '../../operations/pool-register.ts'
import { removePool } from '../../operations/pool-remove.ts'
import { changePool } from '../../operations/pool-update.ts'
import { listPools, poolViews } from '../../store/queries/pools.ts'
import { defineCommand, type Finished, OPERATORS, OPERATORS_READING, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entity, flag, list as listOf, long, map, text } from '../params.ts'
import { poolShape, renderPools } from './pool-shape.ts'

const storagepool = { key: 'storagepool', shape: poolShape } as const
const itself = entity('pool', { required: true, description: 'the ID of the storage pool' })
const qosdrift = choice(['report', 'repair'], {
  description:
    'what is done about limits of its volumes that were changed outside of Moorage: told, or put back as well',
})
const SCOPES = ['ZONE', 'CLUSTER', 'HOST'] as const

async function result({ system, subject }: Pick<Finished, 'system' | 'subject'>) {
  return (await renderPools(system, await poolViews(system.store.reader, [subject])))[0]
}

const create = defineCommand({
  name: 'createStoragePool',
  kind: 'sync',
  description: 'Registers a storage pool, once its array has answered and said which pool it is.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'the name for the storage pool' }),
    url: text({ required: true, length: 2048, description: 'the URL of the storage pool' }),
    zoneid: entity('zone', { required: true, description: 'the Zone ID for the storage pool' }),
    podid: entity('pod', { description: 'the Pod ID for the storage pool' }),
    clusterid: entity('cluster', { description: 'the cluster ID for the storage pool' }),
    provider: text({ description: 'the storage provider name, as listStorageProviders shows it' }),
    scope: choice(SCOPES, { description: 'the scope of the storage: cluster or zone' }),
    managed: flag({ description: 'whether each volume gets a volume of its own on the array' }),
    capacitybytes: long({ description: 'bytes CloudStack can provision from this storage pool' }),
    capacityiops: long({ description: 'IOPS CloudStack can provision from this storage pool' }),
    capacityvolumes: long({ description: 'volumes that it takes at most, fewer than the array would' }),
    hypervisor: text({ description: 'hypervisor whose hosts use a zone-wide pool' }),
    tags: listOf({ description: 'the tags for the storage pool' }),
    details: map({ description: 'the settings of the provider' }),
    qosdrift,
  },
  response: storagepool,
  async run({ system, caller, params }) {
    const { name, url, zoneid, podid, clusterid, provider, scope, managed, capacitybytes, capacityiops } = params
    const subject = await registerPool(
      { system, caller },
      {
        name,
        url,
        zone: zoneid,
        tags: params.tags ?? [],
        details: params.details ?? {},
        ...given({
          pod: podid,
          cluster: clusterid,
          provider: provider || undefined,
          scope,
          managed,
          capacityBytes: capacitybytes,
          capacityIops: capacityiops,
          capacityVolumes: params.capacityvolumes,
          hypervisor: params.hypervisor || undefined,
          qosDrift: params.qosdrift,
        }),
      },
    )
    return { object: (await result({ system, subject })) ?? {} }
  },
})

const update = defineCommand({
  name: 'updateStoragePool',
  kind: 'sync',
  description: 'Updates a storage pool. A new url or new details must lead to the same pool, which is asked first.',
  since: '3.0.0',
  roles: OPERATORS,
  params: {
    id: itself,
    name: text({ description: 'change the name of the storage pool' }),
    tags: listOf({ description: 'list of tags, which replaces the one there is' }),
    capacitybytes: long({ description: 'bytes CloudStack can provision from this storage pool' }),
    capacityiops: long({ description: 'IOPS CloudStack can provision from this storage pool' }),
    capacityvolumes: long({ description: 'volumes that it takes at most, fewer than the array would' }),
    enabled: flag({ description: 'false: no volume is placed there; true: they are again' }),
    url: text({ length: 2048, description: 'the URL of the storage pool' }),
    details: map({ description: 'settings of the provider, merged into those there are' }),
    qosdrift,
  },
  response: storagepool,
  async run({ system, caller, params: { id, name, tags, enabled, url, details, ...caps } }) {
    const { capacitybytes: capacityBytes, capacityiops: capacityIops, capacityvolumes: capacityVolumes } = caps
    const changes = { tags, capacityBytes, capacityIops, capacityVolumes, enabled, details, qosDrift: caps.qosdrift }
    await changePool(
      { system, caller },
      { pool: id, ...given({ ...changes, name: name || undefined, url: url || undefined }) },
    )
    return { object: (await result({ system, subject: id })) ?? {} }
  },
})

// What a filter names may have been removed since: CloudStack answers an empty list then, and clients wait for just that.
const list = defineCommand({
  name: 'listStoragePools',
  kind: 'sync',
  description: 'Lists storage pools.',
  roles: OPERATORS_READING,
  params: {
    keyword,
    id: entity('pool', { removed: true, description: 'the ID of the storage pool' }),
    name: text({ description: 'the name of the storage pool' }),
    zoneid: entity('zone', { removed: true, description: 'the Zone ID for the storage pool' }),
    podid: entity('pod', { removed: true, description: 'the Pod ID for the storage pool' }),
    clusterid: entity('cluster', {
      removed: true,
      description: 'list storage pools belonging to the specific cluster',
    }),
    hostid: entity('host', { removed: true, description: 'host ID of the storage pools: those that it reaches' }),
    scope: choice(SCOPES, { description: 'the scope of the storage pool' }),
    status: text({ description: 'the status of the storage pool' }),
    ipaddress: text({ description: 'the host in the URL of the storage pool' }),
    path: text({ description: 'the path in the URL of the storage pool' }),
  },
  response: { ...storagepool, list: true },
  async run({ system, params, page }) {
    const { items, count } = await listPools(
      system.store.reader,
      given({
        ids: params.id === undefined ? undefined : [params.id],
        name: params.name || undefined,
        keyword: params.keyword,
        zone: params.zoneid,
        pod: params.podid,
        cluster: params.clusterid,
        host: params.hostid,
        scope: params.scope,
        state: params.status || undefined,
        address: params.ipaddress || undefined,
        path: params.path || undefined,
      }),
      page,
    )
    return { list: await renderPools(system, items), count }
  },
})

const remove = defineCommand({
  name: 'deleteStoragePool',
  kind: 'sync',
  description: 'Forgets a storage pool that is out of service and empty. Nothing on the array is touched.',
  roles: OPERATORS,
  params: {
    id: itself,
    forced: flag({ description: 'true: delete the destroyed volumes that still live there first' }),
  },
  response: SUCCESS,
  async run({ system, caller, params: { id, forced } }) {
    await removePool({ system, caller }, { pool: id, forced: forced ?? false })
    return { success: true }
  },
})

const enter = defineCommand({
  name: 'enableStorageMaintenance',
  kind: 'async',
  description: 'Takes a storage pool out of service: virtual machines that use it are stopped.',
  roles: OPERATORS,
  params: { id: itself },
  response: { ...storagepool, envelope: 'prepareprimarystorageformaintenanceresponse' },
  result,
  run: ({ system, caller, params: { id } }) => enterMaintenance({ system, caller }, id),
})

const leave = defineCommand({
  name: 'cancelStorageMaintenance',
  kind: 'async',
  description: 'Puts a storage pool back into service: virtual machines that its maintenance stopped start again.',
  roles: OPERATORS,
  params: { id: itself },
  response: { ...storagepool, envelope: 'cancelprimarystoragemaintenanceresponse' },
  result,
  run: ({ system, caller, params: { id } }) => leaveMaintenance({ system, caller }, id),
})

/** The commands about storage pools. */
export const poolCommands = [create, update, list, remove, enter, leave] as const
