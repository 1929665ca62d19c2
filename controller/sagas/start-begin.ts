import type { Qos, VmSpec } from '@moorage/contract'
import { asRefusalCode, Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { inService } from '../domain/pool.ts'
import { unkept } from '../domain/qos.ts'
import { VM_MACHINE } from '../domain/vm.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import type { Under } from '../jobs/saga.ts'
import { type HostCharge, hostCharge } from '../placement/charges.ts'
import type { HostLoad } from '../placement/choose-host.ts'
import type { PoolFacts } from '../placement/facts.ts'
import { attachmentsOfVm } from '../store/attachments.ts'
import { connectionsTo } from '../store/connections.ts'
import type { AttachmentRow, LocationRow, VmRow, VolumeRow } from '../store/generated/schema.ts'
import { hold } from '../store/held.ts'
import { chargeHost } from '../store/host-charges.ts'
import { locationsOf } from '../store/locations.ts'
import { pinPools } from '../store/pools.ts'
import { lastAbout } from '../store/root-disks.ts'
import type { Tx } from '../store/store.ts'
import { imageOf, lockVm, updateVm } from '../store/vms.ts'
import { chapAccountOf, lockVolumes, updateVolume } from '../store/volumes.ts'
import type { Grant } from './access.ts'
import { throttleOf } from './attaching.ts'
import { chargeOf, choose, type ChosenHost, hostRequest, lockedLoads } from './choosing.ts'
import { checkAfter } from './after.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { placeVolume, type VolumePlan } from './placing.ts'
import { volumeFromSnapshot } from './volume-from-snapshot.ts'

/** Start `vm`, on `host` when given. `after`: only if that operation went well. */
export interface VmStartInput {
  readonly vm: string
  readonly host?: string
  readonly after?: string
}

/** A disk that the machine is to have. */
export interface StartingDisk {
  readonly generation: number
  readonly deviceId: number
  readonly throttle: Qos
  readonly grant: Grant & { readonly account: string }
}

/** A machine without its disks. */
export type Machine = Pick<VmSpec, 'name' | 'cpus' | 'memoryBytes' | 'image' | 'boot'>

/** What a VM's machine is, and boots from: its root disk, else an image that its host holds, else nothing. */
export async function machineOf(tx: Tx, vm: VmRow, disks: readonly VmDisk[]): Promise<Machine> {
  const { name, cpus, memoryBytes } = vm
  if (disks.some(({ volume }) => volume.type === 'ROOT')) return { name, cpus, memoryBytes, boot: 'disk' }
  const image = await imageOf(tx, vm.templateId)
  return { name, cpus, memoryBytes, ...(image === undefined ? {} : { image }) }
}

/** What a start decided. Plain data: it stands in the journal. */
export interface Starting {
  readonly vm: string
  readonly host: string
  readonly machine: Machine
  readonly disks: readonly StartingDisk[]
  /** Volumes that live nowhere yet. */
  readonly plans: readonly VolumePlan[]
  /** Access that an earlier run of the VM left. */
  readonly stale: readonly Grant[]
}

/** What opens pools and hosts. */
export type Opening = Pick<SagaDeps, 'store' | 'plugins'>

/** Chooses a host, places what lives nowhere, and holds the VM. `null` when it runs already. */
export async function beginStart(
  deps: Opening,
  tx: Tx,
  { input, under }: { readonly input: VmStartInput; readonly under: Under },
): Promise<Starting | null> {
  const vm = await lockVm(tx, input.vm)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
  await checkAfter(tx, input.after)
  if (vm.state === 'Running') return null
  const state = next(VM_MACHINE, vm.state, { event: 'StartRequested', of: `Virtual machine ${vm.id}` })
  await hold(tx, 'vm', { id: vm.id, operation: under.operation })
  const disks = await disksOf(tx, vm)
  const locations = await locationsOf(
    tx,
    disks.map(({ volume }) => volume.id),
  )
  await checkRoot(tx, vm, { disks, locations })
  const pools = await servingPools(deps, tx, locations)
  let host = await hostFor(deps, tx, { vm, input, disks, pools })
  await updateVm(tx, vm.id, {
    state,
    hostId: host.id,
    generation: vm.generation + 1,
    parkedByPoolId: null,
    restartWanted: false,
  })
  const plans: VolumePlan[] = []
  const starting: StartingDisk[] = []
  for (const { volume, attachment } of disks) {
    const location = locations.get(volume.id)
    const plan = location ? undefined : await placeVolume(tx, deps, { volume, hosts: [host], under })
    if (plan) {
      const creating = next(VOLUME_MACHINE, volume.state, { event: 'CreateRequested', of: `Volume ${volume.id}` })
      await updateVolume(tx, volume.id, { state: creating })
      plans.push(plan)
    }
    const home = plan
      ? { pool: plan.pool, tier: plan.tier }
      : location && { pool: location.poolId, tier: location.qosTier }
    if (!home) throw new Error(`volume ${volume.id} was not placed`)
    const throttle = throttleOf(volume, home.tier)
    checkThrottle(volume, throttle, host)
    if (plan) host = await charged(tx, host, { volume: volume.id, throttle })
    const account = await chapAccountOf(tx, volume.accountId)
    const grant = { volume: volume.id, host: host.id, pool: home.pool, initiator: host.initiator, account }
    starting.push({ generation: attachment.generation, deviceId: attachment.deviceId, throttle, grant })
  }
  return {
    vm: vm.id,
    host: host.id,
    machine: await machineOf(tx, vm, disks),
    disks: starting,
    plans,
    stale: await connectionsTo(
      tx,
      disks.map(({ volume }) => volume.id),
    ),
  }
}

/** Charges the host for a disk that is new, and answers the host with what is left for the next. */
async function charged(
  tx: Tx,
  host: ChosenHost,
  disk: { readonly volume: string; readonly throttle: Qos },
): Promise<ChosenHost> {
  const charge = hostCharge(disk.throttle)
  await chargeHost(tx, disk.volume, charge)
  return withCharge(host, charge)
}

/** A volume with its attachment. */
export interface VmDisk {
  readonly volume: VolumeRow
  readonly attachment: AttachmentRow
}

/** The disks that the VM is to have. One that is to be detached is not given back to it. */
async function disksOf(tx: Tx, vm: VmRow): Promise<readonly VmDisk[]> {
  const attachments = (await attachmentsOfVm(tx, vm.id)).filter(({ desired }) => desired === 'attached')
  const volumes = await lockVolumes(
    tx,
    attachments.map(({ volumeId }) => volumeId),
  )
  return attachments.map((attachment) => {
    const volume = volumes.find(({ id }) => id === attachment.volumeId)
    if (!volume) throw new Error(`attachment names volume ${attachment.volumeId}, which does not exist`)
    if (volume.state !== 'Ready' && volume.state !== 'Allocated') {
      throw new Refusal('INVALID', `Volume ${volume.id} of virtual machine ${vm.id} is ${volume.state}`)
    }
    return { volume, attachment }
  })
}

/** Throws `Refusal`, with the reason why it was not made, when the root disk is not there. */
async function checkRoot(
  tx: Tx,
  vm: VmRow,
  { disks, locations }: { readonly disks: readonly VmDisk[]; readonly locations: ReadonlyMap<string, LocationRow> },
): Promise<void> {
  const root = disks.find(({ volume }) => volume.type === 'ROOT')?.volume
  if (!root || locations.has(root.id)) return
  const made = await lastAbout(tx, { volume: root.id, saga: volumeFromSnapshot.name })
  if (!made?.failure)
    throw new Refusal('INVALID', `The root disk of virtual machine ${vm.id} is not there: nobody has made it`)
  const { code, text, internal } = made.failure
  const more = internal === undefined ? {} : { internal }
  throw new Refusal(asRefusalCode(code), `The root disk of virtual machine ${vm.id} could not be made: ${text}`, more)
}

/** The pools where the volumes live. Throws `Refusal` `UNAVAILABLE` unless all are in service. */
export async function servingPools(
  deps: Opening,
  tx: Tx,
  locations: ReadonlyMap<string, LocationRow>,
): Promise<readonly PoolFacts[]> {
  const ids = [...new Set([...locations.values()].map(({ poolId }) => poolId))]
  const rows = await pinPools(tx, ids)
  const missing = ids.find((id) => !rows.some((row) => row.id === id && inService(row.state)))
  if (missing !== undefined) {
    throw new Refusal('UNAVAILABLE', 'The storage pool of a volume of the virtual machine is not in service', {
      internal: `pool ${missing}`,
    })
  }
  return Promise.all(rows.map((row) => poolFacts(deps, row)))
}

async function hostFor(
  deps: Opening,
  tx: Tx,
  what: {
    readonly vm: VmRow
    readonly input: VmStartInput
    readonly disks: readonly VmDisk[]
    readonly pools: readonly PoolFacts[]
  },
): Promise<ChosenHost> {
  const { vm, input, disks, pools } = what
  const charge = chargeOf(disks.map(({ attachment }) => attachment))
  const request = await hostRequest(tx, {
    vm,
    deviceIds: disks.map(({ attachment }) => attachment.deviceId),
    pools,
    charge,
  })
  const host = choose(
    { ...request, ...(input.host === undefined ? {} : { host: input.host }) },
    await lockedLoads(deps, tx, vm.zoneId),
    `There is no host on which virtual machine ${vm.id} can start`,
  )
  return withCharge(host, charge)
}

function withCharge(host: ChosenHost, { iops, rate }: HostCharge): ChosenHost {
  const { ledger } = host
  if (!ledger) return host
  return {
    ...host,
    ledger: { ...ledger, chargedIops: ledger.chargedIops + iops, chargedRate: ledger.chargedRate + rate },
  }
}

/** Throws `Refusal` `INVALID` when the host cannot keep what it is to enforce on the volume. */
export function checkThrottle(volume: VolumeRow, throttle: Qos, host: HostLoad): void {
  const faults = unkept(throttle, host.limits.qos, 'the hypervisor')
  if (faults.length > 0)
    throw new Refusal('INVALID', `The QoS of volume ${volume.id} cannot be kept: ${faults.join('; ')}`)
}
