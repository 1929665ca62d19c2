import {
  type BackendSnapshot,
  type BackendVolume,
  PluginError,
  type SnapshotId,
  type Source,
  type VolumeId,
} from '@moorage/contract'
import { invalid } from '../check.ts'
import { fenceOf } from '../state/fences.ts'
import type { SnapshotRecord } from '../state/objects.ts'
import { type Caller, change, checkOwner, checkUnexposed, missing, type San } from './context.ts'
import { describe as describeVolume, fileOf, findVolume } from './volumes.ts'

/** `snapshots/create`: a clone of the volume's file, which is read-only and outlives the volume. */
export function createSnapshot(
  san: San,
  spec: { readonly id: SnapshotId; readonly volume: VolumeId },
  caller: Caller,
): Promise<BackendSnapshot> {
  const object: Source = { kind: 'snapshot', id: spec.id }
  const others: readonly Source[] = [{ kind: 'volume', id: spec.volume }]
  return change(san, { object, others, call: caller.call }, async () => {
    const known = san.objects.snapshot(spec.id)
    if (known) {
      checkOwner(object, known.owner, caller)
      if (known.volume !== spec.volume) {
        throw new PluginError('CONFLICT', `snapshot ${spec.id} exists of another volume`, 'none')
      }
      const there = known.state === 'ready' ? await describe(san, known) : undefined
      if (there) return there
      if (known.state !== 'creating') throw new PluginError('BUSY', `snapshot ${spec.id} is being deleted`, 'none')
      // Nobody works on it, or the lock would not be ours: an earlier call failed, and failed to clean up.
      await discard(san, known)
    }
    const volume = findVolume(san, spec.volume, caller)
    if (!(await san.files.measure(fileOf(san, volume)))) throw missing({ kind: 'volume', id: spec.volume })
    await san.files.checkRoom(0)
    const record: SnapshotRecord = { ...spec, owner: caller.owner, state: 'creating' }
    return makeSnapshot(san, record, fileOf(san, volume))
  })
}

async function makeSnapshot(san: San, record: SnapshotRecord, from: string): Promise<BackendSnapshot> {
  const file = san.files.snapshot(record.owner, record.id, record.volume)
  san.objects.addSnapshot(record)
  try {
    await san.files.clone(from, file)
    san.objects.setSnapshotState(record.id, 'ready')
    const made = await describe(san, record)
    if (made) return made
    throw new Error(`${file} vanished while it was being made`)
  } catch (error) {
    await discard(san, record)
    throw error
  }
}

async function discard(san: San, { id, owner, volume }: SnapshotRecord): Promise<void> {
  await san.files.remove(san.files.snapshot(owner, id, volume))
  san.objects.removeSnapshot(id)
}

/** `snapshots/get`. Waits for a call that works on it. */
export function getSnapshot(san: San, id: SnapshotId, caller: Caller): Promise<BackendSnapshot | undefined> {
  return san.locks.run([fenceOf({ kind: 'snapshot', id })], caller.call, async () => {
    const known = san.objects.snapshot(id)
    return known?.owner === caller.owner ? describe(san, known) : undefined
  })
}

/** `snapshots/delete`. Clones made from it share blocks with it, not fate. */
export function deleteSnapshot(san: San, id: SnapshotId, caller: Caller): Promise<void> {
  const object: Source = { kind: 'snapshot', id }
  return change(san, { object, call: caller.call }, async () => {
    const known = san.objects.snapshot(id)
    if (known) checkOwner(object, known.owner, caller)
    checkUnexposed(san, object)
    if (known) san.objects.setSnapshotState(id, 'deleting')
    for (const file of await filesOf(san, id, caller.owner)) await san.files.remove(file)
    if (known) san.objects.removeSnapshot(id)
  })
}

/**
 * `revert/revert`: the volume's file is replaced at once by a clone of the snapshot, so that an interruption leaves the
 * one or the other. A volume that has grown since keeps its size; what the snapshot did not have reads as zeros.
 */
export function revertVolume(
  san: San,
  options: { readonly volume: VolumeId; readonly to: SnapshotId; readonly caller: Caller },
): Promise<BackendVolume> {
  const { volume, to, caller } = options
  const object: Source = { kind: 'volume', id: volume }
  const snapshot: Source = { kind: 'snapshot', id: to }
  return change(san, { object, others: [snapshot], call: caller.call }, async () => {
    const record = findVolume(san, volume, caller)
    const known = san.objects.snapshot(to)
    if (known?.state !== 'ready') throw missing(snapshot)
    checkOwner(snapshot, known.owner, caller)
    if (known.volume !== volume) throw invalid(`snapshot ${to} is not one of volume ${volume}`)
    checkUnexposed(san, object)
    await san.files.clone(san.files.snapshot(known.owner, to, volume), fileOf(san, record), record.bytes)
    return describeVolume(san, record)
  })
}

/** `undefined` when its file is not there. */
async function describe(san: San, { id, owner, volume }: SnapshotRecord): Promise<BackendSnapshot | undefined> {
  const name = san.files.snapshot(owner, id, volume)
  const measured = await san.files.measure(name)
  // The file appears when its clone is taken and is never written again: its birth is the point in time.
  return measured && { id, volume, name, bytes: measured.bytes, usedBytes: 0, takenAt: measured.createdAt }
}

/** Files that bear this id and the caller's mark: one, or one that a row no longer names. */
async function filesOf(san: San, id: SnapshotId, owner: string): Promise<readonly string[]> {
  const known = san.objects.snapshot(id)
  if (known) return [san.files.snapshot(owner, id, known.volume)]
  const entries = await san.files.list()
  return entries.map(({ name }) => name).filter((name) => name.startsWith(`${owner}/snapshots/${id}@`))
}
