import { addArchive, addBucket, CHUNK_BYTES } from '../../operations/archive-add.ts'
import { collectArchive, drillArchive } from '../../operations/archive-upkeep.ts'
import { changeArchive, exportArchiveKey, removeArchive } from '../../operations/archive-update.ts'
import type { System } from '../../operations/context.ts'
import { type ArchiveView, archiveViews, listArchives } from '../../store/queries/archives.ts'
import { defineCommand, OPERATORS, OPERATORS_READING, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entity, flag, integer, long, map, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const shape = {
  id: field.string('the ID of the image store'),
  zoneid: field.string('the Zone ID of the image store'),
  zonename: field.string('the Zone name of the image store'),
  name: field.string('the name of the image store'),
  url: field.string('the url of the image store'),
  protocol: field.string('the protocol of the image store: what its url begins with'),
  providername: field.string('the provider name of the image store'),
  scope: field.string('the scope of the image store'),
  readonly: field.boolean('whether nothing new is written there'),
  disksizetotal: field.long('bytes that the store holds; absent: it does not tell'),
  disksizeused: field.long('bytes in use there; absent: it does not tell'),
  encrypted: field.boolean('whether what is written there is encrypted'),
  chunksize: field.long('bytes of a chunk: what is the same in two snapshots is stored once, chunk by chunk'),
  conditionalput: field.string(
    'atomic: of two writers of one object one wins and the other is told; none: the last one wins',
  ),
  details: field.map('settings of the provider; none that is secret'),
  collectinterval: field.integer('seconds from one collection to the next, 0: never; absent: as the settings say'),
  drillinterval: field.integer('seconds from one restore drill to the next, 0: never; absent: as the settings say'),
  collected: field.date('when what no snapshot refers to was last removed'),
  collecttook: field.long('milliseconds that it took'),
  collectbytes: field.long('bytes that were removed'),
  collectobjects: field.integer('objects that were removed'),
  collectwaiting: field.integer('objects that go with a later collection, when jobs that may refer to them have ended'),
  collectnote: field.string('why nothing could be removed'),
  drilled: field.date('when all that restoring a snapshot takes was last read and checked'),
  drillsnapshotid: field.string('the ID of that snapshot'),
  drilltook: field.long('milliseconds that it took'),
  drillbytes: field.long('bytes of the store that were read and checked'),
  drilldamaged: field.integer('chunks and objects that are not what was stored: each is an event IMAGE.STORE.DAMAGED'),
  reported: field.date('when the store answered last'),
  unreachablesince: field.date('since when it does not answer; absent: it does'),
  created: field.date('when it was registered'),
} as const
const imagestore = { key: 'imagestore', shape } as const
const itself = entity('archive', { required: true, description: 'the ID of the image store' })

function render(view: ArchiveView): Rendered<typeof shape> {
  const collected = view.upkeep.find(({ kind }) => kind === 'collect')
  const drilled = view.upkeep.find(({ kind }) => kind === 'drill')
  return {
    collectinterval: view.collectInterval,
    drillinterval: view.drillInterval,
    collected: collected?.endedAt,
    collecttook: collected?.tookMs,
    collectbytes: collected?.bytes,
    collectobjects: collected?.objects,
    collectwaiting: collected?.waiting,
    collectnote: collected?.note,
    drilled: drilled?.endedAt,
    drillsnapshotid: drilled?.snapshotId,
    drilltook: drilled?.tookMs,
    drillbytes: drilled?.bytes,
    drilldamaged: drilled?.damaged,
    id: view.id,
    zoneid: view.zoneId,
    zonename: view.zoneName,
    name: view.name,
    url: view.url,
    protocol: new URL(view.url).protocol.slice(0, -1),
    providername: view.provider,
    scope: 'ZONE',
    readonly: view.readOnly,
    disksizetotal: view.capacityBytes ?? view.totalBytes,
    disksizeused: view.usedBytes,
    encrypted: Boolean(view.encrypted),
    chunksize: view.chunkBytes,
    conditionalput: view.conditionalPut,
    details: view.settings,
    reported: view.reportedAt,
    unreachablesince: view.unreachableSince,
    created: view.createdAt,
  }
}

async function one(system: System, id: string): Promise<Rendered<typeof shape>> {
  return (await archiveViews(system.store.reader, [id])).map(render)[0] ?? {}
}

const KIB = 1024
const CHUNKS = CHUNK_BYTES.map((bytes) => String(bytes / KIB))

/** How what is written there is kept. */
const keeping = {
  encrypted: flag({ description: 'false: what is written there is not encrypted; it is unless told' }),
  key: text({
    secret: true,
    description: 'the key of an archive that was written before; a new one is drawn unless given',
  }),
  chunksize: choice(CHUNKS, { description: 'KiB of a chunk, 1024 unless told' }),
} as const

interface Keeping {
  readonly encrypted?: boolean | undefined
  readonly key?: string | undefined
  readonly chunksize?: string | undefined
}

function kept({ encrypted = true, key, chunksize = String(KIB) }: Keeping) {
  return { encrypted, chunkBytes: Number(chunksize) * KIB, ...given({ key: key || undefined }) }
}

const add = defineCommand({
  name: 'addImageStore',
  kind: 'sync',
  description: 'Registers an image store, an archive of snapshots, once it has shown what it is and keeps.',
  since: '4.2.0',
  roles: OPERATORS,
  params: {
    name: text({ description: 'the name for the image store' }),
    url: text({ required: true, length: 2048, description: 'the URL of the image store' }),
    zoneid: entity('zone', { required: true, description: 'the Zone ID for the image store' }),
    provider: text({ required: true, description: 'the image store provider name, as listStorageProviders shows it' }),
    details: map({ description: 'the settings of the provider' }),
    ...keeping,
  },
  response: imagestore,
  async run({ system, caller, params }) {
    const { name, url, zoneid: zone, provider, details = {} } = params
    const wanted = { url, zone, provider, details, ...kept(params), ...given({ name: name || undefined }) }
    return { object: await one(system, await addArchive({ system, caller }, wanted)) }
  },
})

const addS3 = defineCommand({
  name: 'addImageStoreS3',
  kind: 'sync',
  description: 'Registers a bucket of S3 as an image store: addImageStore in the words that CloudStack has for S3.',
  since: '4.7.0',
  roles: OPERATORS,
  params: {
    accesskey: text({ required: true, description: 'the access key' }),
    secretkey: text({ required: true, secret: true, description: 'the secret that belongs to the access key' }),
    endpoint: text({ required: true, description: 'the server: HOST[:PORT]' }),
    bucket: text({ required: true, description: 'the bucket' }),
    usehttps: flag({ description: 'false: without TLS; with it unless told' }),
    name: text({ description: 'the name for the image store' }),
    zoneid: entity('zone', { description: 'the Zone ID for the image store; the only zone, where there is one' }),
    region: text({ description: 'the region; us-east-1 unless told, which servers without regions take' }),
    prefix: text({ description: 'what all keys begin with, where the bucket is shared' }),
    ...keeping,
  },
  response: { ...imagestore, envelope: 'addImageStoreS3Response' },
  async run({ system, caller, params }) {
    const { name, zoneid: zone, endpoint, bucket, usehttps, accesskey, secretkey, region, prefix } = params
    const place = given({ zone, name: name || undefined })
    const more = given({ region: region || undefined, prefix: prefix || undefined })
    const s3 = { endpoint, bucket, tls: usehttps ?? true, settings: { accesskey, secretkey, ...more } }
    return { object: await one(system, await addBucket({ system, caller }, { ...place, ...s3, ...kept(params) })) }
  },
})

const YEAR_SECONDS = 365 * 86_400
const interval = (what: string) =>
  integer({ least: 0, most: YEAR_SECONDS, description: `seconds from one to the next ${what}; 0: never` })

const update = defineCommand({
  name: 'updateImageStore',
  kind: 'sync',
  description: 'Updates an image store.',
  since: '4.15.0',
  roles: OPERATORS,
  params: {
    id: itself,
    name: text({ description: 'the new name of the image store' }),
    readonly: flag({ description: 'true: nothing new is written there' }),
    capacitybytes: long({ description: 'bytes that are shown as its size' }),
    collectinterval: interval('collection: what no snapshot refers to goes'),
    drillinterval: interval('restore drill: all that restoring a random snapshot takes is read and checked'),
  },
  response: { ...imagestore, envelope: 'updateImageStoreresponse' },
  async run({ system, caller, params }) {
    const { id, name, readonly: readOnly, capacitybytes: capacityBytes } = params
    const { collectinterval: collectInterval, drillinterval: drillInterval } = params
    const changes = given({ name: name || undefined, readOnly, capacityBytes, collectInterval, drillInterval })
    await changeArchive({ system, caller }, { archive: id, ...changes })
    return { object: await one(system, id) }
  },
})

// What a filter names may have been removed since: CloudStack answers an empty list then.
const list = defineCommand({
  name: 'listImageStores',
  kind: 'sync',
  description: 'Lists image stores.',
  since: '4.2.0',
  roles: OPERATORS_READING,
  params: {
    keyword,
    id: entity('archive', { removed: true, description: 'the ID of the image store' }),
    name: text({ description: 'the name of the image store' }),
    zoneid: entity('zone', { removed: true, description: 'the Zone ID of the image store' }),
    provider: text({ description: 'the image store provider' }),
    protocol: text({ description: 'the image store protocol: what its url begins with' }),
    readonly: flag({ description: 'whether nothing new is written there' }),
  },
  response: { ...imagestore, list: true },
  async run({ system, params: { keyword: part, id, name, zoneid, provider, protocol, readonly }, page }) {
    const filter = given({
      ids: id === undefined ? undefined : [id],
      keyword: part,
      name: name || undefined,
      zone: zoneid,
      provider: provider || undefined,
      protocol: protocol || undefined,
      readOnly: readonly,
    })
    const { items, count } = await listArchives(system.store.reader, filter, page)
    return { list: items.map(render), count }
  },
})

const remove = defineCommand({
  name: 'deleteImageStore',
  kind: 'sync',
  description: 'Forgets an image store in which no snapshot is. Nothing in it is touched.',
  since: '4.2.0',
  roles: OPERATORS,
  params: { id: itself },
  response: SUCCESS,
  async run({ system, caller, params: { id } }) {
    await removeArchive({ system, caller }, id)
    return { success: true }
  },
})

const exportKey = defineCommand({
  name: 'exportImageStoreKey',
  kind: 'sync',
  description:
    'Answers the key of an encrypted image store, to be kept where the store can be read without this server.',
  extension: true,
  roles: OPERATORS,
  params: { id: itself },
  response: {
    key: 'imagestorekey',
    shape: {
      id: field.string('the ID of the image store'),
      key: field.string('its key: whoever has it and the store reads everything in it'),
    },
  },
  async run({ system, caller, params: { id } }) {
    return { object: { id, key: await exportArchiveKey({ system, caller }, id) } }
  },
})

const collect = defineCommand({
  name: 'collectImageStore',
  kind: 'async',
  description: 'Removes from an image store what no snapshot refers to. Snapshots are archived and restored meanwhile.',
  extension: true,
  roles: OPERATORS,
  params: { id: itself },
  response: imagestore,
  result: async ({ system, subject }) => one(system, subject),
  run: ({ system, caller, params: { id } }) => collectArchive({ system, caller }, id),
})

const drill = defineCommand({
  name: 'drillImageStore',
  kind: 'async',
  description: 'Reads and checks every byte that restoring a snapshot from an image store would take.',
  extension: true,
  roles: OPERATORS,
  params: { id: itself, snapshotid: entity('snapshot', { description: 'the ID of the snapshot; any unless told' }) },
  response: imagestore,
  result: async ({ system, subject }) => one(system, subject),
  run: ({ system, caller, params: { id: archive, snapshotid: snapshot } }) =>
    drillArchive({ system, caller }, { archive, ...given({ snapshot }) }),
})

/** The commands about archives, CloudStack's image stores. */
export const archiveCommands = [add, addS3, update, list, remove, exportKey, collect, drill] as const
