import { Refusal } from '../domain/failures.ts'
import { asksNothing, guaranteedIops } from '../domain/qos.ts'
import { plugged, updateAttachment } from '../store/attachments.ts'
import { connectionGiven, deleteConnection } from '../store/connections.ts'
import { recordEvent } from '../store/events.ts'
import { findingRecycled, updateFinding } from '../store/findings.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { jsonb } from '../store/json.ts'
import { insertLocation, locationOf, updateLocation } from '../store/locations.ts'
import { poolById } from '../store/pools.ts'
import { changeReservation, reserve, reservationOf } from '../store/reservations.ts'
import {
  archiveCopyOf,
  insertCopy,
  insertSnapshot,
  snapshotById,
  updateCopiesIn,
  updateSnapshot,
} from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, vmLeftHost } from '../store/vms.ts'
import { insertVolume, lockVolume, observeQos, updateVolume } from '../store/volumes.ts'
import type { Begun, CensusResolveInput } from './census-begin.ts'
import type { Doing, Done } from './census-act.ts'
import { accessIn, diskIn } from './census-look.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { checkLimits } from './limits.ts'
import { forgetGrants, recordStopped } from './stopping.ts'
import { forgetBytes } from './volume-delete.ts'

type What = Doing & { readonly done: Done }

/** Records what was done, and that the finding is settled. A refusal from here leaves everything as it was recorded. */
export async function settleResolve(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  tx: Tx,
  { input, what }: { readonly input: CensusResolveInput; readonly what: What },
): Promise<object> {
  const { action } = what.begun
  if (action === 'recycle') {
    await findingRecycled(tx, input.finding)
    return {}
  }
  if (action === 'adopt') await adopt(deps, tx, { input, what })
  else await repaired(tx, what)
  const resolution = action === 'adopt' ? 'adopted' : 'repaired'
  await updateFinding(tx, input.finding, { state: 'gone', resolution, recycledAt: null, reason: null })
  return {}
}

async function adopt(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  tx: Tx,
  { input, what }: { readonly input: CensusResolveInput; readonly what: What },
): Promise<void> {
  const { place, object } = what.begun.finding
  const [kind, id = ''] = object.split(':')
  const pool = await poolById(tx, place.id)
  if (!pool || input.account === undefined) throw new Refusal('INVALID', 'The storage pool is not registered any more')
  const owner = { accountId: input.account, zoneId: pool.zoneId, name: input.name ?? id }
  if (kind === 'volume') {
    const { maxVolumes } = (await poolFacts(deps, pool)).limits
    await adoptVolume(tx, { id, pool: pool.id, maxVolumes, ...owner }, what)
  }
  if (kind === 'snapshot') await adoptSnapshot(tx, { id, pool: pool.id, ...owner }, what)
}

interface Owned {
  readonly id: string
  readonly pool: string
  readonly accountId: string
  readonly zoneId: string
  readonly name: string
}

async function adoptVolume(
  tx: Tx,
  { id, pool, maxVolumes, ...owner }: Owned & { readonly maxVolumes: number | undefined },
  { seen, done }: What,
): Promise<void> {
  const bytes = done.bytes ?? seen.bytes
  const known = await lockVolume(tx, id)
  if (known) {
    const why = known.removedAt ? 'was deleted: it can be recycled' : `is in state ${known.state}`
    throw new Refusal('INVALID', `Volume ${id} ${why}`)
  }
  await checkLimits(tx, owner.accountId, { volumes: 1, primaryBytes: bytes })
  // What the array enforces already is what the volume has from now on.
  const qos = done.applied ?? {}
  const tier = asksNothing(qos) ? 'none' : 'storage'
  await insertVolume(tx, {
    id,
    ...owner,
    type: 'DATADISK',
    bytes,
    qosTier: tier,
    qosRequested: jsonb(qos),
    ...(tier === 'none' ? {} : { qosApplied: jsonb(qos) }),
    state: 'Ready',
    // Hosts refuse generations below those of a life that no record tells of: seconds since 1970 are above them all.
    generation: Math.floor(Date.now() / 1000),
  })
  if (!(await reserve(tx, { volume: id, pool, bytes, iops: guaranteedIops(qos), maxVolumes })))
    throw new Refusal(
      'NO_CAPACITY',
      `The storage pool has no room left to reserve ${bytes} bytes and a place among its volumes for the volume`,
    )
  await insertLocation(tx, { volumeId: id, poolId: pool, state: 'present', name: seen.name, bytes, qosTier: tier })
}

async function adoptSnapshot(tx: Tx, { id, pool, ...owner }: Owned, { seen, done }: What): Promise<void> {
  if (await snapshotById(tx, id)) throw new Refusal('INVALID', `Snapshot ${id} was deleted: it can be recycled`)
  const volume = await lockVolume(tx, seen.volume)
  const location = await locationOf(tx, seen.volume)
  if (!volume || location?.poolId !== pool)
    throw new Refusal(
      'INVALID',
      `The snapshot is of volume ${seen.volume}, which does not live in that pool: adopt that first`,
    )
  if (volume.accountId !== owner.accountId)
    throw new Refusal('INVALID', `Invalid parameter account: volume ${volume.id} of the snapshot is of another`)
  const bytes = done.bytes ?? seen.bytes
  await checkLimits(tx, owner.accountId, { snapshots: 1 })
  const takenAt = new Date(seen.createdAt)
  await insertSnapshot(tx, { id, ...owner, volumeId: volume.id, state: 'BackedUp', bytes, takenAt })
  await insertCopy(tx, { id, snapshotId: id, kind: 'array', poolId: pool, name: seen.name, bytes, state: 'present' })
}

async function repaired(tx: Tx, what: What): Promise<void> {
  const { begun, seen, done } = what
  const { finding, volume } = begun
  const id = finding.object.split(':')[1] ?? ''
  switch (finding.class) {
    case 'ghost-volume':
      return volumeLost(tx, id, begun)
    case 'ghost-snapshot':
      return snapshotLost(tx, id)
    case 'ghost-vm':
      return machineLost(tx, id, begun)
    case 'ghost-exposure':
    case 'drifted-access': {
      const { source, host } = accessIn(finding.object)
      return connectionGiven(tx, { volume: source.id, host }, done.sealed ?? '')
    }
    case 'stale-exposure': {
      const { source, host } = accessIn(finding.object)
      return deleteConnection(tx, { volume: source.id, host, pool: finding.place.id })
    }
    case 'ghost-disk':
      return plugged(tx, diskIn(finding.object).volume, done.device ?? '')
    case 'drifted-disk':
      return diskFollows(tx, begun, seen.generation)
    case 'drifted-size':
      return volume ? sizeFollows(tx, volume.id, done.bytes ?? seen.bytes) : undefined
    case 'drifted-qos':
      if (!volume) return undefined
      await updateVolume(tx, volume.id, { qosApplied: jsonb(done.applied) })
      return observeQos(tx, volume.id, done.observed ?? {})
    default:
      return undefined
  }
}

/** The bytes are gone: what was held for them is free, and whoever owned them is told. */
async function volumeLost(tx: Tx, id: string, { attachment }: Begun): Promise<void> {
  if (attachment)
    throw new Refusal('INVALID', `Volume ${id} is attached to virtual machine ${attachment.vm}: detach it first`)
  const row = await lockVolume(tx, id)
  if (!row) throw new Refusal('NOT_FOUND', `There is no volume ${id}`)
  await forgetBytes(tx, id)
  await updateVolume(tx, id, { state: stateOfLost(row) })
  await recordEvent(tx, {
    type: 'VOLUME.LOST',
    level: 'ERROR',
    state: 'Completed',
    description: `The storage of volume ${row.name} is lost: its data is not on the storage system any more`,
    account: row.accountId,
    resource: { kind: 'Volume', id },
  })
}

/** The machine is gone, and what access it had is withdrawn: the VM is stopped. */
async function machineLost(tx: Tx, id: string, { abroad }: Begun): Promise<void> {
  if (!abroad) throw new Refusal('NOT_FOUND', `There is no virtual machine ${id}`)
  await recordStopped(tx, abroad)
  await forgetGrants(tx, abroad.grants)
  await vmLeftHost(tx, id, 'Stopped')
  const row = await lockVm(tx, id)
  await recordEvent(tx, {
    type: 'VM.STOP',
    level: 'WARN',
    state: 'Completed',
    description: `Virtual machine ${row?.displayName ?? id} was found stopped`,
    ...(row ? { account: row.accountId } : {}),
    resource: { kind: 'UserVm', id },
  })
}

/** Of one that was being deleted, what was wanted has come about; one that was destroyed has nothing left to recover. */
function stateOfLost({ state, removedAt }: Pick<VolumeRow, 'state' | 'removedAt'>): string {
  if (removedAt) return state
  return state === 'Destroy' || state === 'Expunging' ? 'Expunging' : 'Error'
}

async function snapshotLost(tx: Tx, id: string): Promise<void> {
  const row = await snapshotById(tx, id)
  if (!row) throw new Refusal('NOT_FOUND', `There is no snapshot ${id}`)
  await updateCopiesIn(tx, { snapshot: id, kind: 'array' }, { state: 'gone' })
  // What is archived is not lost with its array.
  const archived = (await archiveCopyOf(tx, id)) !== undefined
  if (!archived) await updateSnapshot(tx, id, { state: row.removedAt ? row.state : 'Error' })
  await recordEvent(tx, {
    type: 'SNAPSHOT.LOST',
    level: 'ERROR',
    state: 'Completed',
    description: archived
      ? `Snapshot ${row.name} is not on the storage system any more: it is left in secondary storage`
      : `Snapshot ${row.name} is lost: it is not on the storage system any more`,
    account: row.accountId,
    resource: { kind: 'Snapshot', id },
  })
}

/** The array's size is the larger one by now: record and reservation follow it. */
async function sizeFollows(tx: Tx, id: string, bytes: number): Promise<void> {
  const held = await reservationOf(tx, id)
  if (held && !(await changeReservation(tx, id, { bytes, iops: held.iops })))
    throw new Refusal('NO_CAPACITY', `The storage pool has no room left to reserve ${bytes} bytes for the volume`)
  await updateLocation(tx, id, { bytes })
  await updateVolume(tx, id, { bytes })
}

async function diskFollows(tx: Tx, { finding, attachment }: Begun, generation: number): Promise<void> {
  const { volume } = diskIn(finding.object)
  if (!attachment || generation < attachment.generation)
    throw new Refusal(
      'INVALID',
      'The machine has an older generation of the disk than is recorded: detach the volume, and attach it',
    )
  const row = await lockVolume(tx, volume)
  await updateVolume(tx, volume, { generation: Math.max(row?.generation ?? 0, generation) })
  await updateAttachment(tx, volume, { generation, actual: 'attached' })
}
