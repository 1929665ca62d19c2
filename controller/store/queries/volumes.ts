import type { Qos } from '@moorage/contract'
import { type ExpressionBuilder, sql } from 'kysely'
import { VOLUME_STATES } from '../../domain/volume.ts'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { isUnmatched } from '../unmatched.ts'
import {
  containing,
  cutPage,
  inOrder,
  type Listed,
  NO_LIMIT,
  type Ownership,
  ownedBy,
  type TagFilter,
  taggedWith,
  type Window,
} from './page.ts'
import { type Pending, pendingOf, tagsOf, type TagView } from './pending.ts'

/** What `listVolumes` may ask for; absent fields do not filter. */
export interface VolumeFilter {
  readonly ownership: Ownership
  readonly ids?: readonly string[]
  /** The whole name, or with `keyword` a part of it. */
  readonly name?: string
  readonly keyword?: string
  readonly type?: 'ROOT' | 'DATADISK'
  readonly vm?: string
  readonly host?: string
  readonly zone?: string
  readonly pod?: string
  readonly cluster?: string
  readonly pool?: string
  readonly state?: string
  readonly offering?: string
  /** Service offering of the VM that has it. */
  readonly serviceOffering?: string
  readonly display?: boolean
  readonly tags?: readonly TagFilter[]
  /** Whether its pool carries all tags of its disk offering; one that lives nowhere yet is not off. */
  readonly tagsMatch?: boolean
}

/** Orders of a list of volumes. */
export const VOLUME_ORDERS = ['newest', 'oldest', 'name', 'size'] as const
/** A name in `VOLUME_ORDERS`. */
export type VolumeOrder = (typeof VOLUME_ORDERS)[number]

/** A volume with the names of everything it points to, for whoever may see it all: the API leaves out what a tenant must not see. */
export type VolumeView = Awaited<ReturnType<typeof selectVolumes>>[number] & {
  readonly tags: readonly TagView[]
  readonly pending?: Pending
}

/**
 * A page of volumes that are not expunged. The page is cut from the volume table alone and joined afterwards, so that the
 * cost of the joins depends on the page, not on the number of volumes.
 */
export async function listVolumes(
  reader: Reader,
  filter: VolumeFilter,
  page: { readonly window: Window; readonly order?: VolumeOrder },
): Promise<Listed<VolumeView>> {
  const wanted = wantedVolumes(reader, filter)
  const part = wanted
    .orderBy(SORTED[page.order ?? 'newest'])
    .offset(page.window.offset)
    .limit(page.window.limit ?? NO_LIMIT)
  const { count, ids } = await cutPage(reader, page.window, {
    ids: () => part.select('volume.id').execute(),
    counting: counted(wanted),
  })
  return { count, items: await volumeViews(reader, ids) }
}

/** How many volumes `filter` matches. */
export async function countVolumes(reader: Reader, filter: VolumeFilter): Promise<number> {
  return (await counted(wantedVolumes(reader, filter)).executeTakeFirstOrThrow()).n
}

function wantedVolumes(reader: Reader, filter: VolumeFilter) {
  return reader
    .selectFrom('volume')
    .where('volume.removedAt', 'is', null)
    .where((eb) => eb.and(conditions(eb, filter)))
}

function counted(wanted: ReturnType<typeof wantedVolumes>) {
  return wanted.select(({ fn }) => fn.countAll<number>().as('n'))
}

const SORTED = {
  newest: sql`volume.seq desc`,
  oldest: sql`volume.seq`,
  name: sql`volume.name, volume.seq`,
  size: sql`volume.bytes desc, volume.seq`,
} as const satisfies Readonly<Record<VolumeOrder, unknown>>

/** The volumes of these ids in their order, expunged ones too: an operation's answer may be about one. */
export async function volumeViews(reader: Reader, ids: readonly string[]): Promise<readonly VolumeView[]> {
  if (ids.length === 0) return []
  const [rows, tags, pending] = await Promise.all([
    selectVolumes(reader, ids),
    tagsOf(reader, 'Volume', ids),
    pendingOf(reader, ids),
  ])
  return inOrder(ids, rows).map((row) => {
    const open = pending.get(row.id)
    return { ...row, tags: tags.get(row.id) ?? [], ...(open === undefined ? {} : { pending: open }) }
  })
}

function conditions(eb: ExpressionBuilder<Database, 'volume'>, filter: VolumeFilter) {
  const found = [ownedBy(eb, 'volume', filter.ownership)]
  if (filter.ids !== undefined) found.push(eb('volume.id', 'in', filter.ids.length > 0 ? filter.ids : [null]))
  if (filter.name !== undefined) found.push(eb('volume.name', '=', filter.name))
  if (filter.keyword !== undefined) found.push(eb('volume.name', 'ilike', containing(filter.keyword)))
  if (filter.type !== undefined) found.push(eb('volume.type', '=', filter.type))
  if (filter.zone !== undefined) found.push(eb('volume.zoneId', '=', filter.zone))
  if (filter.state !== undefined) found.push(eb('volume.state', '=', stateNamed(filter.state)))
  if (filter.offering !== undefined) found.push(eb('volume.offeringId', '=', filter.offering))
  if (filter.display !== undefined) found.push(eb('volume.display', '=', filter.display))
  if (filter.tags !== undefined) found.push(taggedWith(eb, 'volume', { kind: 'Volume', tags: filter.tags }))
  return [...found, ...attachmentConditions(eb, filter), ...placeConditions(eb, filter)]
}

/** The state of that name in whatever case; an unknown one stays as it is, and nothing is in it. */
function stateNamed(state: string): string {
  return VOLUME_STATES.find((one) => one.toLowerCase() === state.toLowerCase()) ?? state
}

function attachmentConditions(eb: ExpressionBuilder<Database, 'volume'>, filter: VolumeFilter) {
  const attached = eb.selectFrom('attachment').select('attachment.volumeId')
  const ofVm = attached.innerJoin('vm', 'vm.id', 'attachment.vmId')
  const found = []
  if (filter.vm !== undefined) found.push(eb('volume.id', 'in', attached.where('attachment.vmId', '=', filter.vm)))
  if (filter.host !== undefined) found.push(eb('volume.id', 'in', ofVm.where('vm.hostId', '=', filter.host)))
  if (filter.serviceOffering !== undefined)
    found.push(eb('volume.id', 'in', ofVm.where('vm.offeringId', '=', filter.serviceOffering)))
  return found
}

function placeConditions(eb: ExpressionBuilder<Database, 'volume'>, filter: VolumeFilter) {
  const placed = eb.selectFrom('location').select('location.volumeId')
  const inPool = placed.innerJoin('pool', 'pool.id', 'location.poolId')
  const found = []
  if (filter.pool !== undefined) found.push(eb('volume.id', 'in', placed.where('location.poolId', '=', filter.pool)))
  if (filter.pod !== undefined) found.push(eb('volume.id', 'in', inPool.where('pool.podId', '=', filter.pod)))
  if (filter.tagsMatch !== undefined) found.push(filter.tagsMatch ? eb.not(isUnmatched(eb)) : isUnmatched(eb))
  if (filter.cluster !== undefined)
    found.push(eb('volume.id', 'in', inPool.where('pool.clusterId', '=', filter.cluster)))
  return found
}

function selectVolumes(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('volume')
    .innerJoin('zone', 'zone.id', 'volume.zoneId')
    .innerJoin('account', 'account.id', 'volume.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .leftJoin('offering', 'offering.id', 'volume.offeringId')
    .leftJoin('template', 'template.id', 'volume.templateId')
    .leftJoin('location', 'location.volumeId', 'volume.id')
    .leftJoin('pool', 'pool.id', 'location.poolId')
    .leftJoin('pod', 'pod.id', 'pool.podId')
    .leftJoin('cluster', 'cluster.id', 'pool.clusterId')
    .leftJoin('attachment', 'attachment.volumeId', 'volume.id')
    .leftJoin('vm', 'vm.id', 'attachment.vmId')
    .leftJoin('volumeIo', 'volumeIo.volumeId', 'volume.id')
    .where('volume.id', 'in', ids)
    .select(['volume.id', 'volume.name', 'volume.type', 'volume.bytes', 'volume.state', 'volume.createdAt'])
    .select(['volume.destroyedAt', 'volume.display', 'volume.chainInfo', 'volume.sourceSnapshotId', 'volume.settings'])
    .select(['volume.qosTier', 'volume.qosObservedAt', 'volume.zoneId', 'zone.name as zoneName'])
    .select((eb) => [
      eb.ref('volume.qosRequested').$castTo<Qos>().as('qosRequested'),
      eb.ref('volume.qosApplied').$castTo<Qos | null>().as('qosApplied'),
      eb.ref('volume.qosObserved').$castTo<Qos | null>().as('qosObserved'),
    ])
    .select([
      'account.name as accountName',
      'domain.id as domainId',
      'domain.name as domainName',
      'domain.path as domainPath',
    ])
    .select(['offering.id as offeringId', 'offering.name as offeringName', 'offering.displayText as offeringText'])
    .select(['offering.kind as offeringKind', 'template.id as templateId', 'template.name as templateName'])
    .select('template.displayText as templateText')
    .select([
      'offering.provisioningType',
      'location.name as path',
      'location.state as locationState',
      'location.usedBytes',
      'location.bytes as locationBytes',
      'location.qosTier as locationTier',
    ])
    .select(['offering.tags as offeringTags', 'pool.tags as poolTags'])
    .select(['pool.id as poolId', 'pool.name as poolName', 'pool.provider', 'pool.scope as poolScope'])
    .select(['pod.id as podId', 'pod.name as podName', 'cluster.id as clusterId', 'cluster.name as clusterName'])
    .select(['attachment.deviceId', 'attachment.attachedAt', 'attachment.device', 'attachment.generation'])
    .select(['vm.id as vmId', 'vm.name as vmName', 'vm.displayName as vmDisplayName', 'vm.state as vmState'])
    .select(['vm.hypervisor as vmHypervisor', 'volumeIo.readOps', 'volumeIo.writeOps', 'volumeIo.readBytes'])
    .select('volumeIo.writeBytes')
    .execute()
}
