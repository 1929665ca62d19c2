import { ownershipOf, ownerOf } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { attachVolume } from '../../operations/volume-attach.ts'
import { createVolume } from '../../operations/volume-create.ts'
import { deleteVolume, destroyVolume } from '../../operations/volume-delete.ts'
import { detachVolume } from '../../operations/volume-detach.ts'
import { recoverVolume } from '../../operations/volume-recover.ts'
import { resizeVolume } from '../../operations/volume-resize.ts'
import { changeVolume } from '../../operations/volume-update.ts'
import { countVolumes, listVolumes, VOLUME_ORDERS } from '../../store/queries/volumes.ts'
import { defineCommand, EVERYONE, type Finished, SUCCESS, TENANTS } from '../command.ts'
import { keyword, ownerParams, ownershipParams } from '../ownership.ts'
import { choice, entities, entity, flag, integer, long, tags, text } from '../params.ts'
import { given } from '../given.ts'
import { idsOf } from './listed.ts'
import { renderVolume, renderVolumes, volumeShape } from './volume-shape.ts'

const volume = { key: 'volume', shape: volumeShape } as const
const result = ({ system, subject }: Finished) => renderVolume(system, subject)
const itself = entity('volume', { required: true, description: 'the ID of the volume' })
const iops = {
  miniops: long({ least: 1, description: 'IOPS to guarantee; for disk offerings with custom IOPS' }),
  maxiops: long({ least: 1, description: 'IOPS not to exceed for long; for disk offerings with custom IOPS' }),
  burstiops: long({
    least: 1,
    description: 'IOPS that may be reached for a while; for disk offerings with custom IOPS',
  }),
} as const

const askedQos = (params: { readonly miniops?: number; readonly maxiops?: number; readonly burstiops?: number }) =>
  given({ minIops: params.miniops, maxIops: params.maxiops, burstIops: params.burstiops })

const create = defineCommand({
  name: 'createVolume',
  kind: 'async-create',
  description:
    'Creates a disk volume from a disk offering, or from a snapshot. One from an offering gets its place on an array when ' +
    'it is first attached.',
  roles: TENANTS,
  params: {
    ...ownerParams,
    diskofferingid: entity('diskoffering', { description: 'the ID of the disk offering; it or snapshotid is needed' }),
    name: text({ description: 'the name of the disk volume; its id if not given' }),
    size: long({ description: 'size in GiB, where the disk offering leaves it to the caller' }),
    ...iops,
    snapshotid: entity('snapshot', { description: 'the snapshot to make it from' }),
    zoneid: entity('zone', { description: 'the ID of the availability zone' }),
    displayvolume: flag({ admin: true, description: 'false: only operators see it' }),
    virtualmachineid: entity('vm', { description: 'attach it to this virtual machine once it is made' }),
    customid: text({ description: 'the id it shall have, a UUID; for administrators' }),
  },
  response: volume,
  result,
  async run({ system, caller, params }) {
    const { name, size, diskofferingid, snapshotid, zoneid, virtualmachineid, customid, displayvolume } = params
    return createVolume(
      { system, caller },
      {
        account: await ownerOf({ system, caller }, params),
        qos: askedQos(params),
        ...given({
          zone: zoneid,
          name: name || undefined,
          sizeGib: size,
          offering: diskofferingid,
          snapshot: snapshotid,
          vm: virtualmachineid,
          customId: customid || undefined,
          display: displayvolume,
        }),
      },
    )
  },
})

const attach = defineCommand({
  name: 'attachVolume',
  kind: 'async',
  description: 'Attaches a disk volume to a virtual machine, running or stopped.',
  roles: TENANTS,
  params: {
    id: itself,
    virtualmachineid: entity('vm', { required: true, description: 'the ID of the virtual machine' }),
    deviceid: integer({ description: 'the device number of the disk; the next free one if not given' }),
  },
  response: volume,
  result,
  run: ({ system, caller, params: { id, virtualmachineid, deviceid } }) =>
    attachVolume({ system, caller }, { volume: id, vm: virtualmachineid, ...given({ deviceId: deviceid }) }),
})

const detach = defineCommand({
  name: 'detachVolume',
  kind: 'async',
  description: 'Detaches a disk volume from a virtual machine.',
  roles: TENANTS,
  params: {
    id: entity('volume', { description: 'the ID of the volume; or give virtualmachineid and deviceid' }),
    virtualmachineid: entity('vm', { description: 'the ID of the virtual machine that has the disk' }),
    deviceid: integer({ description: 'the device number of the disk' }),
  },
  response: volume,
  result,
  async run({ system, caller, params: { id, virtualmachineid, deviceid } }) {
    if (id !== undefined) return detachVolume({ system, caller }, { volume: id })
    if (virtualmachineid !== undefined && deviceid !== undefined)
      return detachVolume({ system, caller }, { vm: virtualmachineid, deviceId: deviceid })
    throw refuse('INVALID', 'Either parameter id, or parameters virtualmachineid and deviceid are needed')
  },
})

const resize = defineCommand({
  name: 'resizeVolume',
  kind: 'async',
  description:
    'Grows a volume and changes its disk offering or IOPS, live where it is attached. Volumes do not shrink.',
  roles: TENANTS,
  params: {
    id: itself,
    size: long({ description: 'new size in GiB' }),
    diskofferingid: entity('diskoffering', { description: 'new disk offering' }),
    ...iops,
    shrinkok: flag({ description: 'accepted for the sake of clients: volumes do not shrink' }),
  },
  response: volume,
  result,
  run: ({ system, caller, params }) =>
    resizeVolume(
      { system, caller },
      {
        command: 'resizeVolume',
        volume: params.id,
        qos: askedQos(params),
        ...given({ sizeGib: params.size, offering: params.diskofferingid }),
      },
    ),
})

const changeOffering = defineCommand({
  name: 'changeOfferingForVolume',
  kind: 'async',
  description:
    'Gives a volume another disk offering, with its size and IOPS, live where it is attached. The volume stays in its pool: ' +
    'an offering that the pool cannot keep is refused with the reason.',
  since: '4.17.0',
  roles: TENANTS,
  params: {
    id: itself,
    diskofferingid: entity('diskoffering', { required: true, description: 'the new disk offering' }),
    size: long({ description: 'new size in GiB, where the offering leaves it to the caller' }),
    ...iops,
    automigrate: flag({ description: 'accepted for the sake of clients: the volume stays where it is' }),
    shrinkok: flag({ description: 'accepted for the sake of clients: volumes do not shrink' }),
  },
  response: volume,
  result,
  run: ({ system, caller, params }) =>
    resizeVolume(
      { system, caller },
      {
        command: 'changeOfferingForVolume',
        volume: params.id,
        offering: params.diskofferingid,
        qos: askedQos(params),
        ...given({ sizeGib: params.size }),
      },
    ),
})

const update = defineCommand({
  name: 'updateVolume',
  kind: 'async',
  description: 'Changes the name of a volume and how it is shown.',
  roles: TENANTS,
  params: {
    id: itself,
    name: text({ description: 'new name' }),
    displayvolume: flag({ admin: true, description: 'false: only operators see it' }),
    chaininfo: text({ admin: true, description: 'text that is kept with the volume' }),
  },
  response: volume,
  result,
  run: ({ system, caller, params: { id, name, displayvolume, chaininfo } }) =>
    changeVolume(
      { system, caller },
      {
        volume: id,
        ...given({ name, display: displayvolume, chainInfo: chaininfo }),
      },
    ),
})

const remove = defineCommand({
  name: 'deleteVolume',
  kind: 'sync',
  description: 'Deletes a detached disk volume for good, and answers when that is done.',
  roles: TENANTS,
  params: { id: itself },
  response: SUCCESS,
  async run({ system, caller, params: { id } }) {
    await deleteVolume({ system, caller }, id)
    return { success: true }
  },
})

const destroy = defineCommand({
  name: 'destroyVolume',
  kind: 'async',
  description: 'Puts a detached volume aside, to be deleted later; or deletes it for good.',
  since: '4.14.0',
  roles: TENANTS,
  params: {
    id: itself,
    expunge: flag({ description: 'true: it goes at once and cannot be recovered' }),
  },
  response: volume,
  result,
  run: ({ system, caller, params: { id, expunge } }) =>
    destroyVolume({ system, caller }, { volume: id, expunge: expunge ?? false }),
})

const recover = defineCommand({
  name: 'recoverVolume',
  kind: 'sync',
  description: 'Takes back a volume that was destroyed and not expunged yet.',
  since: '4.14.0',
  roles: TENANTS,
  params: { id: itself },
  response: volume,
  async run({ system, caller, params: { id } }) {
    await recoverVolume({ system, caller }, id)
    return { object: (await renderVolume(system, id)) ?? {} }
  },
})

// What a filter names may have been removed since: CloudStack answers an empty list then, and clients wait for just that.
const listParams = {
  ...ownershipParams,
  keyword,
  id: entity('volume', { removed: true, description: 'the ID of the disk volume' }),
  ids: entities('volume', { removed: true, description: 'the IDs of the volumes' }),
  name: text({ description: 'the name of the disk volume' }),
  type: choice(['ROOT', 'DATADISK'], { description: 'the type of disk volume' }),
  virtualmachineid: entity('vm', { removed: true, description: 'the ID of the virtual machine that has it' }),
  hostid: entity('host', { removed: true, description: 'list volumes of virtual machines on this host' }),
  zoneid: entity('zone', { removed: true, description: 'the ID of the availability zone' }),
  podid: entity('pod', { removed: true, description: 'list volumes that live in pools of this pod' }),
  clusterid: entity('cluster', {
    removed: true,
    admin: true,
    description: 'list volumes that live in pools of this cluster',
  }),
  storageid: entity('pool', { removed: true, admin: true, description: 'the ID of the storage pool' }),
  state: text({ description: 'state of the volume' }),
  diskofferingid: entity('diskoffering', { removed: true, description: 'list volumes of this disk offering' }),
  serviceofferingid: entity('serviceoffering', {
    removed: true,
    description: 'list volumes of virtual machines of this service offering',
  }),
  displayvolume: flag({ admin: true, description: 'list volumes by whether they are shown' }),
  tags: tags({ description: 'list volumes that carry these tags' }),
  tagsmatch: flag({
    admin: true,
    description: 'false: list volumes in pools that do not carry all tags of their disk offering; true: the others',
  }),
  order: choice(VOLUME_ORDERS, { description: 'newest (as CloudStack), oldest, name, or size (largest first)' }),
  retrieveonlyresourcecount: flag({ description: 'true: answer the count alone' }),
} as const

const list = defineCommand({
  name: 'listVolumes',
  kind: 'sync',
  description: 'Lists volumes that are not expunged.',
  roles: EVERYONE,
  params: listParams,
  response: { ...volume, list: true },
  async run({ system, caller, params, page }) {
    const ids = idsOf(params)
    const filter = {
      ownership: await ownershipOf({ system, caller }, params, { byId: ids !== undefined }),
      ...given({
        ids,
        name: params.name || undefined,
        keyword: params.keyword,
        type: params.type,
        vm: params.virtualmachineid,
        host: params.hostid,
        zone: params.zoneid,
        pod: params.podid,
        cluster: params.clusterid,
        pool: params.storageid,
        state: params.state || undefined,
        offering: params.diskofferingid,
        serviceOffering: params.serviceofferingid,
        display: params.displayvolume,
        tags: params.tags,
        tagsMatch: params.tagsmatch,
      }),
    }
    if (params.retrieveonlyresourcecount === true)
      return { list: [], count: await countVolumes(system.store.reader, filter) }
    const { items, count } = await listVolumes(system.store.reader, filter, {
      window: page,
      ...given({ order: params.order }),
    })
    return { list: await renderVolumes(system, items), count }
  },
})

/** The commands about volumes. */
export const volumeCommands = [
  create,
  attach,
  detach,
  resize,
  changeOffering,
  update,
  remove,
  destroy,
  recover,
  list,
] as const
