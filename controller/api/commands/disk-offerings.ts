import { changeOffering, takeOffSale } from '../../operations/offering-change.ts'
import { createDiskOffering } from '../../operations/offering-create.ts'
import { offeringsThatFit } from '../../operations/offering-fit.ts'
import { listOfferings, offeringRows } from '../../store/queries/offerings.ts'
import { defineCommand, EVERYONE, OPERATORS, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { cut } from '../paging.ts'
import { choice, entity, flag, integer, list as texts, long, map, text, unsupported } from '../params.ts'
import { field } from '../shape.ts'
import { idsOf } from './listed.ts'
import { diskOfferingShape, qosParameters, qosParams, renderDiskOffering, unkeptByOfferings } from './offering-shape.ts'

const diskoffering = { key: 'diskoffering', shape: diskOfferingShape } as const

const create = defineCommand({
  name: 'createDiskOffering',
  kind: 'sync',
  description:
    'Creates a disk offering. QoS of the storage (miniops, maxiops, ...) and of the hypervisor (bytesreadrate, ...) exclude each other.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'name of the disk offering' }),
    displaytext: text({ description: 'description shown to users; the name if not given', length: 4096 }),
    disksize: long({ least: 0, most: 8_388_608, description: 'size in GiB; 0 or none: chosen for each volume' }),
    customized: flag({ description: 'whether the size is chosen for each volume' }),
    tags: texts({ description: 'tags that a storage pool must carry' }),
    storagetype: choice(['shared', 'local'], { description: 'shared; local is accepted, and means the same here' }),
    provisioningtype: choice(['thin', 'sparse', 'fat'], { description: 'provisioning type used to create volumes' }),
    displayoffering: flag({ description: 'accepted for the sake of clients: offerings are shown' }),
    details: map({ description: 'settings for storage providers' }),
    ...unkeptByOfferings,
    disksizestrictness: unsupported({ harmless: ['false'], description: 'volumes that keep the size of the offering' }),
    encrypt: unsupported({ harmless: ['false'], description: 'encrypted volumes' }),
    ...qosParams,
  },
  response: diskoffering,
  async run({ system, caller, params }) {
    const { name, displaytext, disksize, customized, tags, provisioningtype, details } = params
    const id = await createDiskOffering(
      { system, caller },
      {
        name,
        qos: qosParameters(params),
        tags: tags ?? [],
        details: details ?? {},
        ...given({
          displayText: displaytext,
          sizeGib: disksize,
          customized,
          provisioning: provisioningtype,
          snapshotReservePercent: params.hypervisorsnapshotreserve,
        }),
      },
    )
    return { object: await one(system.store.reader, id) }
  },
})

const update = defineCommand({
  name: 'updateDiskOffering',
  kind: 'sync',
  description: 'Changes name, text and tags of a disk offering. What it sells does not change: volumes were sold it.',
  roles: OPERATORS,
  params: {
    id: entity('diskoffering', { required: true, description: 'ID of the disk offering' }),
    name: text({ description: 'new name' }),
    displaytext: text({ description: 'new text', length: 4096 }),
    tags: texts({ description: 'tags that a storage pool must carry' }),
    sortkey: integer({ description: 'accepted for the sake of clients: offerings are listed by age' }),
    displayoffering: flag({ description: 'accepted for the sake of clients: offerings are shown' }),
  },
  response: diskoffering,
  async run({ system, caller, params: { id, name, displaytext, tags } }) {
    await changeOffering({ system, caller }, { id, ...given({ name, displayText: displaytext, tags }) })
    return { object: await one(system.store.reader, id) }
  },
})

const remove = defineCommand({
  name: 'deleteDiskOffering',
  kind: 'sync',
  description: 'Takes a disk offering off sale. Volumes made of it live on.',
  roles: OPERATORS,
  params: { id: entity('diskoffering', { required: true, description: 'ID of the disk offering' }) },
  response: SUCCESS,
  async run({ system, caller, params: { id } }) {
    await takeOffSale({ system, caller }, id)
    return { success: true }
  },
})

const listedShape = {
  ...diskOfferingShape,
  suitableforvirtualmachine: field.boolean(
    'with virtualmachineid: whether it could have a new volume of the offering now',
  ),
} as const

const list = defineCommand({
  name: 'listDiskOfferings',
  kind: 'sync',
  description: 'Lists the disk offerings on sale.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    keyword,
    id: entity('diskoffering', { description: 'ID of the disk offering' }),
    name: text({ description: 'name of the disk offering' }),
    zoneid: entity('zone', { description: 'accepted for the sake of clients: offerings are sold in every zone' }),
    storageid: entity('pool', { admin: true, description: 'only those of which a volume would fit there now' }),
    volumeid: entity('volume', { description: 'only those to which the volume could change now' }),
    virtualmachineid: entity('vm', {
      description: 'tells of which of them the virtual machine could have a new volume',
    }),
  },
  response: { key: 'diskoffering', shape: listedShape, list: true },
  async run({ system, params, page }) {
    const { storageid: pool, volumeid: volume, virtualmachineid: vm } = params
    const filter = {
      kind: 'disk',
      ...given({ ids: idsOf(params), name: params.name, keyword: params.keyword }),
    } as const
    const narrows = pool !== undefined || volume !== undefined
    const { items, count } = await listOfferings(system.store.reader, filter, narrows ? { offset: 0 } : page)
    if (!narrows && vm === undefined) return { list: items.map(renderDiskOffering), count }
    const fitting = await offeringsThatFit(system, items, given({ volume, pool, vm }))
    const suits = (id: string) => (vm === undefined ? {} : { suitableforvirtualmachine: fitting.has(id) })
    const wanted = narrows ? items.filter(({ id }) => fitting.has(id)) : items
    const shown = narrows ? cut(wanted, page) : wanted
    return {
      list: shown.map((item) => ({ ...renderDiskOffering(item), ...suits(item.id) })),
      count: narrows ? wanted.length : count,
    }
  },
})

async function one(reader: Parameters<typeof offeringRows>[0], id: string) {
  const [row] = await offeringRows(reader, [id])
  return row === undefined ? {} : renderDiskOffering(row)
}

/** The commands about disk offerings. */
export const diskOfferingCommands = [create, update, remove, list] as const
