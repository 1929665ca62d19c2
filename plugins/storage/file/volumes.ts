import { stat } from 'node:fs/promises'
import type { BackendVolume, Call, Source, StorageLimits, VolumeId, VolumeSpec } from '@moorage/contract'
import { refuse } from '@moorage/files'
import { appear, reflink, remove } from './durable.ts'
import { missing } from './failures.ts'
import { type Preallocation, PREALLOCATIONS, raw } from './format.ts'
import { type ObjectRecord, writeRecord } from './objects.ts'
import { change, checkNobodyElses, checkRoom, fileOf, look, nameOf, type Pool, recordOf } from './pool.ts'

const MEBIBYTE = 1024 * 1024

/** Limits of every pool. ext4 ends a file at 16 TiB less one block, so this is the largest that every one can keep. */
export const LIMITS = {
  minVolumeBytes: MEBIBYTE,
  maxVolumeBytes: 8 * MEBIBYTE * MEBIBYTE,
  granularityBytes: MEBIBYTE,
  cloneDependsOnParent: false,
} as const satisfies StorageLimits

/** `volumes.create`, and `clones.clone` when there is a source. */
export function createVolume(
  pool: Pool,
  spec: VolumeSpec,
  options: { readonly from?: Source; readonly call: Call },
): Promise<BackendVolume> {
  const { from, call } = options
  const object = volume(spec.id)
  return change(pool, { object, others: from ? [from] : [], call }, async (record, began) => {
    const askedBytes = roundUp(spec.bytes)
    const there = await describe(pool, spec.id)
    if (there) {
      checkSame(record, { there, askedBytes, from })
      return there
    }
    checkSize(askedBytes)
    if (Object.keys(spec.qos).length > 0) throw refuse('UNSUPPORTED', 'a directory keeps no QoS')
    const preallocation = preallocationOf(spec)
    if (from) await checkSource(pool, from, askedBytes)
    await checkNobodyElses(pool, object)
    await checkRoom(pool, askedBytes)
    began()
    const origin = from ? { origin: from } : {}
    await writeRecord(recordOf(pool, object), {
      fence: record.fence,
      accesses: {},
      askedBytes,
      createdAt: Date.now(),
      ...(preallocation === 'full' ? { preallocation } : {}),
      ...origin,
    })
    await appear(fileOf(pool, object), async (draft) => {
      const making = { bytes: askedBytes, preallocation, call }
      if (!from) return pool.format.make(draft, making)
      await reflink(fileOf(pool, from), draft)
      return raw.grow(draft, making)
    })
    return found(pool, spec.id)
  })
}

/** `volumes.get`. */
export function getVolume(pool: Pool, id: VolumeId, call: Call): Promise<BackendVolume | undefined> {
  return look(pool, { object: volume(id), call }, () => describe(pool, id))
}

/** `volumes.delete`. What was cloned or snapshot from it shares blocks with it, not fate. */
export function deleteVolume(pool: Pool, id: VolumeId, call: Call): Promise<void> {
  const object = volume(id)
  return change(pool, { object, call }, async (record, began) => {
    checkUnexposed(record, object)
    began()
    await remove(fileOf(pool, object))
    // The fence outlives it; what else was remembered is of a volume that is gone.
    if (record.askedBytes !== undefined) {
      await writeRecord(recordOf(pool, object), { fence: record.fence, accesses: {} })
    }
  })
}

/** `resize.grow`. A raw file grows under its users; an image of QEMU's is QEMU's own while a machine has it open. */
export function growVolume(
  pool: Pool,
  wanted: { readonly id: VolumeId; readonly bytes: number },
  call: Call,
): Promise<BackendVolume> {
  const object = volume(wanted.id)
  return change(pool, { object, call }, async (record, began) => {
    const bytes = roundUp(wanted.bytes)
    const now = await found(pool, wanted.id)
    if (bytes < now.bytes) throw refuse('INVALID', `bytes ${bytes} is below ${now.bytes}: volumes never shrink`)
    if (bytes === now.bytes) return now
    checkSize(bytes)
    await checkRoom(pool, bytes)
    if (pool.format !== raw) checkUnexposed(record, object)
    began()
    await pool.format.grow(fileOf(pool, object), { bytes, preallocation: record.preallocation ?? 'none', call })
    return found(pool, wanted.id)
  })
}

/** Throws `IN_USE`, effect `none`, while somebody may have it open. */
export function checkUnexposed(record: ObjectRecord, { kind, id }: Source): void {
  const users = Object.keys(record.accesses)
  if (users.length > 0) throw refuse('IN_USE', `${kind} ${id} is exposed to ${users.join(', ')}`)
}

/** The volume as it is. Throws `NOT_FOUND`, effect `none`. */
export async function found(pool: Pool, id: VolumeId): Promise<BackendVolume> {
  const there = await describe(pool, id)
  if (there) return there
  throw missing(volume(id))
}

async function describe(pool: Pool, id: VolumeId): Promise<BackendVolume | undefined> {
  const path = fileOf(pool, volume(id))
  const bytes = await pool.format.bytesOf(path)
  if (bytes === undefined) return undefined
  return { id, name: nameOf(pool, volume(id)), bytes, usedBytes: (await stat(path)).blocks * 512 }
}

async function checkSource(pool: Pool, from: Source, bytes: number): Promise<void> {
  const size = await pool.format.bytesOf(fileOf(pool, from))
  if (size === undefined) throw missing(from)
  if (bytes < size) throw refuse('INVALID', `spec.bytes ${bytes} is below the ${size} of the source`)
}

function checkSame(
  record: ObjectRecord,
  asked: { readonly there: BackendVolume; readonly askedBytes: number; readonly from: Source | undefined },
): void {
  const { there, askedBytes, from } = asked
  const other = (what: string) => refuse('CONFLICT', `volume ${there.id} exists with another ${what}`)
  if (askedBytes !== record.askedBytes && askedBytes !== there.bytes) throw other('size')
  if (record.origin?.kind !== from?.kind || record.origin?.id !== from?.id) throw other('source')
}

function preallocationOf({ settings }: VolumeSpec): Preallocation {
  const { preallocation = 'none' } = settings
  const known = PREALLOCATIONS.find((name) => name === preallocation)
  if (known === undefined) throw refuse('INVALID', `preallocation: must be one of ${PREALLOCATIONS.join(', ')}`)
  return known
}

function checkSize(bytes: number): void {
  const { minVolumeBytes, maxVolumeBytes } = LIMITS
  if (bytes >= minVolumeBytes && bytes <= maxVolumeBytes) return
  throw refuse('LIMIT', `${bytes} bytes lie outside ${minVolumeBytes} to ${maxVolumeBytes}`)
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / LIMITS.granularityBytes) * LIMITS.granularityBytes
}

function volume(id: VolumeId): Source {
  return { kind: 'volume', id }
}
