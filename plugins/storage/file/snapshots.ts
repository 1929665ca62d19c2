import { stat } from 'node:fs/promises'
import type { BackendSnapshot, BackendVolume, Call, SnapshotId, Source, VolumeId } from '@moorage/contract'
import { refuse, unlessAbsent } from '@moorage/files'
import { appear, reflink, remove } from './durable.ts'
import { missing } from './failures.ts'
import { raw } from './format.ts'
import { type ObjectRecord, recordAt, writeRecord } from './objects.ts'
import { change, checkNobodyElses, checkRoom, fileOf, look, nameOf, type Pool, recordOf } from './pool.ts'
import { checkUnexposed, found } from './volumes.ts'

/** `snapshots.create`: a file that shares the volume's blocks. */
export function createSnapshot(
  pool: Pool,
  spec: { readonly id: SnapshotId; readonly volume: VolumeId },
  call: Call,
): Promise<BackendSnapshot> {
  const object: Source = { kind: 'snapshot', id: spec.id }
  const of: Source = { kind: 'volume', id: spec.volume }
  return change(pool, { object, others: [of], call }, async (record, began) => {
    const there = await describe(pool, spec.id, record)
    if (there && there.volume === spec.volume) return there
    if (there) throw refuse('CONFLICT', `snapshot ${spec.id} is of volume ${there.volume}`)
    await found(pool, spec.volume)
    await checkNobodyElses(pool, object)
    await checkRoom(pool, 0)
    began()
    const made = { fence: record.fence, accesses: {}, volume: spec.volume, createdAt: Date.now() }
    await writeRecord(recordOf(pool, object), made)
    await appear(fileOf(pool, object), (draft) => reflink(fileOf(pool, of), draft))
    return known(pool, spec.id, made)
  })
}

/** `snapshots.get`. */
export function getSnapshot(pool: Pool, id: SnapshotId, call: Call): Promise<BackendSnapshot | undefined> {
  const object: Source = { kind: 'snapshot', id }
  return look(pool, { object, call }, async () => describe(pool, id, await recordAt(recordOf(pool, object))))
}

/** `snapshots.delete`. */
export function deleteSnapshot(pool: Pool, id: SnapshotId, call: Call): Promise<void> {
  const object: Source = { kind: 'snapshot', id }
  return change(pool, { object, call }, async (record, began) => {
    checkUnexposed(record, object)
    began()
    await remove(fileOf(pool, object))
    if (record.volume !== undefined) {
      await writeRecord(recordOf(pool, object), { fence: record.fence, accesses: {} })
    }
  })
}

/**
 * `revert.revert`: the volume's file is replaced at once by one with the blocks of the snapshot, so that an interruption
 * leaves the one or the other. A volume that has grown since keeps its size; what the snapshot did not have reads as zeros.
 */
export function revertVolume(
  pool: Pool,
  wanted: { readonly volume: VolumeId; readonly to: SnapshotId },
  call: Call,
): Promise<BackendVolume> {
  const object: Source = { kind: 'volume', id: wanted.volume }
  const snapshot: Source = { kind: 'snapshot', id: wanted.to }
  return change(pool, { object, others: [snapshot], call }, async (record, began) => {
    const { bytes } = await found(pool, wanted.volume)
    const to = await known(pool, wanted.to, await recordAt(recordOf(pool, snapshot)))
    if (to.volume !== wanted.volume) throw refuse('INVALID', `snapshot ${to.id} is of volume ${to.volume}`)
    checkUnexposed(record, object)
    began()
    await appear(fileOf(pool, object), async (draft) => {
      await reflink(fileOf(pool, snapshot), draft)
      await raw.grow(draft, { bytes, preallocation: record.preallocation ?? 'none', call })
    })
    return found(pool, wanted.volume)
  })
}

/** The snapshot as it is, told its record. Throws `NOT_FOUND`, effect `none`. */
async function known(pool: Pool, id: SnapshotId, record: ObjectRecord): Promise<BackendSnapshot> {
  const there = await describe(pool, id, record)
  if (there) return there
  throw missing({ kind: 'snapshot', id })
}

async function describe(pool: Pool, id: SnapshotId, record: ObjectRecord): Promise<BackendSnapshot | undefined> {
  const source: Source = { kind: 'snapshot', id }
  const file = await unlessAbsent(stat(fileOf(pool, source)))
  if (!file || record.volume === undefined) return undefined
  const volume = record.volume as VolumeId // Only `createSnapshot` writes it.
  // Blocks are shared with the volume and other snapshots: what it holds alone, nobody knows.
  return { id, volume, name: nameOf(pool, source), bytes: file.size, usedBytes: 0, takenAt: record.createdAt ?? 0 }
}
