import { poolsThatCan } from '../../operations/capabilities.ts'
import type { System } from '../../operations/context.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import { archiveSnapshot } from '../../operations/snapshot-archive.ts'
import { createSnapshot } from '../../operations/snapshot-create.ts'
import { deleteSnapshot } from '../../operations/snapshot-delete.ts'
import { revertSnapshot } from '../../operations/snapshot-revert.ts'
import { type CopyView, listSnapshots, type SnapshotView, snapshotViews } from '../../store/queries/snapshots.ts'
import { defineCommand, EVERYONE, type Finished, OPERATORS, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { choice, entities, entity, flag, map, tags, text } from '../params.ts'
import { field, pendingFields, type Rendered, tagFields } from '../shape.ts'
import { INTERVALS, LOCATIONS } from './snapshot-policies.ts'
import { idsOf, pendingOn, taggedOf } from './listed.ts'
import { shownPath } from './user-shape.ts'

const admin = { admin: true } as const

const copyShape = {
  locationtype: field.string('PRIMARY for a copy on an array, SECONDARY for one in an image store'),
  state: field.string('the state of the copy: intended, present or deleting'),
  physicalsize: field.long('bytes that it takes, as far as that is known'),
  base: field.boolean('whether it is there for the next increment of archived snapshots only'),
  datastoreid: field.string('ID of the storage pool or image store', admin),
  datastorename: field.string('name of the storage pool or image store', admin),
} as const

/** A snapshot as CloudStack answers it. `physicalsize` and the data store are of the copy that `locationtype` tells. */
const snapshotShape = {
  id: field.string('ID of the snapshot'),
  account: field.string('the account associated with the snapshot'),
  domainid: field.string('the domain ID of the snapshot account'),
  domain: field.string('the domain name of the snapshot account'),
  domainpath: field.string('path of the domain'),
  snapshottype: field.string('the type of the snapshot: MANUAL, or RECURRING where a policy asked for it'),
  volumeid: field.string('ID of the disk volume'),
  volumename: field.string('name of the disk volume'),
  volumetype: field.string('type of the disk volume'),
  volumestate: field.string('state of the disk volume'),
  created: field.date('the date the snapshot was created'),
  takenat: field.date('the point in time that it holds, by the clock of its array'),
  name: field.string('name of the snapshot'),
  intervaltype: field.string('the interval of the policy that asked for it; MANUAL where none did'),
  locationtype: field.string('PRIMARY while it is on its array, and not only as a base; else SECONDARY'),
  state: field.string('the state of the snapshot; BackedUp means that it can be used'),
  physicalsize: field.long('bytes that it takes for itself, as far as the array knows'),
  virtualsize: field.long('size in bytes of the volume at that point in time'),
  zoneid: field.string('id of the availability zone'),
  zonename: field.string('name of the availability zone'),
  revertable: field.boolean('whether its volume can be put back to it'),
  datastoreid: field.string('ID of the storage pool or image store that holds it', admin),
  datastorename: field.string('name of the storage pool or image store that holds it', admin),
  datastorestate: field.string('state of the copy there', admin),
  datastoretype: field.string('Primary or Image', admin),
  path: field.string('name of the snapshot on its array', admin),
  copies: field.list(copyShape, 'where it is held'),
  tags: field.list(tagFields, 'the list of resource tags'),
  ...pendingFields,
} as const

const snapshot = { key: 'snapshot', shape: snapshotShape } as const

async function renderSnapshots(
  system: System,
  views: readonly SnapshotView[],
): Promise<readonly Rendered<typeof snapshotShape>[]> {
  const pools = views.flatMap(({ copies }) => copies.map(({ poolId }) => poolId))
  const reverting = await poolsThatCan(system, 'revert', pools)
  return views.map((view) => {
    const local = view.copies.find(({ kind, state }) => kind === 'array' && state === 'present')
    const archived = view.copies.find(({ kind, state }) => kind === 'archive' && state === 'present')
    const copy = (local?.base === true ? archived : local) ?? archived ?? view.copies[0]
    const onArray = copy === undefined || copy.kind === 'array'
    return {
      id: view.id,
      account: view.accountName,
      domainid: view.domainId,
      domain: view.domainName,
      domainpath: shownPath(view.domainPath),
      snapshottype: view.intervalType === null ? 'MANUAL' : 'RECURRING',
      volumeid: view.volumeId,
      volumename: view.volumeName,
      volumetype: view.volumeType,
      volumestate: view.volumeState,
      created: view.createdAt,
      takenat: view.takenAt,
      name: view.name,
      intervaltype: view.intervalType ?? 'MANUAL',
      locationtype: onArray ? 'PRIMARY' : 'SECONDARY',
      state: view.state,
      physicalsize: copy?.bytes,
      virtualsize: view.bytes,
      zoneid: view.zoneId,
      zonename: view.zoneName,
      revertable: view.state === 'BackedUp' && reverting.has(local?.poolId ?? ''),
      datastoreid: copy?.poolId ?? copy?.archiveId,
      datastorename: copy?.poolName ?? copy?.archiveName,
      datastorestate: copy?.state,
      datastoretype: onArray ? 'Primary' : 'Image',
      path: copy?.name,
      copies: view.copies.map(renderCopy),
      tags: taggedOf(view, 'Snapshot'),
      ...pendingOn(view),
    }
  })
}

function renderCopy({ kind, state, bytes, base, ...where }: CopyView): Rendered<typeof copyShape> {
  return {
    locationtype: kind === 'array' ? 'PRIMARY' : 'SECONDARY',
    state,
    physicalsize: bytes,
    base,
    datastoreid: where.poolId ?? where.archiveId,
    datastorename: where.poolName ?? where.archiveName,
  }
}

async function result({ system, subject }: Finished): Promise<Rendered<typeof snapshotShape> | undefined> {
  return (await renderSnapshots(system, await snapshotViews(system.store.reader, [subject])))[0]
}

const create = defineCommand({
  name: 'createSnapshot',
  kind: 'async-create',
  description:
    'Takes a snapshot of a volume, on the array that holds it, and archives it where it is to be in secondary storage.',
  roles: TENANTS,
  params: {
    volumeid: entity('volume', { required: true, description: 'the ID of the disk volume' }),
    name: text({ description: 'the name of the snapshot; volume and time if not given' }),
    locationtype: choice(LOCATIONS, {
      description:
        'where it is kept, for volumes on managed storage: primary (as if not given) or secondary; others go to secondary',
    }),
    quiescevm: flag({
      description: 'true asks for a snapshot that waits for the guest, which no volume snapshot does',
    }),
    tags: map({ description: 'resource tags of the snapshot' }),
    customid: text({ description: 'the id it shall have, a UUID; for administrators' }),
    asyncbackup: flag({
      description:
        'of a snapshot that goes to secondary storage: true ends the job once it is taken, and archives it in the background',
    }),
  },
  response: snapshot,
  result,
  run: ({ system, caller, params: { volumeid, name, locationtype, quiescevm, customid, asyncbackup, tags: labels } }) =>
    createSnapshot(
      { system, caller },
      {
        volume: volumeid,
        inBackground: asyncbackup ?? false,
        quiesce: quiescevm ?? false,
        tags: labels ?? {},
        ...given({ name: name || undefined, location: locationtype, customId: customid || undefined }),
      },
    ),
})

const itself = entity('snapshot', { required: true, description: 'the ID of the snapshot' })

const remove = defineCommand({
  name: 'deleteSnapshot',
  kind: 'async',
  description: 'Deletes a snapshot of a disk volume.',
  roles: TENANTS,
  params: { id: itself },
  response: SUCCESS,
  run: ({ system, caller, params: { id } }) => deleteSnapshot({ system, caller }, id),
})

const archive = defineCommand({
  name: 'archiveSnapshot',
  kind: 'async',
  description:
    'Copies a snapshot from its array to an image store. Its copy on the array then goes, unless it is the base of the next increment.',
  roles: OPERATORS,
  params: {
    id: itself,
    keepprimary: flag({ description: 'true keeps its copy on the array, too' }),
  },
  // CloudStack's own answer: its class was copied.
  response: { ...snapshot, envelope: 'createsnapshotresponse' },
  result,
  run: ({ system, caller, params: { id, keepprimary } }) =>
    archiveSnapshot({ system, caller }, { id, keepPrimary: keepprimary ?? false }),
})

const revert = defineCommand({
  name: 'revertSnapshot',
  kind: 'async',
  description: 'Puts a volume back to one of its snapshots. Its virtual machine must be stopped.',
  roles: TENANTS,
  params: { id: itself },
  response: snapshot,
  result,
  run: ({ system, caller, params: { id } }) => revertSnapshot({ system, caller }, id),
})

// What a filter names may have been removed since: CloudStack answers an empty list then, and clients wait for just that.
const list = defineCommand({
  name: 'listSnapshots',
  kind: 'sync',
  description: 'Lists snapshots, one row for each whatever copies it has.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    keyword,
    id: entity('snapshot', { removed: true, description: 'lists the snapshot with this ID' }),
    ids: entities('snapshot', { removed: true, description: 'the IDs of the snapshots' }),
    name: text({ description: 'lists snapshots of this name' }),
    volumeid: entity('volume', { removed: true, description: 'the ID of the disk volume' }),
    zoneid: entity('zone', { removed: true, description: 'list snapshots of this zone' }),
    locationtype: choice(LOCATIONS, { description: 'list snapshots that have a copy there' }),
    snapshottype: choice(['MANUAL', 'RECURRING'], { description: 'MANUAL, or RECURRING: asked for by a policy' }),
    intervaltype: choice(INTERVALS, { description: 'the interval of the policy that asked for them' }),
    showunique: flag({ description: 'accepted for the sake of clients: there is one row for each' }),
    tags: tags({ description: 'list snapshots that carry these tags' }),
  },
  response: { ...snapshot, list: true },
  async run({ system, caller, params, page }) {
    const ids = idsOf(params)
    const { name, volumeid, zoneid, locationtype } = params
    const scheduled = params.snapshottype === undefined ? undefined : params.snapshottype === 'RECURRING'
    const { items, count } = await listSnapshots(
      system.store.reader,
      {
        ownership: await ownershipOf({ system, caller }, params, { byId: ids !== undefined || volumeid !== undefined }),
        ...given({
          ids,
          name: name || undefined,
          keyword: params.keyword,
          volume: volumeid,
          zone: zoneid,
          tags: params.tags,
          scheduled,
          interval: params.intervaltype,
        }),
        ...(locationtype === undefined ? {} : { kind: locationtype === 'PRIMARY' ? 'array' : 'archive' }),
      },
      page,
    )
    return { list: await renderSnapshots(system, items), count }
  },
})

/** The commands about snapshots. */
export const snapshotCommands = [create, remove, archive, revert, list] as const
