import {
  type AppliedQos,
  type BackendVolume,
  PluginError,
  type Qos,
  type Source,
  type VolumeId,
  type VolumeSpec,
} from '@moorage/contract'
import { invalid } from '../check.ts'
import { fitQos, SAN_LIMITS } from '../qos/limits.ts'
import { fenceOf } from '../state/fences.ts'
import type { VolumeRecord } from '../state/objects.ts'
import { type Caller, change, checkOwner, checkUnexposed, missing, type San } from './context.ts'
import { outletOf } from './desired.ts'

/** `volumes/create`, and `clones/clone` when there is a source. Idempotent on the id; a clone is a volume of its own. */
export function createVolume(
  san: San,
  spec: VolumeSpec,
  options: { readonly from?: Source; readonly caller: Caller },
): Promise<BackendVolume> {
  const { from, caller } = options
  const object = volume(spec.id)
  const others = from ? [from] : []
  return change(san, { object, others, call: caller.call }, async () => {
    const bytes = roundUp(spec.bytes)
    const known = san.objects.volume(spec.id)
    if (known) {
      checkOwner(object, known.owner, caller)
      checkSame(known, bytes, from)
      if (known.state === 'ready') return describe(san, known)
      if (known.state === 'deleting') throw new PluginError('BUSY', `volume ${spec.id} is being deleted`, 'none')
      // Nobody works on it, or the lock would not be ours: an earlier call failed, and failed to clean up.
      await discard(san, known)
    }
    checkSize(bytes)
    const origin = from && (await originOf(san, from, caller))
    if (origin && bytes < origin.bytes) throw invalid(`spec.bytes ${bytes} is below the ${origin.bytes} of the source`)
    await san.files.checkRoom(bytes)
    const qos = admitQos(san, spec.qos)
    const asked = { id: spec.id, owner: caller.owner, bytes, askedBytes: bytes, qos, createdAt: Date.now() }
    const record: VolumeRecord = { ...asked, state: 'creating', ...(from ? { origin: from } : {}) }
    await makeVolume(san, record, origin?.file)
    return describe(san, record)
  })
}

/** The row comes first and is the last to go, so that an interruption anywhere leaves something that names the rest. */
async function makeVolume(san: San, record: VolumeRecord, origin: string | undefined): Promise<void> {
  const { id, owner, bytes, qos } = record
  const file = san.files.volume(owner, id)
  san.objects.addVolume(record)
  try {
    if (origin === undefined) await san.files.make(file, bytes)
    else await san.files.clone(origin, file, bytes)
    await san.engine.throttles.add(id, qos.applied)
    san.objects.setVolumeState(id, 'ready')
  } catch (error) {
    await discard(san, record)
    throw error
  }
}

async function discard(san: San, record: VolumeRecord): Promise<void> {
  const { id } = record
  await san.files.remove(fileOf(san, record))
  await san.engine.throttles.remove(id).catch(() => san.engine.repair(`a throttle of volume ${id} may be left`))
  san.objects.removeVolume(id)
}

/** `volumes/get`. Waits for a call that works on it, so that its answer settles what became of that. */
export function getVolume(san: San, id: VolumeId, caller: Caller): Promise<BackendVolume | undefined> {
  return san.locks.run([fenceOf(volume(id))], caller.call, async () => {
    const known = san.objects.volume(id)
    if (!known || known.owner !== caller.owner || !(await san.files.measure(fileOf(san, known)))) return undefined
    return describe(san, known)
  })
}

/** `volumes/delete`. Snapshots and clones of it share blocks with it, not fate. */
export function deleteVolume(san: San, id: VolumeId, caller: Caller): Promise<void> {
  const object = volume(id)
  return change(san, { object, call: caller.call }, async () => {
    const known = san.objects.volume(id)
    if (known) checkOwner(object, known.owner, caller)
    checkUnexposed(san, object)
    // Also without a row: a file with our mark and this id is what an inventory would have listed as ours.
    if (known) san.objects.setVolumeState(id, 'deleting')
    if (known) await san.engine.throttles.remove(id)
    await san.files.remove(san.files.volume(caller.owner, id))
    if (known) san.objects.removeVolume(id)
  })
}

/** `resize/grow`. Initiators notice nothing but a pause, and see the new size when they ask for it. */
export function growVolume(
  san: San,
  options: { readonly id: VolumeId; readonly bytes: number; readonly caller: Caller },
): Promise<BackendVolume> {
  const { id, caller } = options
  const object = volume(id)
  return change(san, { object, call: caller.call }, async () => {
    const bytes = roundUp(options.bytes)
    const known = findVolume(san, id, caller)
    if (bytes < known.bytes) throw invalid(`bytes ${bytes} is below the volume's ${known.bytes}: volumes never shrink`)
    // A file that somebody cut is grown again.
    const measured = await san.files.measure(fileOf(san, known))
    if (bytes === known.bytes && measured && measured.bytes >= bytes) return describe(san, known)
    checkSize(bytes)
    await san.files.checkRoom(bytes)
    san.objects.setVolumeBytes(id, bytes)
    await san.files.grow(fileOf(san, known), bytes)
    const grown = { ...known, bytes }
    for (const mode of new Set(san.access.exposures(object).map((each) => each.mode))) {
      await san.engine.outlets.renew(await outletOf(san, object, mode), caller.call)
    }
    return describe(san, grown)
  })
}

/** A volume of the caller that is there. Throws `NOT_FOUND` and `DENIED`, effect `none`. */
export function findVolume(san: San, id: VolumeId, caller: Caller): VolumeRecord {
  const known = san.objects.volume(id)
  if (known?.state !== 'ready') throw missing(volume(id))
  checkOwner(volume(id), known.owner, caller)
  return known
}

/** A volume as the contract shows it. */
export async function describe(san: San, record: VolumeRecord): Promise<BackendVolume> {
  const name = fileOf(san, record)
  const usedBytes = (await san.files.measure(name))?.usedBytes ?? 0
  return { id: record.id, name, bytes: record.bytes, usedBytes, qos: record.qos }
}

/**
 * What is made of asked QoS. Throws `LIMIT`, effect `none`, for a guarantee beyond what is left of the pool: the sum of
 * guarantees never exceeds what the pool can do.
 */
export function admitQos(san: San, asked: Qos, except?: VolumeId): AppliedQos {
  const fitted = fitQos(asked)
  const min = fitted.applied.totalIops?.min ?? 0
  const given = san.engine.throttles.guaranteed(except)
  if (min === 0 || given + min <= san.iops) return fitted
  const numbers = `${min} IOPS asked, ${given} of ${san.iops} given`
  throw new PluginError('LIMIT', `the pool cannot guarantee it: ${numbers}`, 'none')
}

/** The name of a volume's file. */
export function fileOf(san: San, { owner, id }: VolumeRecord): string {
  return san.files.volume(owner, id)
}

function volume(id: VolumeId): Source {
  return { kind: 'volume', id }
}

async function originOf(
  san: San,
  from: Source,
  caller: Caller,
): Promise<{ readonly file: string; readonly bytes: number }> {
  if (from.kind === 'volume') {
    const known = findVolume(san, from.id, caller)
    if (!(await san.files.measure(fileOf(san, known)))) throw missing(from)
    return { file: fileOf(san, known), bytes: known.bytes }
  }
  const known = san.objects.snapshot(from.id)
  if (known?.state !== 'ready') throw missing(from)
  checkOwner(from, known.owner, caller)
  const file = san.files.snapshot(known.owner, known.id, known.volume)
  const measured = await san.files.measure(file)
  if (!measured) throw missing(from)
  return { file, bytes: measured.bytes }
}

function checkSame(known: VolumeRecord, bytes: number, from: Source | undefined): void {
  const other = (what: string) => new PluginError('CONFLICT', `volume ${known.id} exists with another ${what}`, 'none')
  if (bytes !== known.askedBytes && bytes !== known.bytes) throw other('size')
  if (known.origin?.kind !== from?.kind || known.origin?.id !== from?.id) throw other('source')
}

function checkSize(bytes: number): void {
  const { minVolumeBytes, maxVolumeBytes } = SAN_LIMITS
  if (bytes >= minVolumeBytes && bytes <= maxVolumeBytes) return
  throw new PluginError('LIMIT', `${bytes} bytes lie outside ${minVolumeBytes} to ${maxVolumeBytes}`, 'none')
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / SAN_LIMITS.granularityBytes) * SAN_LIMITS.granularityBytes
}
