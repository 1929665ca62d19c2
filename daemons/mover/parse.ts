import {
  type ArchiveAccess,
  type ArchiveShape,
  type Connection,
  type Extent,
  type MoverTask,
  PluginError,
  type SnapshotId,
} from '@moorage/contract'
import { PROTOCOLS } from './ends/ends.ts'

/*
 * What comes over the wire, looked at field by field. Everything here throws `INVALID`, effect `none`, naming the field.
 */

type Fields = Readonly<Record<string, unknown>>

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** 16 TiB in pieces of 1 MiB. */
const MOST_EXTENTS = 2 ** 24

/** An object as it came. */
export function fields(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw invalid(name, 'an object')
}

/** A text that is not empty. */
export function text(from: Fields, name: string): string {
  const value = from[name]
  if (typeof value === 'string' && value !== '') return value
  throw invalid(name, 'a text')
}

/** A lower-case UUID. `Kind` follows from where it stands. */
export function uuid<Kind extends string>(from: Fields, name: string): Kind {
  const value = text(from, name)
  if (UUID.test(value)) return value as Kind // The pattern is the definition of an id.
  throw invalid(name, 'a lower-case UUID')
}

/** True or false. */
export function flag(from: Fields, name: string): boolean {
  const value = from[name]
  if (typeof value === 'boolean') return value
  throw invalid(name, 'true or false')
}

/** Where an archive is, and how it opens. */
export function archiveAccess(value: unknown): ArchiveAccess {
  const from = fields(value, 'archive')
  const endpoint = fields(from['endpoint'], 'archive.endpoint')
  const settings = Object.entries(fields(endpoint['settings'], 'archive.endpoint.settings'))
  for (const [name, one] of settings) if (typeof one !== 'string') throw invalid(name, 'a text')
  const key = from['key'] === undefined ? {} : { key: text(from, 'key') }
  const values = Object.fromEntries(settings.map(([name, one]) => [name, String(one)]))
  return {
    plugin: text(from, 'plugin'),
    endpoint: { url: text(endpoint, 'url'), owner: text(endpoint, 'owner'), settings: values },
    ...key,
  }
}

/** How an archive is to be made. */
export function archiveShape(value: unknown): ArchiveShape {
  const from = fields(value, 'shape')
  return from['chunkBytes'] === undefined ? {} : { chunkBytes: whole(from, 'chunkBytes', 1) }
}

/** A piece of work. */
export function moverTask(value: unknown): MoverTask {
  const from = fields(value, 'task')
  const common = { id: uuid<MoverTask['id']>(from, 'id'), archive: archiveAccess(from['archive']) }
  const kind = text(from, 'kind')
  if (kind === 'archive') return { ...common, kind, ...archiveFields(from) }
  if (kind === 'restore') {
    const target = connection(from['target'], 'target')
    const snapshot = uuid<SnapshotId>(from, 'snapshot')
    return { ...common, kind, snapshot, target, blank: flag(from, 'blank'), ...rate(from) }
  }
  if (kind === 'verify') {
    return { ...common, kind, ...(from['snapshot'] !== undefined && { snapshot: uuid<SnapshotId>(from, 'snapshot') }) }
  }
  if (kind === 'collect') return { ...common, kind }
  throw invalid('task.kind', 'archive, restore, verify or collect')
}

type ArchiveFields = Omit<Extract<MoverTask, { kind: 'archive' }>, 'kind' | 'id' | 'archive'>

function archiveFields(from: Fields): ArchiveFields {
  const changes = from['changes']
  return {
    snapshot: uuid<ArchiveFields['snapshot']>(from, 'snapshot'),
    volume: uuid<ArchiveFields['volume']>(from, 'volume'),
    source: connection(from['source'], 'source'),
    takenAt: whole(from, 'takenAt', 0),
    ...(from['bytes'] !== undefined && { bytes: whole(from, 'bytes', 1) }),
    ...(from['base'] !== undefined && { base: uuid<SnapshotId>(from, 'base') }),
    ...(changes !== undefined && { changes: extents(changes) }),
    ...rate(from),
  }
}

function rate(from: Fields): { readonly bytesPerSecond?: number } {
  return from['bytesPerSecond'] === undefined ? {} : { bytesPerSecond: whole(from, 'bytesPerSecond', 1) }
}

/** In order and without overlaps, as the contract of change lists has them. */
function extents(value: unknown): readonly Extent[] {
  if (!Array.isArray(value) || value.length > MOST_EXTENTS) throw invalid('changes', 'a list of extents')
  let end = 0
  return value.map((one: unknown, index): Extent => {
    const name = `changes[${index}]`
    const from = fields(one, name)
    const [offset, length, kind] = [whole(from, 'offset', end), whole(from, 'length', 1), from['kind']]
    if (kind !== 'data' && kind !== 'zero') throw invalid(`${name}.kind`, 'data or zero')
    end = offset + length
    return { offset, length, kind }
  })
}

function connection(value: unknown, name: string): Connection {
  const from = fields(value, name)
  const via = text(from, 'via')
  if (!PROTOCOLS.some((protocol) => protocol === via)) throw invalid(`${name}.via`, PROTOCOLS.join(', '))
  if (via === 'iscsi') for (const field of ['portal', 'iqn', 'initiator']) text(from, field)
  if (via === 'iscsi') whole(from, 'lun', 0)
  if (via === 'nbd') text(from, 'uri')
  if (via === 'file') text(from, 'path')
  // What else a connection has is refused by whoever opens it.
  return from as Connection
}

function whole(from: Fields, name: string, least: number): number {
  const value = from[name]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw invalid(name, `a whole number of at least ${least}`)
}

function invalid(name: string, rule: string): PluginError {
  return new PluginError('INVALID', `${name}: must be ${rule}`, 'none')
}
