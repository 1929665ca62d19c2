import type { Qos } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { inService } from '../domain/pool.ts'
import { readQos, type Tier, unkept } from '../domain/qos.ts'
import { diskSlots, nextDeviceId, ROOT_DEVICE } from '../domain/volume.ts'
import { hostCharge } from '../placement/charges.ts'
import type { HostFacts } from '../placement/facts.ts'
import { reaches, speaks } from '../placement/filters.ts'
import { hostRoom } from '../placement/host-room.ts'
import { obstacle } from '../placement/wording.ts'
import { type AttachGround, attachmentsOfVm } from '../store/attachments.ts'
import type { HostRow, LocationRow, VmRow, VolumeRow } from '../store/generated/schema.ts'
import { type Charged, chargesOfHosts } from '../store/host-charges.ts'
import { hostById, lockHost } from '../store/hosts.ts'
import { locationsOf } from '../store/locations.ts'
import { cutOffPools, hostsWithWays, type Ways } from '../store/pool-reach.ts'
import { pinPools } from '../store/pools.ts'
import type { Tx } from '../store/store.ts'
import type { SagaDeps } from './deps.ts'
import { hostFacts, poolFacts } from './facts.ts'

type Opening = Pick<SagaDeps, 'store' | 'plugins'>

/** A host with the name under which it logs in. */
export interface Reader {
  readonly facts: HostFacts
  readonly initiator: string
}

/** Volume and VM, rows locked, with what is recorded of both. */
export type Ground = AttachGround & { readonly volume: VolumeRow; readonly vm: VmRow }

/** Throws `Refusal` `INVALID` when the volume cannot be given to the VM, whatever the storage. */
export function checkAttachable({ volume, vm, attachment }: Ground): void {
  if (volume.state !== 'Allocated' && volume.state !== 'Ready') {
    throw new Refusal(
      'INVALID',
      `Volume state must be in Allocated or Ready state, volume ${volume.id} is in ${volume.state}`,
    )
  }
  if (vm.state !== 'Running' && vm.state !== 'Stopped') {
    throw new Refusal('INVALID', `Please specify a VM that is either running or stopped, VM ${vm.id} is ${vm.state}`)
  }
  if (vm.zoneId !== volume.zoneId) {
    throw new Refusal('INVALID', `Volume ${volume.id} and virtual machine ${vm.id} are in different zones`)
  }
  if (attachment) {
    throw new Refusal('INVALID', `Volume ${volume.id} is already attached to the virtual machine ${attachment.vmId}`)
  }
}

/** The device id for one more data disk: the one asked for when it is free, else the lowest free one. */
export function deviceIdFor({ vm, disks }: Ground, asked: number | undefined): number {
  const taken = new Set(disks.map(({ deviceId }) => deviceId))
  if (asked === undefined) return nextDeviceId(taken)
  if (asked === ROOT_DEVICE) throw new Refusal('INVALID', `deviceId ${ROOT_DEVICE} is kept for the root disk`)
  if (taken.has(asked)) throw new Refusal('INVALID', `deviceId ${asked} is used by VM ${vm.id}`)
  return asked
}

/**
 * The host that a running VM is on, where it may have to throttle the volume with what it has promised. Throws `Refusal`
 * `UNAVAILABLE` when it is registered no more.
 */
export async function hostOf(
  deps: Opening,
  tx: Tx,
  { vm, volume, ways }: Pick<Ground, 'vm' | 'volume' | 'ways'>,
): Promise<Reader> {
  const row = ways.hosts.find(({ id }) => id === vm.hostId)
  if (!row) throw new Refusal('UNAVAILABLE', `The host of virtual machine ${vm.id} is not available`)
  const cutOff = ways.cutOff.get(row.id)
  const throttles = volume.qosTier === 'hypervisor' || volume.qosTier === 'any'
  const charged = throttles ? await lockedCharge(tx, row) : undefined
  return { facts: await hostFacts(deps, row, { cutOff, ...(charged ? { charged } : {}) }), initiator: row.initiator }
}

/** The host that a running VM is on, with what it has promised, and without a lock: for a dry run. */
export async function runningHost(deps: Opening, tx: Tx, vm: VmRow): Promise<HostFacts | undefined> {
  const row = vm.hostId === null ? undefined : await hostById(tx, vm.hostId)
  if (!row) return undefined
  const charged = (await chargesOfHosts(tx, [row.id])).get(row.id) ?? { iops: 0, rate: 0 }
  return hostFacts(deps, row, { cutOff: (await cutOffPools(tx, [row.id])).get(row.id), charged })
}

/** What a host with a cap has promised, its row locked, so that of two the later one sees the earlier; nothing without one. */
export async function lockedCharge(tx: Tx, row: HostRow): Promise<Charged | undefined> {
  if (row.capacityIops === null && row.capacityRate === null) return undefined
  await lockHost(tx, row.id)
  return (await chargesOfHosts(tx, [row.id])).get(row.id) ?? { iops: 0, rate: 0 }
}

/** Throws `Refusal` `NO_CAPACITY` when none of the hosts has room for what it would have to throttle. */
export function checkHostRoom(hosts: readonly HostFacts[], throttle: Qos): void {
  const rooms = hosts.map(({ ledger }) => hostRoom(ledger, hostCharge(throttle)))
  const [short] = rooms
  if (!short || rooms.some(({ passed }) => passed)) return
  const told = obstacle('host', [{ filter: 'host', passed: false, text: short.text, ...short.numbers }])
  throw new Refusal('NO_CAPACITY', `${told.charAt(0).toUpperCase()}${told.slice(1)}`, { internal: short.text })
}

/** Hosts on which a stopped VM could start, as far as its volumes, which live in `pools`, decide. `ways` absent: they are read. */
export async function possibleHosts(
  deps: Opening,
  tx: Tx,
  what: { readonly vm: VmRow; readonly pools: readonly string[]; readonly ways?: Ways },
): Promise<readonly HostFacts[]> {
  const { vm, pools: ids } = what
  const rows = await pinPools(tx, ids)
  const pools = await Promise.all(rows.map((row) => poolFacts(deps, row)))
  const { hosts, cutOff } = what.ways ?? (await hostsWithWays(tx, vm.zoneId))
  const fitting = hosts.filter(({ hypervisor }) => hypervisor.toLowerCase() === vm.hypervisor.toLowerCase())
  const facts = await Promise.all(fitting.map((row) => hostFacts(deps, row, { cutOff: cutOff.get(row.id) })))
  return facts.filter((host) => pools.every((pool) => reaches(host, pool) && speaks(host, pool)))
}

/** Pools in which the disks of a VM live. */
export async function poolsOfVm(tx: Tx, vm: string): Promise<readonly string[]> {
  const attachments = await attachmentsOfVm(tx, vm)
  const locations = await locationsOf(
    tx,
    attachments.map(({ volumeId }) => volumeId),
  )
  return [...new Set([...locations.values()].map(({ poolId }) => poolId))]
}

/** Throws `Refusal` `INVALID` when no host takes one more disk than the VM has, or one with that device id. */
export function checkDiskLimit(
  { vm, disks: attached }: Ground,
  { hosts, deviceId }: { readonly hosts: readonly HostFacts[]; readonly deviceId: number },
): void {
  if (hosts.length === 0) return
  const disks = diskSlots(
    vm,
    attached.map((each) => each.deviceId),
  )
  const limit = Math.max(...hosts.map(({ limits }) => limits.maxDisksPerVm))
  if (disks + 1 > limit) {
    throw new Refusal('INVALID', `Virtual machine ${vm.id} has ${disks} disks, its hypervisor takes ${limit}`)
  }
  // As in CloudStack the highest id is the number of disks: one id, the CD drive's, is never a disk's.
  if (deviceId > limit)
    throw new Refusal('INVALID', `deviceId ${deviceId} is above ${limit}, the highest of a VM there`)
}

/**
 * Checks that one of the hosts reaches the pool where a volume lives, speaks its protocol and can throttle it where that is
 * the hypervisor's to do. Throws `Refusal` that says what is in the way, and when the pool is out of service.
 */
export async function checkReachable(
  deps: Opening,
  tx: Tx,
  what: { readonly volume: VolumeRow; readonly location: LocationRow; readonly hosts: readonly HostFacts[] },
): Promise<void> {
  const { volume, location, hosts } = what
  const [row] = await pinPools(tx, [location.poolId])
  if (location.state !== 'present') throw new Refusal('INVALID', `Volume ${volume.id} is being deleted`)
  if (!row || !inService(row.state)) {
    throw new Refusal('UNAVAILABLE', `The storage pool of volume ${volume.id} is not in service`, {
      internal: `pool ${location.poolId} is ${row?.state ?? 'removed'}`,
    })
  }
  const pool = await poolFacts(deps, row)
  const near = hosts.filter((host) => reaches(host, pool))
  if (near.length === 0)
    throw new Refusal('INVALID', `The storage pool of volume ${volume.id} is out of reach of the virtual machine`)
  if (!near.some((host) => speaks(host, pool))) {
    throw new Refusal(
      'INVALID',
      `The hypervisor does not speak the protocol of the storage pool of volume ${volume.id}`,
      {
        internal: `pool ${pool.name} offers ${pool.protocols.join(', ')}`,
      },
    )
  }
  if (location.qosTier !== 'hypervisor') return
  const faults = near.map((host) => unkept(readQos(volume.qosRequested), host.limits.qos, 'the hypervisor'))
  if (faults.every((reasons) => reasons.length > 0)) {
    throw new Refusal('INVALID', `The QoS of volume ${volume.id} cannot be kept: ${faults[0]?.join('; ')}`)
  }
}

/** What the hypervisor is to enforce on a disk: the volume's vector where that is its tier, else nothing. */
export function throttleOf(volume: Pick<VolumeRow, 'qosRequested'>, tier: Tier): Qos {
  return tier === 'hypervisor' ? readQos(volume.qosRequested) : {}
}
