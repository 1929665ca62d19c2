import {
  type AppliedQos,
  type BackendVolume,
  differingAxes,
  PluginError,
  type Qos,
  type Source,
} from '@moorage/contract'
import { type Fields, fields, invalid, uuid, whole } from '../check.ts'
import { copyImage, dropImage, mappedBytes, newImage } from '../layers.ts'
import { clampQos, readQos } from '../qos.ts'
import type { Store } from '../store.ts'
import { ARRAY_QOS, type ArrayRequest, GRANULARITY_BYTES, readSource, sourceKey } from './array.ts'

/** A volume as it is stored. `source` is empty, or the `sourceKey` of what it was cloned from. */
export interface VolumeRow {
  readonly array: string
  readonly id: BackendVolume['id']
  readonly owner: string
  readonly bytes: number
  readonly source: string
  readonly image: number
  readonly requestedQos: string
  readonly qos: string
  readonly createdAt: number
  readonly readOps: number
  readonly writeOps: number
  readonly readBytes: number
  readonly writeBytes: number
}

interface Wanted {
  readonly id: BackendVolume['id']
  readonly bytes: number
  readonly qos: Qos
}

/** Method `volumes/create`. */
export function createVolume(request: ArrayRequest): BackendVolume {
  const wanted = readSpec(request, request.args['spec'])
  const existing = existingVolume(request, wanted, '')
  if (existing) return existing
  admitVolume(request, wanted.bytes)
  return insertVolume(request, wanted, { source: '', image: newImage(request.store, wanted.bytes) })
}

/** Method `clones/clone`. */
export function cloneVolume(request: ArrayRequest): BackendVolume {
  const from = readSource(request.args['from'], 'from')
  const wanted = readSpec(request, request.args['spec'])
  const existing = existingVolume(request, wanted, sourceKey(from))
  if (existing) return existing
  const origin = sourceImage(request, from)
  if (wanted.bytes < origin.bytes) {
    throw invalid(`spec.bytes: a clone of ${origin.bytes} bytes cannot have ${wanted.bytes}`)
  }
  admitVolume(request, wanted.bytes)
  return insertVolume(request, wanted, { source: sourceKey(from), image: copyImage(request.store, origin.image) })
}

/** Method `volumes/get`. */
export function getVolume(request: ArrayRequest): BackendVolume | undefined {
  const row = ownVolume(request, uuid(request.args['id'], 'id'))
  return row && backendVolume(request.store, row)
}

/** Method `volumes/delete`. Snapshots of the volume stay; a volume of another owner is none of the caller's. */
export function deleteVolume(request: ArrayRequest): void {
  const row = ownVolume(request, uuid(request.args['id'], 'id'))
  if (!row) return
  refuseExposed(request, { kind: 'volume', id: row.id })
  removeVolume(request.store, row)
}

/** Takes a volume away, whatever its state. */
export function removeVolume(store: Store, row: VolumeRow): void {
  dropImage(store, row.image)
  store.run('DELETE FROM volumes WHERE array = ? AND id = ?', row.array, row.id)
  store.run('UPDATE arrays SET usedBytes = usedBytes - ?, volumes = volumes - 1 WHERE name = ?', row.bytes, row.array)
}

/** Method `resize/grow`. */
export function growVolume(request: ArrayRequest): BackendVolume {
  const { store, array, args } = request
  const row = needVolume(request, uuid(args['id'], 'id'))
  const bytes = roundUp(whole(args['bytes'], 'bytes', 1))
  if (bytes < row.bytes) throw invalid(`bytes: the volume has ${row.bytes} and never shrinks to ${bytes}`)
  if (bytes > array.maxVolumeBytes) throw limit(`bytes: at most ${array.maxVolumeBytes}`)
  refuseFull(request, bytes - row.bytes)
  store.run('UPDATE volumes SET bytes = ? WHERE array = ? AND id = ?', bytes, array.name, row.id)
  store.run('UPDATE arrays SET usedBytes = usedBytes + ? WHERE name = ?', bytes - row.bytes, array.name)
  return backendVolume(store, needVolume(request, row.id))
}

/** Method `qos/apply`. */
export function applyQos(request: ArrayRequest): AppliedQos {
  const row = needVolume(request, uuid(request.args['id'], 'id'))
  setQos(request.store, row, readQos(request.args['qos'], 'qos', ARRAY_QOS))
  return appliedQos(needVolume(request, row.id))
}

/** Stores a vector as asked and as the array keeps it. */
export function setQos(store: Store, row: Pick<VolumeRow, 'array' | 'id'>, qos: Qos): void {
  store.run(
    'UPDATE volumes SET requestedQos = ?, qos = ? WHERE array = ? AND id = ?',
    JSON.stringify(qos),
    JSON.stringify(clampQos(qos, ARRAY_QOS)),
    row.array,
    row.id,
  )
}

/** Method `qos/read`. */
export function readAppliedQos(request: ArrayRequest): Qos {
  return appliedQos(needVolume(request, uuid(request.args['id'], 'id'))).applied
}

/** Method `stats/read`. */
export function readStats(request: ArrayRequest): object {
  const { readOps, writeOps, readBytes, writeBytes } = needVolume(request, uuid(request.args['id'], 'id'))
  return { readOps, writeOps, readBytes, writeBytes, at: Date.now() }
}

/** The caller's volume of an id; `undefined` when there is none, or one of another owner. */
function ownVolume({ store, array, owner }: ArrayRequest, id: string): VolumeRow | undefined {
  const row = findVolume(store, array.name, id)
  return row?.owner === owner ? row : undefined
}

/** As `ownVolume`, but throws `NOT_FOUND`. */
export function needVolume(request: ArrayRequest, id: string): VolumeRow {
  const row = ownVolume(request, id)
  if (!row) throw new PluginError('NOT_FOUND', `${request.array.name} has no volume ${id}`, 'none')
  return row
}

/** The volume of an id, whoever made it. */
export function findVolume(store: Store, array: string, id: string): VolumeRow | undefined {
  return store.one<VolumeRow>('SELECT * FROM volumes WHERE array = ? AND id = ?', array, id)
}

/** The volume as the contract shows it. */
export function backendVolume(store: Store, row: VolumeRow): BackendVolume {
  const { id, bytes } = row
  return { id, name: volumeName(id), bytes, usedBytes: mappedBytes(store, row.image), qos: appliedQos(row) }
}

/** Name of a volume at the array. */
export function volumeName(id: string): string {
  return `moorage-${id}`
}

/** Size and image of a source of the caller's; throws `NOT_FOUND`. */
export function sourceImage(request: ArrayRequest, source: Source): { readonly bytes: number; readonly image: number } {
  if (source.kind === 'volume') return needVolume(request, source.id)
  const sql = 'SELECT bytes, image FROM snapshots WHERE array = ? AND id = ? AND owner = ?'
  const row = request.store.one<{ bytes: number; image: number }>(sql, request.array.name, source.id, request.owner)
  if (!row) throw new PluginError('NOT_FOUND', `${request.array.name} has no snapshot ${source.id}`, 'none')
  return row
}

/** Throws `IN_USE` while somebody has access to the source. */
export function refuseExposed({ store, array }: ArrayRequest, source: Source): void {
  const sql = 'SELECT initiator FROM exposures WHERE array = ? AND sourceKind = ? AND sourceId = ? LIMIT 1'
  const row = store.one<{ initiator: string }>(sql, array.name, source.kind, source.id)
  if (row) throw new PluginError('IN_USE', `${sourceKey(source)} is exposed to ${row.initiator}`, 'none')
}

function readSpec(request: ArrayRequest, value: unknown): Wanted {
  const spec: Fields = fields(value, 'spec')
  const bytes = whole(spec['bytes'], 'spec.bytes', 0)
  if (bytes < GRANULARITY_BYTES) throw limit(`spec.bytes: at least ${GRANULARITY_BYTES}`)
  if (bytes > request.array.maxVolumeBytes) throw limit(`spec.bytes: at most ${request.array.maxVolumeBytes}`)
  const unknown = Object.keys(fields(spec['settings'], 'spec.settings'))[0]
  if (unknown !== undefined) throw invalid(`spec.settings.${unknown} is no setting of a simulated volume`)
  return { id: uuid(spec['id'], 'spec.id'), bytes: roundUp(bytes), qos: readQos(spec['qos'], 'spec.qos', ARRAY_QOS) }
}

function existingVolume(request: ArrayRequest, wanted: Wanted, source: string): BackendVolume | undefined {
  const row = findVolume(request.store, request.array.name, wanted.id)
  if (!row) return undefined
  const differs =
    (row.owner !== request.owner && 'is of another owner') ||
    (row.bytes !== wanted.bytes && `has ${row.bytes} bytes, not ${wanted.bytes}`) ||
    (row.source !== source && `was made from ${row.source || 'nothing'}, not from ${source || 'nothing'}`)
  if (differs) throw new PluginError('CONFLICT', `volume ${wanted.id} ${differs}`, 'none')
  return backendVolume(request.store, row)
}

function admitVolume(request: ArrayRequest, bytes: number): void {
  const { volumes, maxVolumes } = request.array
  if (volumes >= maxVolumes) throw limit(`the array holds ${volumes} volumes of at most ${maxVolumes}`)
  refuseFull(request, bytes)
}

function refuseFull({ array }: ArrayRequest, bytes: number): void {
  const free = array.totalBytes - array.usedBytes
  if (bytes > free)
    throw new PluginError('NO_SPACE', `${array.name} has ${free} bytes free, asked for ${bytes}`, 'none')
}

function insertVolume(
  request: ArrayRequest,
  wanted: Wanted,
  made: { readonly source: string; readonly image: number },
): BackendVolume {
  const { store, array, owner } = request
  store.run(
    `INSERT INTO volumes(array, id, owner, bytes, source, image, requestedQos, qos, createdAt)
      VALUES (?, ?, ?, ?, ?, ?, '{}', '{}', ?)`,
    array.name,
    wanted.id,
    owner,
    wanted.bytes,
    made.source,
    made.image,
    Date.now(),
  )
  setQos(store, { array: array.name, id: wanted.id }, wanted.qos)
  store.run(
    'UPDATE arrays SET usedBytes = usedBytes + ?, volumes = volumes + 1 WHERE name = ?',
    wanted.bytes,
    array.name,
  )
  return backendVolume(store, needVolume(request, wanted.id))
}

/** What is enforced on a volume; `{}` when there is none. */
export function enforcedQos(store: Store, array: string, id: string): Qos {
  const row = findVolume(store, array, id)
  return row ? stored(row.qos) : {}
}

function appliedQos(row: VolumeRow): AppliedQos {
  const applied = stored(row.qos)
  return { applied, clamped: differingAxes(stored(row.requestedQos), applied) }
}

function stored(json: string): Qos {
  return JSON.parse(json) as Qos // Written by setQos only, from a checked vector.
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / GRANULARITY_BYTES) * GRANULARITY_BYTES
}

function limit(message: string): PluginError {
  return new PluginError('LIMIT', message, 'none')
}
