import { changeOffering, takeOffSale } from '../../operations/offering-change.ts'
import { createServiceOffering } from '../../operations/offering-create.ts'
import { listOfferings, offeringRows } from '../../store/queries/offerings.ts'
import { defineCommand, EVERYONE, OPERATORS, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { choice, entity, flag, integer, list as texts, long, map, text, unsupported } from '../params.ts'
import { idsOf } from './listed.ts'
import {
  qosParameters,
  qosParams,
  renderServiceOffering,
  serviceOfferingShape,
  unkeptByOfferings,
} from './offering-shape.ts'

const serviceoffering = { key: 'serviceoffering', shape: serviceOfferingShape } as const

const create = defineCommand({
  name: 'createServiceOffering',
  kind: 'sync',
  description: 'Creates a service offering: CPUs and memory of virtual machines, and the QoS of their root disks.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'name of the service offering' }),
    displaytext: text({ description: 'description shown to users; the name if not given', length: 4096 }),
    cpunumber: integer({ required: true, least: 1, most: 1024, description: 'the number of CPUs' }),
    cpuspeed: integer({ least: 0, description: 'the clock rate of the CPUs in MHz' }),
    memory: integer({ required: true, least: 16, description: 'the memory in MiB' }),
    rootdisksize: long({ least: 0, most: 8_388_608, description: 'size of the root disk in GiB' }),
    tags: texts({ description: 'tags that the storage pool of the root disk must carry' }),
    hosttags: texts({ description: 'tags that a host must carry' }),
    storagetype: choice(['shared', 'local'], { description: 'shared; local is accepted, and means the same here' }),
    provisioningtype: choice(['thin', 'sparse', 'fat'], { description: 'provisioning type used to create volumes' }),
    offerha: flag({ description: 'true: virtual machines of it are started elsewhere when their host is lost' }),
    limitcpuuse: flag({ description: 'accepted for the sake of clients' }),
    serviceofferingdetails: map({ description: 'settings for storage providers' }),
    ...unkeptByOfferings,
    isvolatile: unsupported({ harmless: ['false'], description: 'root disks made anew at every reboot' }),
    encryptroot: unsupported({ harmless: ['false'], description: 'encrypted root disks' }),
    ...qosParams,
  },
  response: serviceoffering,
  async run({ system, caller, params }) {
    const id = await createServiceOffering(
      { system, caller },
      {
        name: params.name,
        cpus: params.cpunumber,
        mhz: params.cpuspeed ?? 1000,
        memoryMib: params.memory,
        qos: qosParameters(params),
        tags: params.tags ?? [],
        hostTags: params.hosttags ?? [],
        details: params.serviceofferingdetails ?? {},
        ...given({
          displayText: params.displaytext,
          rootGib: params.rootdisksize,
          ha: params.offerha,
          provisioning: params.provisioningtype,
          snapshotReservePercent: params.hypervisorsnapshotreserve,
        }),
      },
    )
    return { object: await one(system.store.reader, id) }
  },
})

const update = defineCommand({
  name: 'updateServiceOffering',
  kind: 'sync',
  description: 'Changes name, text and tags of a service offering.',
  roles: OPERATORS,
  params: {
    id: entity('serviceoffering', { required: true, description: 'ID of the service offering' }),
    name: text({ description: 'new name' }),
    displaytext: text({ description: 'new text', length: 4096 }),
    storagetags: texts({ description: 'tags that the storage pool of the root disk must carry' }),
    hosttags: texts({ description: 'tags that a host must carry' }),
    sortkey: integer({ description: 'accepted for the sake of clients: offerings are listed by age' }),
  },
  response: serviceoffering,
  async run({ system, caller, params: { id, name, displaytext, storagetags, hosttags } }) {
    const change = { name, displayText: displaytext, tags: storagetags, hostTags: hosttags }
    await changeOffering({ system, caller }, { id, ...given(change) })
    return { object: await one(system.store.reader, id) }
  },
})

const remove = defineCommand({
  name: 'deleteServiceOffering',
  kind: 'sync',
  description: 'Takes a service offering off sale. Virtual machines made of it live on.',
  roles: OPERATORS,
  params: { id: entity('serviceoffering', { required: true, description: 'ID of the service offering' }) },
  response: SUCCESS,
  async run({ system, caller, params: { id } }) {
    await takeOffSale({ system, caller }, id)
    return { success: true }
  },
})

const list = defineCommand({
  name: 'listServiceOfferings',
  kind: 'sync',
  description: 'Lists the service offerings on sale.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    keyword,
    id: entity('serviceoffering', { description: 'ID of the service offering' }),
    name: text({ description: 'name of the service offering' }),
    issystem: flag({ description: 'true: offerings of system virtual machines, of which there are none' }),
    zoneid: entity('zone', { description: 'accepted for the sake of clients: offerings are sold in every zone' }),
  },
  response: { ...serviceoffering, list: true },
  async run({ system, params, page }) {
    if (params.issystem === true) return { list: [], count: 0 }
    const asked = given({ ids: idsOf(params), name: params.name, keyword: params.keyword })
    const { items, count } = await listOfferings(system.store.reader, { kind: 'service', ...asked }, page)
    return { list: items.map(renderServiceOffering), count }
  },
})

async function one(reader: Parameters<typeof offeringRows>[0], id: string) {
  const [row] = await offeringRows(reader, [id])
  return row === undefined ? {} : renderServiceOffering(row)
}

/** The commands about service offerings. */
export const serviceOfferingCommands = [create, update, remove, list] as const
