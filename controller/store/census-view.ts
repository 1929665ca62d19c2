import type { HypervisorInventoryItem, InventoryItem } from '@moorage/contract'
import { sql } from 'kysely'
import { type CensusPlace, type CensusView, exposureKey, serialIn } from '../domain/census.ts'
import { readQos } from '../domain/qos.ts'
import type { Reader } from './store.ts'

const NOTHING: CensusView = {
  volumes: new Map(),
  snapshots: new Map(),
  exposures: new Map(),
  vms: new Map(),
  disks: new Map(),
  served: new Set(),
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

type Item = InventoryItem | HypervisorInventoryItem

/** What is recorded of some objects of a place: what `judge` needs to judge them. One query per kind, whatever their number. */
export async function viewOf(reader: Reader, place: CensusPlace): Promise<CensusView> {
  // Either list is one of both kinds of items: TypeScript does not filter a union of arrays.
  const ours = (place.items as readonly Item[]).filter((item) => item.owner === 'ours')
  const ids = (of: (item: (typeof ours)[number]) => string | undefined) =>
    // A back end may tell what is no id of ours: nothing is recorded of that.
    [...new Set(ours.flatMap((item) => of(item) ?? []))].filter((id) => UUID.test(id))
  const volumes = ids((item) => {
    if (item.kind === 'volume') return item.id
    if (item.kind === 'snapshot' || item.kind === 'disk') return item.volume
    return item.kind === 'exposure' ? item.source.id : undefined
  })
  const vms = ids((item) => (item.kind === 'vm' ? item.id : item.kind === 'disk' ? item.vm : undefined))
  const sources = ids((item) => (item.kind === 'exposure' ? item.source.id : undefined))
  const snapshots = ids((item) => (item.kind === 'snapshot' ? item.id : undefined))
  const serials = ours.flatMap((item) => (item.kind === 'structure' ? serialIn(`${item.id} ${item.name}`) : []))
  return {
    volumes: await locations(reader, volumes),
    snapshots: await copies(reader, snapshots),
    exposures: await connections(reader, sources),
    vms: await machines(reader, vms),
    disks: await disks(reader, volumes),
    served: await servedAt(reader, place, serials),
  }
}

async function locations(reader: Reader, ids: readonly string[]): Promise<CensusView['volumes']> {
  if (ids.length === 0) return NOTHING.volumes
  const rows = await reader
    .selectFrom('location')
    .innerJoin('volume', 'volume.id', 'location.volumeId')
    .select(['location.volumeId', 'location.poolId', 'location.state', 'location.bytes', 'location.qosTier'])
    .select(['volume.qosRequested', 'volume.qosApplied'])
    .where(sql<boolean>`location.volume_id = any(${[...ids]}::uuid[])`)
    .execute()
  return new Map(
    rows.map(({ volumeId, poolId, state, bytes, qosTier, qosRequested, qosApplied }) => {
      const limits =
        state === 'present' && qosTier === 'storage' ? { applied: readQos(qosApplied ?? qosRequested) } : {}
      return [volumeId, { pool: poolId, state, bytes, ...limits }]
    }),
  )
}

async function copies(reader: Reader, ids: readonly string[]): Promise<CensusView['snapshots']> {
  if (ids.length === 0) return NOTHING.snapshots
  const rows = await arrayCopies(reader)
    .where(sql<boolean>`snapshot.id = any(${[...ids]}::uuid[])`)
    .execute()
  return snapshotsOf(rows)
}

function arrayCopies(reader: Reader) {
  return reader
    .selectFrom('snapshotCopy')
    .innerJoin('snapshot', 'snapshot.id', 'snapshotCopy.snapshotId')
    .select(['snapshot.id', 'snapshotCopy.poolId', 'snapshotCopy.state', 'snapshot.volumeId'])
    .where('snapshotCopy.kind', '=', 'array')
    .where('snapshotCopy.state', '<>', 'gone')
}

function snapshotsOf(rows: Awaited<ReturnType<ReturnType<typeof arrayCopies>['execute']>>): CensusView['snapshots'] {
  return new Map(rows.map(({ id, poolId, state, volumeId }) => [id, { pool: poolId ?? '', state, volume: volumeId }]))
}

function accesses(reader: Reader) {
  return reader.selectFrom('connection').select(['sourceKind', 'sourceId', 'hostId', 'poolId', 'state', 'mode'])
}

async function connections(reader: Reader, ids: readonly string[]): Promise<CensusView['exposures']> {
  if (ids.length === 0) return NOTHING.exposures
  const rows = await accesses(reader)
    .where(sql<boolean>`source_id = any(${[...ids]}::uuid[])`)
    .execute()
  return exposuresOf(rows)
}

function exposuresOf(rows: Awaited<ReturnType<ReturnType<typeof accesses>['execute']>>): CensusView['exposures'] {
  return new Map(
    rows.map(({ sourceKind, sourceId, hostId, poolId, state, mode }) => {
      const source = `${sourceKind}:${sourceId}`
      return [exposureKey(source, hostId), { pool: poolId, state, source, mode }]
    }),
  )
}

async function machines(reader: Reader, ids: readonly string[]): Promise<CensusView['vms']> {
  if (ids.length === 0) return NOTHING.vms
  const rows = await reader
    .selectFrom('vm')
    .select(['id', 'hostId', 'state'])
    .where(sql<boolean>`id = any(${[...ids]}::uuid[])`)
    .where('removedAt', 'is', null)
    .execute()
  return new Map(rows.map(({ id, hostId, state }) => [id, { host: hostId, state }]))
}

async function disks(reader: Reader, volumes: readonly string[]): Promise<CensusView['disks']> {
  if (volumes.length === 0) return NOTHING.disks
  const rows = await reader
    .selectFrom('attachment')
    .select(['volumeId', 'vmId', 'generation', 'actual'])
    .where(sql<boolean>`volume_id = any(${[...volumes]}::uuid[])`)
    .execute()
  return new Map(rows.map(({ volumeId, vmId, generation, actual }) => [volumeId, { vm: vmId, generation, actual }]))
}

/** Of the beginnings of ids those that somebody at the place has access to, or has as a disk. */
async function servedAt(
  reader: Reader,
  place: Pick<CensusPlace, 'kind' | 'id'>,
  serials: readonly string[],
): Promise<CensusView['served']> {
  if (serials.length === 0) return NOTHING.served
  const digits = (column: string) => sql<string>`left(replace(${sql.ref(column)}::text, '-', ''), 20)`
  const wanted = (column: string) => sql<boolean>`${digits(column)} = any(${[...serials]}::text[])`
  const rows =
    place.kind === 'pool'
      ? await reader
          .selectFrom('connection')
          .select(digits('connection.sourceId').as('serial'))
          .where('poolId', '=', place.id)
          .where(wanted('connection.sourceId'))
          .execute()
      : await reader
          .selectFrom('attachment')
          .innerJoin('vm', 'vm.id', 'attachment.vmId')
          .select(digits('attachment.volumeId').as('serial'))
          .where('vm.hostId', '=', place.id)
          .where(wanted('attachment.volumeId'))
          .execute()
  return new Set(rows.map(({ serial }) => serial))
}

/** Rows asked for at a time. */
const PAGE = 500

/** What is recorded as being in a place and was not seen there in that run, in pages: all of it is missing. */
export async function* unseen(
  reader: Reader,
  what: { readonly run: string; readonly place: Pick<CensusPlace, 'kind' | 'id'> },
): AsyncGenerator<CensusView> {
  const sections =
    what.place.kind === 'pool' ? [unseenVolumes, unseenSnapshots, unseenAccess] : [unseenVms, unseenDisks]
  for (const section of sections) {
    for (let after = ''; ;) {
      const { view, last, full } = await section(reader, { ...what, after })
      yield view
      if (!full) break
      after = last
    }
  }
}

interface Section {
  readonly run: string
  readonly place: Pick<CensusPlace, 'kind' | 'id'>
  readonly after: string
}

interface Missing {
  readonly view: CensusView
  /** Key of the last row. */
  readonly last: string
  /** There may be more. */
  readonly full: boolean
}

const FIRST = '00000000-0000-0000-0000-000000000000'

/**
 * True for rows whose object, as it stands in findings, was not seen. Looked up one by one in the index: as a join, it would
 * be planned by figures from when the table was empty, and 50,000 rows be compared with 50,000 (measured: minutes).
 */
function notSeen({ run, place }: Section, object: ReturnType<typeof sql<string>>) {
  return sql<boolean>`not coalesce((select true from census_seen s
    where s.run = ${run} and s.place = ${`${place.kind}:${place.id}`} and s.object = ${object} limit 1), false)`
}

async function unseenVolumes(reader: Reader, section: Section): Promise<Missing> {
  const rows = await reader
    .selectFrom('location')
    .select(['volumeId', 'poolId', 'state', 'bytes'])
    .where('poolId', '=', section.place.id)
    .where('state', '=', 'present')
    .where('volumeId', '>', section.after || FIRST)
    .where(notSeen(section, sql<string>`'volume:' || volume_id::text`))
    .orderBy('volumeId')
    .limit(PAGE)
    .execute()
  const ids = rows.map(({ volumeId }) => volumeId)
  const volumes = new Map(rows.map((row) => [row.volumeId, { pool: row.poolId, state: row.state, bytes: row.bytes }]))
  const view = { ...NOTHING, volumes, disks: await disks(reader, ids) }
  return { view, last: ids.at(-1) ?? '', full: ids.length === PAGE }
}

async function unseenSnapshots(reader: Reader, section: Section): Promise<Missing> {
  const rows = await arrayCopies(reader)
    .where('snapshotCopy.poolId', '=', section.place.id)
    .where('snapshotCopy.state', '=', 'present')
    .where('snapshot.id', '>', section.after || FIRST)
    .where(notSeen(section, sql<string>`'snapshot:' || snapshot.id::text`))
    .orderBy('snapshot.id')
    .limit(PAGE)
    .execute()
  const of = rows.map(({ volumeId }) => volumeId)
  const view = { ...NOTHING, snapshots: snapshotsOf(rows), disks: await disks(reader, of) }
  return { view, last: rows.at(-1)?.id ?? '', full: rows.length === PAGE }
}

async function unseenAccess(reader: Reader, section: Section): Promise<Missing> {
  const key = sql<string>`source_kind || ':' || source_id::text || '@' || host_id::text`
  const rows = await accesses(reader)
    .where('poolId', '=', section.place.id)
    .where('state', '=', 'given')
    .where(sql<boolean>`${key} > ${section.after}`)
    .where(notSeen(section, sql<string>`'exposure:' || ${key}`))
    .orderBy(key)
    .limit(PAGE)
    .execute()
  const exposures = exposuresOf(rows)
  const of = rows.map(({ sourceId }) => sourceId)
  const view = { ...NOTHING, exposures, disks: await disks(reader, of) }
  return { view, last: [...exposures.keys()].at(-1) ?? '', full: rows.length === PAGE }
}

async function unseenVms(reader: Reader, section: Section): Promise<Missing> {
  const rows = await reader
    .selectFrom('vm')
    .select(['id', 'hostId', 'state'])
    .where('hostId', '=', section.place.id)
    .where('state', '=', 'Running')
    .where('removedAt', 'is', null)
    .where('id', '>', section.after || FIRST)
    .where(notSeen(section, sql<string>`'vm:' || id::text`))
    .orderBy('id')
    .limit(PAGE)
    .execute()
  const vms = new Map(rows.map(({ id, hostId, state }) => [id, { host: hostId, state }]))
  return { view: { ...NOTHING, vms }, last: rows.at(-1)?.id ?? '', full: rows.length === PAGE }
}

async function unseenDisks(reader: Reader, section: Section): Promise<Missing> {
  const rows = await reader
    .selectFrom('attachment')
    .innerJoin('vm', 'vm.id', 'attachment.vmId')
    .select(['attachment.volumeId', 'attachment.vmId', 'attachment.generation', 'attachment.actual', 'vm.hostId'])
    .where('vm.hostId', '=', section.place.id)
    .where('attachment.actual', '=', 'attached')
    .where('attachment.volumeId', '>', section.after || FIRST)
    .where(notSeen(section, sql<string>`'disk:' || attachment.vm_id::text || '/' || attachment.volume_id::text`))
    .orderBy('attachment.volumeId')
    .limit(PAGE)
    .execute()
  const view = {
    ...NOTHING,
    // Only where the VM is; what is missing of the VM itself is another section's.
    vms: new Map(rows.map(({ vmId, hostId }) => [vmId, { host: hostId, state: '' }])),
    disks: new Map(rows.map(({ volumeId, vmId, generation, actual }) => [volumeId, { vm: vmId, generation, actual }])),
  }
  return { view, last: rows.at(-1)?.volumeId ?? '', full: rows.length === PAGE }
}
