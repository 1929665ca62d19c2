import { type BackendSnapshot, type Page, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import { fields, invalid, uuid } from '../check.ts'
import {
  BLOCK_BYTES,
  copyImage,
  type Difference,
  differences,
  dropImage,
  exclusiveBytes,
  replaceImage,
} from '../layers.ts'
import type { Store } from '../store.ts'
import type { ArrayRequest } from './array.ts'
import { backendVolume, needVolume, refuseExposed } from './volumes.ts'

const EXTENTS_PER_PAGE = 1000

/** A snapshot as it is stored. */
export interface SnapshotRow {
  readonly array: string
  readonly id: SnapshotId
  readonly owner: string
  readonly volume: VolumeId
  readonly bytes: number
  readonly image: number
  readonly takenAt: number
}

/** Method `snapshots/create`. */
export function createSnapshot(request: ArrayRequest): BackendSnapshot {
  const spec = fields(request.args['spec'], 'spec')
  return takeSnapshot(request, {
    id: uuid(spec['id'], 'spec.id'),
    volume: uuid(spec['volume'], 'spec.volume'),
    at: Date.now(),
  })
}

/** Takes one snapshot, or answers the one that was taken under this id. */
export function takeSnapshot(
  request: ArrayRequest,
  wanted: { readonly id: SnapshotId; readonly volume: VolumeId; readonly at: number },
): BackendSnapshot {
  const { store, array, owner } = request
  const existing = admitSnapshot(request, wanted)
  if (existing) return backendSnapshot(store, existing)
  const volume = needVolume(request, wanted.volume)
  store.run(
    'INSERT INTO snapshots(array, id, owner, volume, bytes, image, takenAt) VALUES (?, ?, ?, ?, ?, ?, ?)',
    array.name,
    wanted.id,
    owner,
    volume.id,
    volume.bytes,
    copyImage(store, volume.image),
    wanted.at,
  )
  // Fresh from its volume it shares every block; counting them would take longer than the snapshot.
  return shown(needSnapshot(request, wanted.id), 0)
}

/**
 * Checks that a snapshot can be taken: answers the one of this id if there is one. Throws `CONFLICT` when the id names a
 * snapshot of another volume, `NOT_FOUND` without the volume, `LIMIT` when the volume has as many as it may.
 */
export function admitSnapshot(
  request: ArrayRequest,
  wanted: { readonly id: SnapshotId; readonly volume: VolumeId; readonly besides?: number },
): SnapshotRow | undefined {
  const { store, array, owner } = request
  const row = store.one<SnapshotRow>('SELECT * FROM snapshots WHERE array = ? AND id = ?', array.name, wanted.id)
  if (row?.owner === owner && row.volume === wanted.volume) return row
  if (row) throw new PluginError('CONFLICT', `snapshot ${wanted.id} is one of another volume or owner`, 'none')
  needVolume(request, wanted.volume)
  const sql = 'SELECT count(*) AS n FROM snapshots WHERE array = ? AND volume = ?'
  const held = store.one<{ n: number }>(sql, array.name, wanted.volume)?.n ?? 0
  if (held + (wanted.besides ?? 0) >= array.maxSnapshotsPerVolume) {
    const most = array.maxSnapshotsPerVolume
    throw new PluginError('LIMIT', `volume ${wanted.volume} has ${held} snapshots of at most ${most}`, 'none')
  }
  return undefined
}

/** Method `snapshots/get`. */
export function getSnapshot(request: ArrayRequest): BackendSnapshot | undefined {
  const row = ownSnapshot(request, uuid(request.args['id'], 'id'))
  return row && backendSnapshot(request.store, row)
}

/** Method `snapshots/delete`. */
export function deleteSnapshot(request: ArrayRequest): void {
  const row = ownSnapshot(request, uuid(request.args['id'], 'id'))
  if (!row) return
  refuseExposed(request, { kind: 'snapshot', id: row.id })
  removeSnapshot(request.store, row)
}

/** Takes a snapshot away, whatever its state. */
export function removeSnapshot(store: Store, row: SnapshotRow): void {
  dropImage(store, row.image)
  store.run('DELETE FROM snapshots WHERE array = ? AND id = ?', row.array, row.id)
}

/** Method `revert/revert`. The volume keeps its size: what it had grown by since the snapshot reads as zeros. */
export function revertVolume(request: ArrayRequest): object {
  const volume = needVolume(request, uuid(request.args['volume'], 'volume'))
  const snapshot = needSnapshot(request, uuid(request.args['to'], 'to'))
  if (snapshot.volume !== volume.id) {
    throw invalid(`to: snapshot ${snapshot.id} is one of volume ${snapshot.volume}, not of ${volume.id}`)
  }
  refuseExposed(request, { kind: 'volume', id: volume.id })
  replaceImage(request.store, volume.image, snapshot.image)
  return backendVolume(request.store, volume)
}

/** Method `change-list/extents`: in blocks of 64 KiB. */
export function changeList(request: ArrayRequest): Page<Difference> {
  const range = fields(request.args['range'], 'range')
  const snapshot = needSnapshot(request, uuid(range['snapshot'], 'range.snapshot'))
  const base = range['base'] === undefined ? undefined : needSnapshot(request, uuid(range['base'], 'range.base'))
  if (base && base.volume !== snapshot.volume) throw invalid('range.base is a snapshot of another volume')
  const start = Number(range['cursor'] ?? 0)
  if (!Number.isSafeInteger(start) || start < 0) throw invalid('range.cursor is none of ours')
  const runs = differences(request.store, snapshot.image, {
    ...(base && { base: base.image }),
    start,
    limit: EXTENTS_PER_PAGE,
  })
  const last = runs.at(-1)
  if (!last || runs.length < EXTENTS_PER_PAGE) return { items: runs }
  return { items: runs, next: String((last.offset + last.length) / BLOCK_BYTES) }
}

function ownSnapshot({ store, array, owner }: ArrayRequest, id: string): SnapshotRow | undefined {
  const row = store.one<SnapshotRow>('SELECT * FROM snapshots WHERE array = ? AND id = ?', array.name, id)
  return row?.owner === owner ? row : undefined
}

/** The caller's snapshot of an id; throws `NOT_FOUND`. */
export function needSnapshot(request: ArrayRequest, id: string): SnapshotRow {
  const row = ownSnapshot(request, id)
  if (!row) throw new PluginError('NOT_FOUND', `${request.array.name} has no snapshot ${id}`, 'none')
  return row
}

/** Name of a snapshot at the array. */
export function snapshotName(id: string): string {
  return `moorage-snapshot-${id}`
}

/** The snapshot as the contract shows it. */
export function backendSnapshot(store: Store, row: SnapshotRow): BackendSnapshot {
  return shown(row, exclusiveBytes(store, row.image))
}

function shown(row: SnapshotRow, usedBytes: number): BackendSnapshot {
  const { id, volume, bytes, takenAt } = row
  return { id, volume, name: snapshotName(id), bytes, usedBytes, takenAt }
}
