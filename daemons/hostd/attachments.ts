import {
  type AppliedQos,
  type BackendDisk,
  type Call,
  type DiskSpec,
  PluginError,
  type Qos,
  type VmId,
  type VolumeId,
  type VolumeStats,
} from '@moorage/contract'
import { QmpError } from '@moorage/qmp'
import { qmpFailure, timeLeft } from './deadline.ts'
import { plug, removeRemains, setThrottle, unplug } from './disks.ts'
import { diskLock, type Hostd } from './hostd.ts'
import type { Machine } from './machine.ts'
import { backendDisk, type MachineView, type PluggedDisk } from './machine-view.ts'
import { type Attachment, volumeKey } from './names.ts'
import { admitDiskCall, type VmRecord } from './records.ts'
import { appliedThrottle, throttleArguments } from './throttle.ts'

/** Virtio disks take a PCI slot each, of which the machine has 32; the plug-in declares the same. */
export const MAX_DISKS = 24

/** A VM of one installation. */
export interface VmRef {
  readonly vm: VmId
  readonly owner: string
}

/** As `DiskFacet.attach`. */
export async function attachDisk(hostd: Hostd, request: VmRef & { disk: DiskSpec }, call: Call): Promise<BackendDisk> {
  const { vm, owner, disk } = request
  return hostd.locks.run(diskLock(vm, disk.volume), call, async () => {
    const record = hostd.record(vm, owner)
    const machine = hostd.running(vm)
    if (record) admitDiskCall(record, disk, call.fence)
    const view = await machine.view(timeLeft(call))
    const present = view.disks.find((each) => each.volume === disk.volume)
    const goes = present !== undefined && machine.unplugging.has(present.device)
    if (present && (goes || present.generation !== disk.generation)) refuseSecond(present, { vm, goes })
    if (!present && view.disks.length >= MAX_DISKS) {
      throw new PluginError('LIMIT', `VM ${vm} has ${view.disks.length} disks, the most it can have`, 'none')
    }
    // On disk before QEMU is asked: after a crash, an older generation is still refused.
    await admit(hostd, { record, disk }, call)
    if (present) return backendDisk(present)
    await closeLeftovers(machine, { view, volume: disk.volume }, call)
    try {
      await plug(machine, disk, call)
    } catch (error) {
      // QEMU may still be at it: what it opens without a device after we gave up is closed when it is done.
      if (qmpFailure(error).effect === 'possible') void hostd.closeLater(machine, disk)
      throw error
    }
    return backendDisk(await plugged(machine, { volume: disk.volume, effect: 'possible' }, call))
  })
}

/** As `DiskFacet.detach`. What is there in an older generation goes too. */
export async function detachDisk(hostd: Hostd, request: VmRef & { disk: Attachment }, call: Call): Promise<void> {
  const { vm, owner, disk } = request
  await hostd.locks.run(diskLock(vm, disk.volume), call, async () => {
    const record = hostd.record(vm, owner)
    if (!record) return
    await admit(hostd, { record, disk }, call)
    const machine = hostd.machine(vm)
    if (!machine) return
    try {
      const view = await machine.view(timeLeft(call))
      const present = view.disks.find((each) => each.volume === disk.volume)
      if (present) await unplug(machine, present, call)
      await closeLeftovers(machine, { view, volume: disk.volume }, call)
    } catch (error) {
      // A machine that ended meanwhile has no disk any more.
      if (hostd.machine(vm) === machine) throw error
    }
  })
}

/** As `DiskResizeFacet.refresh`. */
export async function refreshDisk(
  hostd: Hostd,
  request: VmRef & { volume: VolumeId; bytes: number },
  call: Call,
): Promise<BackendDisk> {
  const { vm, owner, volume, bytes } = request
  return hostd.locks.run(diskLock(vm, volume), call, async () => {
    const { machine, disk } = await admitted(hostd, { vm, owner, volume }, call)
    if (bytes < disk.bytes) {
      throw new PluginError(
        'INVALID',
        `volume ${volume} has ${disk.bytes} bytes on VM ${vm}; disks do not shrink`,
        'none',
      )
    }
    try {
      const resize = { 'node-name': disk.node, size: bytes }
      if (bytes !== disk.bytes) await machine.qmp.execute('block_resize', resize, { timeoutMs: timeLeft(call) })
    } catch (error) {
      if (!(error instanceof QmpError)) throw qmpFailure(error)
      // QEMU reads the size from the array: a LUN that has not grown yet is one to ask about later.
      const code = /Cannot grow/.test(error.message) ? 'BUSY' : 'UNSUPPORTED'
      throw new PluginError(code, error.message, 'none', error)
    }
    return backendDisk(await plugged(machine, { volume, effect: 'possible' }, call))
  })
}

/** As `ThrottleFacet.apply`. */
export async function applyThrottle(
  hostd: Hostd,
  request: VmRef & { volume: VolumeId; qos: Qos },
  call: Call,
): Promise<AppliedQos> {
  const { vm, owner, volume, qos } = request
  const limits = throttleArguments(qos)
  return hostd.locks.run(diskLock(vm, volume), call, async () => {
    const { machine, disk } = await admitted(hostd, { vm, owner, volume }, call)
    await setThrottle(machine, { id: disk.throttleId, ...limits }, call)
    const after = await plugged(machine, { volume, effect: 'possible' }, call)
    return appliedThrottle(qos, after.throttle)
  })
}

/** As `ThrottleFacet.read`. */
export async function readThrottle(hostd: Hostd, request: VmRef & { volume: VolumeId }, call: Call): Promise<Qos> {
  const machine = found(hostd, request)
  return (await plugged(machine, { volume: request.volume, effect: 'none' }, call)).throttle
}

/** An entry of `query-blockstats`, as far as it is read. */
interface BlockStats {
  readonly qdev?: string
  readonly stats: {
    readonly rd_operations: number
    readonly wr_operations: number
    readonly rd_bytes: number
    readonly wr_bytes: number
  }
}

/** As `DiskStatsFacet.read`. */
export async function readStats(hostd: Hostd, request: VmRef & { volume: VolumeId }, call: Call): Promise<VolumeStats> {
  const machine = found(hostd, request)
  const { throttleId } = await plugged(machine, { volume: request.volume, effect: 'none' }, call)
  const all = await machine.qmp
    .execute<readonly BlockStats[]>('query-blockstats', undefined, { timeoutMs: timeLeft(call) })
    .catch((error: unknown) => {
      throw qmpFailure(error)
    })
  const stats = all.find((entry) => entry.qdev === throttleId)?.stats
  if (!stats) throw new PluginError('NOT_FOUND', `VM ${request.vm} keeps no counters of ${request.volume}`, 'none')
  const { rd_operations: readOps, wr_operations: writeOps, rd_bytes: readBytes, wr_bytes: writeBytes } = stats
  return { readOps, writeOps, readBytes, writeBytes, at: Date.now() }
}

function refuseSecond(present: PluggedDisk, how: { readonly vm: VmId; readonly goes: boolean }): never {
  const what = `VM ${how.vm} has volume ${present.volume} in generation ${present.generation}`
  if (how.goes) throw new PluginError('BUSY', `${what}: the guest has not let go of it yet`, 'none')
  throw new PluginError('CONFLICT', `${what}: detach it first`, 'none')
}

async function admit(
  hostd: Hostd,
  what: { readonly record: VmRecord | undefined; readonly disk: Attachment },
  call: Call,
): Promise<void> {
  const { record, disk } = what
  if (!record) return
  await hostd.records.update(record.id, (current) => admitDiskCall(current ?? record, disk, call.fence))
}

async function admitted(
  hostd: Hostd,
  request: VmRef & { volume: VolumeId },
  call: Call,
): Promise<{ readonly machine: Machine; readonly disk: PluggedDisk }> {
  const machine = found(hostd, request)
  const disk = await plugged(machine, { volume: request.volume, effect: 'none' }, call)
  await admit(hostd, { record: hostd.records.get(request.vm), disk }, call)
  return { machine, disk }
}

function found(hostd: Hostd, request: VmRef): Machine {
  hostd.record(request.vm, request.owner)
  return hostd.running(request.vm)
}

/** The disk as the machine has it. Throws `NOT_FOUND` with the given effect. */
async function plugged(
  machine: Machine,
  wanted: { readonly volume: VolumeId; readonly effect: 'none' | 'possible' },
  call: Call,
): Promise<PluggedDisk> {
  const { disks } = await machine.view(timeLeft(call))
  const disk = disks.find((each) => each.volume === wanted.volume)
  if (disk) return disk
  throw new PluginError('NOT_FOUND', `VM ${machine.id} does not have volume ${wanted.volume}`, wanted.effect)
}

/** Remains of any earlier attachment of the volume: an interrupted attach, a guest that let go late. */
async function closeLeftovers(
  machine: Machine,
  what: { readonly view: MachineView; readonly volume: VolumeId },
  call: Call,
): Promise<void> {
  const ofVolume = `${volumeKey(what.volume)}-`
  for (const key of what.view.leftovers.filter((each) => each.startsWith(ofVolume))) {
    await removeRemains(machine, key, call)
  }
}
