import {
  type ArchiveAccess,
  type ArchiveShape,
  type Checksum,
  type Connection,
  type Extent,
  type MoverJobId,
  type MoverTask,
  PluginError,
  type Protocol,
  type SnapshotId,
  type VolumeId,
} from '@moorage/contract'

/*
 * What comes to a mover over the wire, looked at field by field: the other side of `remoteMover`. Everything here throws
 * `INVALID`, effect `none`, naming the field.
 */

/** An object of which nothing is known yet. */
type Fields = Readonly<Record<string, unknown>>

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** 16 TiB in pieces of 1 MiB. */
const MOST_EXTENTS = 2 ** 24

/** Kinds of tasks that store a snapshot. */
const STORING = ['archive', 'import', 'copy']

/** What the calls of a mover are given, read from their bodies. */
export const moverArgs = {
  access: (args: unknown): ArchiveAccess => archiveAccess(body(args)['archive']),
  shape: (args: unknown): ArchiveShape => archiveShape(body(args)['shape'] ?? {}),
  rekey: (args: unknown): { readonly newKey: string; readonly fresh: boolean } => {
    return { newKey: text(body(args), 'newKey'), fresh: flag(body(args), 'fresh') }
  },
  /** A piece of work for a mover that speaks `accepts`. */
  task: (args: unknown, accepts: readonly Protocol[]): MoverTask => moverTask(body(args)['task'], accepts),
  job: (args: unknown): MoverJobId => uuid<MoverJobId>(body(args), 'id'),
  snapshot: (args: unknown): SnapshotId => uuid<SnapshotId>(body(args), 'id'),
  cursor: (args: unknown): string | undefined => {
    return body(args)['cursor'] === undefined ? undefined : text(body(args), 'cursor')
  },
} as const

/**
 * What a call of a mover claims: the objects whose highest fence it must not be below, and raises. Jobs, snapshots in an
 * archive, the key of an archive; nothing where a late duplicate does no harm.
 */
export function moverClaims(method: string, args: unknown): readonly string[] {
  const archive = ({ plugin, endpoint }: ArchiveAccess) => `${plugin} ${endpoint.url}`
  if (method === 'jobs/submit') {
    const task = fields(body(args)['task'], 'task')
    const job = `job ${uuid(task, 'id')}`
    if (!STORING.some((kind) => kind === task['kind'])) return [job]
    // Whoever has taken the snapshot out meanwhile must not find it there again.
    return [job, `snapshot ${uuid(task, 'snapshot')} in ${archive(archiveAccess(task['archive']))}`]
  }
  if (/^jobs\/(cancel|abandon|forget)$/.test(method)) return [`job ${moverArgs.job(args)}`]
  if (method === 'snapshots/remove') {
    return [`snapshot ${moverArgs.snapshot(args)} in ${archive(moverArgs.access(args))}`]
  }
  if (method === 'archives/rekey') return [`key of ${archive(moverArgs.access(args))}`]
  return []
}

/** What makes a mover's task this one and no other. Ways and credentials may differ each time it is asked for. */
export function aboutOf(task: MoverTask): string {
  const { kind } = task
  const snapshot = kind === 'collect' ? undefined : task.snapshot
  const more = aboutKind(task)
  return JSON.stringify([kind, task.archive.plugin, task.archive.endpoint.url, snapshot, ...more])
}

function aboutKind(task: MoverTask): readonly unknown[] {
  if (task.kind === 'archive') return [task.volume, task.base]
  if (task.kind === 'import') return [task.volume, task.url, task.format, task.checksum?.value]
  if (task.kind === 'copy') return [task.volume, task.from]
  return task.kind === 'restore' ? [task.blank] : []
}

function body(args: unknown): Fields {
  return fields(args, 'body')
}

/** An object as it came. */
function fields(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw invalid(name, 'an object')
}

/** A text that is not empty. */
function text(from: Fields, name: string): string {
  const value = from[name]
  if (typeof value === 'string' && value !== '') return value
  throw invalid(name, 'a text')
}

/** A lower-case UUID. `Kind` follows from where it stands. */
function uuid<Kind extends string>(from: Fields, name: string): Kind {
  const value = text(from, name)
  if (UUID.test(value)) return value as Kind // The pattern is the definition of an id.
  throw invalid(name, 'a lower-case UUID')
}

/** True or false. */
function flag(from: Fields, name: string): boolean {
  const value = from[name]
  if (typeof value === 'boolean') return value
  throw invalid(name, 'true or false')
}

/** Where an archive is, and how it opens. */
function archiveAccess(value: unknown): ArchiveAccess {
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
function archiveShape(value: unknown): ArchiveShape {
  const from = fields(value, 'shape')
  return from['chunkBytes'] === undefined ? {} : { chunkBytes: whole(from, 'chunkBytes', 1) }
}

/** A piece of work for a mover that speaks `accepts`. */
function moverTask(value: unknown, accepts: readonly Protocol[]): MoverTask {
  const from = fields(value, 'task')
  const common = { id: uuid<MoverTask['id']>(from, 'id'), archive: archiveAccess(from['archive']) }
  const kind = text(from, 'kind')
  if (kind === 'archive') return { ...common, kind, ...archiveFields(from, accepts) }
  if (kind === 'import') return { ...common, kind, ...importFields(from) }
  if (kind === 'copy') {
    const ids = { from: uuid<SnapshotId>(from, 'from'), snapshot: uuid<SnapshotId>(from, 'snapshot') }
    return { ...common, kind, ...ids, volume: uuid<VolumeId>(from, 'volume'), takenAt: whole(from, 'takenAt', 0) }
  }
  if (kind === 'restore') {
    const target = connection(from['target'], { name: 'target', accepts })
    const snapshot = uuid<SnapshotId>(from, 'snapshot')
    return { ...common, kind, snapshot, target, blank: flag(from, 'blank'), ...rate(from) }
  }
  if (kind === 'verify') {
    return { ...common, kind, ...(from['snapshot'] !== undefined && { snapshot: uuid<SnapshotId>(from, 'snapshot') }) }
  }
  if (kind === 'collect') return { ...common, kind }
  throw invalid('task.kind', 'archive, import, copy, restore, verify or collect')
}

type ArchiveFields = Omit<Extract<MoverTask, { kind: 'archive' }>, 'kind' | 'id' | 'archive'>

function archiveFields(from: Fields, accepts: readonly Protocol[]): ArchiveFields {
  const changes = from['changes']
  return {
    snapshot: uuid<ArchiveFields['snapshot']>(from, 'snapshot'),
    volume: uuid<ArchiveFields['volume']>(from, 'volume'),
    source: connection(from['source'], { name: 'source', accepts }),
    takenAt: whole(from, 'takenAt', 0),
    ...(from['bytes'] !== undefined && { bytes: whole(from, 'bytes', 1) }),
    ...(from['base'] !== undefined && { base: uuid<SnapshotId>(from, 'base') }),
    ...(changes !== undefined && { changes: extents(changes) }),
    ...rate(from),
  }
}

type ImportFields = Omit<Extract<MoverTask, { kind: 'import' }>, 'kind' | 'id' | 'archive'>

function importFields(from: Fields): ImportFields {
  const format = from['format']
  if (format !== 'raw' && format !== 'qcow2') throw invalid('format', 'raw or qcow2')
  return {
    snapshot: uuid<ImportFields['snapshot']>(from, 'snapshot'),
    volume: uuid<ImportFields['volume']>(from, 'volume'),
    takenAt: whole(from, 'takenAt', 0),
    url: webUrl(from),
    format,
    most: whole(from, 'most', 1),
    ...(from['checksum'] !== undefined && { checksum: checksum(from['checksum']) }),
    ...rate(from),
  }
}

function webUrl(from: Fields): string {
  const url = URL.parse(text(from, 'url'))
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url.href
  throw invalid('url', 'http or https, without a user in it')
}

/** Hexadecimal digits of the digests. */
const DIGITS = { md5: 32, 'sha-1': 40, 'sha-224': 56, 'sha-256': 64, 'sha-384': 96, 'sha-512': 128 } as const

function checksum(value: unknown): Checksum {
  const from = fields(value, 'checksum')
  const name = text(from, 'algorithm')
  const [algorithm, digits] = Object.entries(DIGITS).find(([known]) => known === name) ?? []
  if (algorithm === undefined) throw invalid('checksum.algorithm', Object.keys(DIGITS).join(', '))
  const digest = text(from, 'value')
  if (!/^[0-9a-f]+$/.test(digest) || digest.length !== digits)
    throw invalid('checksum.value', `${digits} lower-case hexadecimal digits`)
  return { algorithm: algorithm as Checksum['algorithm'], value: digest } // A key of the table.
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

function connection(
  value: unknown,
  { name, accepts }: { readonly name: string; readonly accepts: readonly Protocol[] },
): Connection {
  const from = fields(value, name)
  const via = text(from, 'via')
  if (!accepts.some((protocol) => protocol === via)) throw invalid(`${name}.via`, accepts.join(', '))
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
