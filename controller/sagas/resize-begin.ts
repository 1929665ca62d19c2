import type { Qos } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { inService } from '../domain/pool.ts'
import { inParameters, readQos, type Tier, type WantedTier } from '../domain/qos.ts'
import { offeredQos, volumeQos } from '../domain/qos-terms.ts'
import { inWords, sizeOn } from '../domain/size.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import type { Under } from '../jobs/saga.ts'
import type { HostFacts, PoolFacts } from '../placement/facts.ts'
import { type HostCharge, hostCharge, poolIops } from '../placement/charges.ts'
import { explainGrowth } from '../placement/explain.ts'
import { chooseTier } from '../placement/qos-tier.ts'
import { attachmentOf } from '../store/attachments.ts'
import type { AttachmentRow, LocationRow, OfferingRow, VolumeRow } from '../store/generated/schema.ts'
import { hold } from '../store/held.ts'
import { chargeHost } from '../store/host-charges.ts'
import { hostById } from '../store/hosts.ts'
import { locationOf } from '../store/locations.ts'
import { lockPool } from '../store/pools.ts'
import { changeReservation, reservationOf, restoreReservation } from '../store/reservations.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { lockVolume, offeringById, updateVolume } from '../store/volumes.ts'
import type { SagaDeps } from './deps.ts'
import { hostFacts, poolFacts } from './facts.ts'
import { checkHostRoom, lockedCharge, throttleOf } from './attaching.ts'
import { checkLimits } from './limits.ts'
import { soldTerms } from './terms.ts'

/**
 * Change `volume`: to `bytes` (never fewer), to another offering, to another QoS vector; absent means as it is. With an
 * `offering`, `qos` absent means what the offering sells in that size; so does a new size, where the IOPS follow from it.
 */
export interface VolumeResizeInput {
  readonly volume: string
  readonly bytes?: number
  readonly offering?: string
  readonly qos?: Qos
}

/** How a volume is, and how it is to be. Bytes; `locationBytes` as on the array. */
export interface Resizing {
  readonly volume: string
  /** Absent when the volume lives nowhere yet: then only its record changes. */
  readonly pool?: string
  /** Machine that has the disk now, and its host. */
  readonly plugged?: { readonly vm: string; readonly host: string }
  readonly before: { readonly locationBytes: number; readonly arrayQos: Qos; readonly throttle: Qos }
  readonly after: {
    readonly bytes: number
    readonly locationBytes: number
    /** IOPS that the ledger charges to the pool. */
    readonly iops: number
    readonly qos: Qos
    readonly wantedTier: WantedTier
    readonly tier: Tier
    readonly arrayQos: Qos
    readonly throttle: Qos
    readonly offering: string | null
  }
}

interface Wanted {
  readonly bytes: number
  readonly qos: Qos
  readonly wantedTier: WantedTier
  readonly offering: OfferingRow | undefined
}

/**
 * Checks a change of size or QoS, and holds the volume. The ledger is charged with the larger of before and after: what
 * the change gives up may be promised to others only once it cannot be undone any more (`settleReservation`).
 */
export async function beginResize(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  tx: Tx,
  { input, under }: { readonly input: VolumeResizeInput; readonly under: Under },
): Promise<Resizing> {
  const volume = await lockVolume(tx, input.volume)
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  if (volume.state !== 'Allocated' && volume.state !== 'Ready') {
    throw new Refusal(
      'INVALID',
      `Volume ${volume.id} is in ${volume.state}, it must be in Ready or Allocated to be resized`,
    )
  }
  const wanted = await wantedOf(tx, volume, input)
  if (wanted.bytes < volume.bytes) {
    throw new Refusal('INVALID', `Shrinking is not possible: volume ${volume.id} has ${inWords(volume.bytes)}`)
  }
  await checkLimits(tx, volume.accountId, { primaryBytes: wanted.bytes - volume.bytes })
  await hold(tx, 'volume', { id: volume.id, operation: under.operation })
  const location = await locationOf(tx, volume.id)
  const common = {
    bytes: wanted.bytes,
    qos: wanted.qos,
    wantedTier: wanted.wantedTier,
    offering: wanted.offering?.id ?? null,
  }
  if (!location) {
    const none = { locationBytes: 0, arrayQos: {}, throttle: {} }
    return { volume: volume.id, before: none, after: { ...common, ...none, iops: 0, tier: 'none' } }
  }
  const state = next(VOLUME_MACHINE, volume.state, { event: 'ResizeRequested', of: `Volume ${volume.id}` })
  await updateVolume(tx, volume.id, { state })
  return { ...(await planChange(deps, tx, { volume, location, wanted })), volume: volume.id, pool: location.poolId }
}

async function charge(
  tx: Tx,
  what: { readonly volume: string; readonly pool: PoolFacts; readonly bytes: number; readonly iops: number },
): Promise<void> {
  const { volume, pool, bytes, iops } = what
  const held = await reservationOf(tx, volume)
  if (await changeReservation(tx, volume, { bytes, iops: Math.max(iops, held?.iops ?? 0), keep: true })) return
  const { tenant, operator } = explainGrowth(pool, held ?? { bytes: 0, iops: 0 }, { bytes, iops })
  throw new Refusal('NO_CAPACITY', tenant, { internal: operator })
}

/** The ledger once the change has happened: gives back what `beginResize` kept for the case that it would not. */
export async function settleReservation(tx: Tx, { volume, pool, after }: Resizing): Promise<void> {
  if (pool === undefined) return
  const fits = await changeReservation(tx, volume, { bytes: after.locationBytes, iops: after.iops })
  if (!fits) throw new Error(`the ledger refuses volume ${volume} less than it holds`)
  await chargeHost(tx, volume, hostCharge(after.throttle))
}

/** The ledger as it must be when the change did not happen: what the volume held before, in the size the array has now. */
export async function putReservationBack(tx: Tx, id: string): Promise<void> {
  const volume = await lockVolume(tx, id)
  const location = await locationOf(tx, id)
  if (!volume || !location) return
  await restoreReservation(tx, id, location.bytes)
  await chargeHost(tx, id, hostCharge(throttleOf(volume, location.qosTier)))
  await updateVolume(tx, id, { state: 'Ready' })
}

async function wantedOf(tx: Tx, volume: VolumeRow, input: VolumeResizeInput): Promise<Wanted> {
  const offering = await offeringById(tx, input.offering ?? volume.offeringId)
  const changes = input.offering !== undefined
  if (changes && (!offering || offering.removedAt || offering.kind !== 'disk')) {
    throw new Refusal('INVALID', `There is no disk offering ${input.offering}`)
  }
  const bytes = input.bytes ?? volume.bytes
  const kept = { qos: input.qos ?? readQos(volume.qosRequested), wantedTier: volume.qosTier }
  if (!offering) return { bytes, offering, ...kept }
  if (!changes) {
    const terms = offeredQos(offering)
    if (!terms.perGib || input.qos || input.bytes === undefined) return { bytes, offering, ...kept }
    return { bytes, offering, ...kept, qos: volumeQos({ ...terms, qos: kept.qos }, {}, bytes) }
  }
  const terms = await soldTerms(tx, offering)
  return { bytes, offering, qos: input.qos ?? volumeQos(terms, {}, bytes), wantedTier: terms.tier }
}

async function planChange(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  tx: Tx,
  what: { readonly volume: VolumeRow; readonly location: LocationRow; readonly wanted: Wanted },
): Promise<Pick<Resizing, 'plugged' | 'before' | 'after'>> {
  const { volume, location, wanted } = what
  const host = await hostOfDisk(deps, tx, await attachmentOf(tx, volume.id))
  // Locked, not only pinned: the charge below changes the row, and two that share it could not both.
  const row = await lockPool(tx, location.poolId)
  if (!row || !inService(row.state))
    throw new Refusal('UNAVAILABLE', `The storage pool of volume ${volume.id} is not in service`, {
      internal: `pool ${location.poolId} is ${row?.state ?? 'removed'}`,
    })
  const pool = await poolFacts(deps, row)
  const changes = wanted.offering?.id !== volume.offeringId
  const tier = checkChange({ volume: volume.id, wanted, pool, host: host?.facts, changes })
  // Never fewer than the array has: an array may round up beyond its own granularity.
  const locationBytes =
    wanted.bytes > volume.bytes ? Math.max(location.bytes, sizeOn(pool.limits, wanted.bytes)) : location.bytes
  if (locationBytes > location.bytes) checkGrowth({ volume: volume.id, bytes: locationBytes, pool, host })
  const before = throttleOf(volume, location.qosTier)
  const throttle = tier === 'hypervisor' ? wanted.qos : {}
  if (host) checkHostRoom([withoutDisk(host.facts, hostCharge(before))], throttle)
  await chargeHost(tx, volume.id, larger(hostCharge(before), hostCharge(throttle)))
  const iops = poolIops(tier, wanted.qos, pool.floorIops)
  await charge(tx, { volume: volume.id, pool, bytes: locationBytes, iops })
  const { bytes, qos, wantedTier, offering } = wanted
  return {
    ...(host ? { plugged: { vm: host.vm, host: host.facts.id } } : {}),
    before: {
      locationBytes: location.bytes,
      arrayQos: location.qosTier === 'storage' ? readQos(volume.qosRequested) : {},
      throttle: before,
    },
    after: {
      bytes,
      locationBytes,
      iops,
      qos,
      wantedTier,
      tier,
      arrayQos: tier === 'storage' ? qos : {},
      throttle,
      offering: offering?.id ?? null,
    },
  }
}

/** The host as if it did not have the disk: the disk may use its own share again. */
function withoutDisk(host: HostFacts, { iops, rate }: HostCharge): HostFacts {
  const { ledger } = host
  if (!ledger) return host
  return {
    ...host,
    ledger: { ...ledger, chargedIops: ledger.chargedIops - iops, chargedRate: ledger.chargedRate - rate },
  }
}

function larger(one: HostCharge, other: HostCharge): HostCharge {
  return { iops: Math.max(one.iops, other.iops), rate: Math.max(one.rate, other.rate) }
}

/** The host whose machine has a disk. `canRefresh`: it can tell the machine of a new size. */
export interface DiskHost {
  readonly vm: string
  readonly facts: HostFacts
  readonly canRefresh: boolean
}

/** The host whose machine has the disk; none while the VM does not run. */
export async function hostOfDisk(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  tx: Tx,
  attachment: AttachmentRow | undefined,
): Promise<DiskHost | undefined> {
  const vm = attachment && (await lockVm(tx, attachment.vmId))
  if (!vm || vm.state !== 'Running' || vm.hostId === null) return undefined
  const row = await hostById(tx, vm.hostId)
  if (!row) throw new Refusal('UNAVAILABLE', `The host of virtual machine ${vm.id} is not available`)
  const charged = await lockedCharge(tx, row)
  const facts = await hostFacts(deps, row, charged ? { charged } : {})
  return { vm: vm.id, facts, canRefresh: facts.can.has('resize') }
}

function checkChange(what: {
  readonly volume: string
  readonly wanted: Wanted
  readonly pool: PoolFacts
  readonly host: HostFacts | undefined
  /** Whether the offering changes: what lives in a pool stays there when tags change later. */
  readonly changes: boolean
}): Tier {
  const { volume, wanted, pool, host, changes } = what
  const missing = (changes ? (wanted.offering?.tags ?? []) : []).filter((tag) => !pool.tags.includes(tag))
  if (missing.length > 0) {
    throw new Refusal(
      'INVALID',
      `The storage pool of volume ${volume} does not carry the tags of the disk offering: ${missing.join(', ')}. The volume stays in its pool: choose an offering that the pool can keep`,
    )
  }
  const choice = chooseTier(wanted, pool, host ? [host] : [])
  if ('refused' in choice)
    throw new Refusal('INVALID', `The QoS asked for volume ${volume} cannot be kept: ${inParameters(choice.refused)}`)
  return choice.tier
}

function checkGrowth(what: {
  readonly volume: string
  readonly bytes: number
  readonly pool: PoolFacts
  readonly host: DiskHost | undefined
}): void {
  const { volume, bytes, pool, host } = what
  if (!pool.can.has('resize')) throw new Refusal('INVALID', `The storage of volume ${volume} cannot grow volumes`)
  if (bytes > pool.limits.maxVolumeBytes) {
    throw new Refusal(
      'INVALID',
      `${inWords(bytes)} is above the limit of the storage of volume ${volume}, which is ${inWords(pool.limits.maxVolumeBytes)}`,
    )
  }
  if (host && !host.canRefresh) {
    throw new Refusal(
      'INVALID',
      `The hypervisor cannot show a grown volume to a running virtual machine: stop ${host.vm} first`,
    )
  }
}
