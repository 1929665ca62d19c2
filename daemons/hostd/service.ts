import { execFile } from 'node:child_process'
import os from 'node:os'
import { promisify } from 'node:util'
import {
  type Call,
  type HostReport,
  type HypervisorInventoryItem,
  type Page,
  PluginError,
  type VmId,
} from '@moorage/contract'
import { type GuestExecResult, QmpLineError } from '@moorage/qmp'
import type { Method } from '@moorage/wire'
import {
  applyThrottle,
  attachDisk,
  detachDisk,
  readStats,
  readThrottle,
  refreshDisk,
  type VmRef,
} from './attachments.ts'
import { qmpFailure, timeLeft } from './deadline.ts'
import { type Hostd, lockOfRemains } from './hostd.ts'
import type { Machine } from './machine.ts'
import { abandonVm, arriveVm, describeVm, prepareVm, resumeVm, sendVm } from './migration.ts'
import { abandonMirror, copyMirror, switchMirror } from './mirror.ts'
import { remainsKey } from './names.ts'
import {
  bytes,
  diskSpec,
  fields,
  flag,
  generation,
  integer,
  isVmId,
  mirrorKey,
  mirrorSpec,
  qos,
  reach,
  text,
  vmId,
  vmSpec,
  volumeId,
} from './parse.ts'
import { bearsMark, type ProcessRef } from './qemu-process.ts'
import { prepareReach } from './reach.ts'
import { getVm, rebootVm, startVm, stopAll, stopVm } from './vms.ts'

/** A freeze longer than this is no freeze but an outage. */
const LONGEST_FREEZE_MS = 600_000
const LONGEST_SCRIPT_MS = 3_600_000

/** Reads the arguments of one call; every one names the installation that asks. */
function request(args: unknown): { readonly from: ReturnType<typeof fields>; readonly owner: string } {
  const from = fields(args, 'arguments')
  return { from, owner: text(from, 'owner') }
}

function vmRef(args: unknown): VmRef & { readonly from: ReturnType<typeof fields> } {
  const { from, owner } = request(args)
  return { from, owner, vm: vmId(from, 'vm') }
}

/**
 * The methods of the contract's hypervisor facets, and two of our own for the lab and for operators: `guest/exec` runs a
 * script in a guest, `host/shutdown` stops every machine of the host.
 */
export function hostdMethods(hostd: Hostd): Readonly<Record<string, Method>> {
  return {
    ...machineMethods(hostd),
    ...diskMethods(hostd),
    ...quiesceMethods(hostd),
    ...migrationMethods(hostd),
    ...mirrorMethods(hostd),
  }
}

function machineMethods(hostd: Hostd): Readonly<Record<string, Method>> {
  return {
    'hosts/report': () => report(hostd),
    'vms/start': (args: unknown, call: Call) => {
      const { from, owner } = request(args)
      return startVm(hostd, { spec: vmSpec(from['spec']), owner }, call)
    },
    'vms/get': async (args: unknown, call: Call) => {
      const { from, owner } = request(args)
      return (await getVm(hostd, { id: vmId(from, 'id'), owner }, call)) ?? null
    },
    'vms/stop': (args: unknown, call: Call) => {
      const { from, owner } = request(args)
      return stopVm(hostd, { id: vmId(from, 'id'), owner, force: flag(from, 'force') }, call)
    },
    'vms/reboot': (args: unknown, call: Call) => {
      const { from, owner } = request(args)
      return rebootVm(hostd, { id: vmId(from, 'id'), owner }, call)
    },
    'reach/prepare': async (args: unknown, call: Call) => prepareReach(reach(request(args).from['reach']), call),
    'inventory/list': (args: unknown, call: Call) => inventory(hostd, request(args).owner, call),
    'inventory/remove': (args: unknown, call: Call) => {
      const { from, owner } = request(args)
      return removeStructure(hostd, { structure: text(from, 'structure'), owner }, call)
    },
    'host/shutdown': (_args: unknown, call: Call) => stopAll(hostd, call),
  }
}

function diskMethods(hostd: Hostd): Readonly<Record<string, Method>> {
  const diskOf = (from: ReturnType<typeof fields>) => fields(from['disk'], 'disk')
  return {
    'disks/attach': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return attachDisk(hostd, { vm, owner, disk: diskSpec(from['disk']) }, call)
    },
    'disks/detach': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      const disk = diskOf(from)
      return detachDisk(
        hostd,
        { vm, owner, disk: { volume: volumeId(disk, 'volume'), generation: generation(disk) } },
        call,
      )
    },
    'resize/refresh': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      const disk = diskOf(from)
      return refreshDisk(hostd, { vm, owner, volume: volumeId(disk, 'volume'), bytes: bytes(disk, 'bytes') }, call)
    },
    'throttle/apply': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      const disk = diskOf(from)
      return applyThrottle(hostd, { vm, owner, volume: volumeId(disk, 'volume'), qos: qos(disk['qos'], 'qos') }, call)
    },
    'throttle/read': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return readThrottle(hostd, { vm, owner, volume: volumeId(from, 'volume') }, call)
    },
    'stats/read': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return readStats(hostd, { vm, owner, volume: volumeId(from, 'volume') }, call)
    },
  }
}

function quiesceMethods(hostd: Hostd): Readonly<Record<string, Method>> {
  const machineOf = ({ vm, owner }: VmRef) => {
    hostd.record(vm, owner)
    return hostd.running(vm)
  }
  const inTurn = <Result>(vm: VmId, call: Call, work: () => Promise<Result>) =>
    hostd.locks.run(`freeze ${vm}`, call, work)
  return {
    'quiesce/freeze': (args: unknown, call: Call) => {
      const ref = vmRef(args)
      const withinMs = integer(ref.from, 'withinMs', { min: 1, max: LONGEST_FREEZE_MS })
      return inTurn(ref.vm, call, () => hostd.quiescer.freeze(machineOf(ref), withinMs, call))
    },
    'quiesce/thaw': (args: unknown, call: Call) => {
      const ref = vmRef(args)
      return inTurn(ref.vm, call, () => hostd.quiescer.thaw(machineOf(ref), call))
    },
    'guest/exec': (args: unknown, call: Call) => {
      const ref = vmRef(args)
      const timeoutMs = integer(ref.from, 'timeoutMs', { min: 1, max: LONGEST_SCRIPT_MS })
      return guestExec(hostd, { machine: machineOf(ref), script: text(ref.from, 'script'), timeoutMs }, call)
    },
  }
}

function migrationMethods(hostd: Hostd): Readonly<Record<string, Method>> {
  return {
    'migration/describe': (args: unknown, call: Call) => describeVm(hostd, vmRef(args), call),
    'migration/prepare': (args: unknown, call: Call) => {
      const { from, owner } = request(args)
      return prepareVm(hostd, { spec: vmSpec(from['spec']), owner, description: from['description'] }, call)
    },
    'migration/send': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return sendVm(hostd, { vm, owner, ticket: from['ticket'] }, call)
    },
    'migration/arrive': (args: unknown, call: Call) => arriveVm(hostd, vmRef(args), call),
    'migration/abandon': (args: unknown, call: Call) => abandonVm(hostd, vmRef(args), call),
    'migration/resume': (args: unknown, call: Call) => resumeVm(hostd, vmRef(args), call),
  }
}

function mirrorMethods(hostd: Hostd): Readonly<Record<string, Method>> {
  return {
    'mirror/copy': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return copyMirror(hostd, { vm, owner, mirror: mirrorSpec(from['mirror']) }, call)
    },
    'mirror/switch': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return switchMirror(hostd, { vm, owner, mirror: mirrorKey(from['mirror']) }, call)
    },
    'mirror/abandon': (args: unknown, call: Call) => {
      const { from, vm, owner } = vmRef(args)
      return abandonMirror(hostd, { vm, owner, mirror: mirrorKey(from['mirror']) }, call)
    },
  }
}

async function guestExec(
  hostd: Hostd,
  what: { readonly machine: Machine; readonly script: string; readonly timeoutMs: number },
  call: Call,
): Promise<GuestExecResult> {
  const { machine, script, timeoutMs } = what
  if (machine.bare) throw new PluginError('UNSUPPORTED', `VM ${machine.id} has no guest`, 'none')
  return hostd.agents.use(machine, call, async (agent) => {
    try {
      return await agent.exec(script, { timeoutMs: timeLeft(call, timeoutMs) })
    } catch (error) {
      if (error instanceof QmpLineError) throw qmpFailure(error)
      throw new PluginError('UNAVAILABLE', error instanceof Error ? error.message : String(error), 'none', error)
    }
  })
}

async function report(hostd: Hostd): Promise<HostReport> {
  const { stdout } = await promisify(execFile)('qemu-system-x86_64', ['--version']).catch((error: unknown) => {
    throw new PluginError('UNAVAILABLE', 'qemu-system-x86_64 cannot be started on this host', 'none', error)
  })
  return {
    identity: hostd.identity,
    name: hostd.options.name,
    cpus: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    initiator: hostd.options.initiator,
    version: /version (\S+)/.exec(stdout)?.[1] ?? 'unknown',
  }
}

/**
 * One page with everything. A machine that does not answer fails the listing: leaving it out would read as gone. What an
 * attach or detach under way holds without a device is not listed, since it is neither left over nor to be touched.
 */
async function inventory(hostd: Hostd, owner: string, call: Call): Promise<Page<HypervisorInventoryItem>> {
  const machines = hostd.machines()
  const known = new Set<string>([...machines.map(({ id }) => id), ...hostd.locks.heldKeys()])
  const strays = [...hostd.runningQemus()].filter(([id]) => !known.has(id))
  const lists = await Promise.all(machines.map((machine) => machineItems(hostd, { machine, owner }, call)))
  return { items: [...lists.flat(), ...strays.map(([id, stray]) => strayItem({ id, stray, owner }))] }
}

/** A QEMU that this daemon has no machine of: whose mark it bears says whose it is. */
function strayItem(of: {
  readonly id: string
  readonly stray: ProcessRef & { readonly args: readonly string[] }
  readonly owner: string
}): HypervisorInventoryItem {
  const { id, stray, owner } = of
  const base = { kind: 'vm', name: `process ${stray.pid}` } as const
  if (!isVmId(id) || !bearsMark(stray.args, owner)) return { ...base, owner: 'foreign' }
  return { ...base, owner: 'ours', id, state: 'running' }
}

/** Foreign disks are only counted: a foreign machine that does not answer is no reason to fail the listing of ours. */
async function foreignDisks(machine: Machine, call: Call): Promise<readonly HypervisorInventoryItem[]> {
  try {
    const { disks, foreign } = await machine.view(timeLeft(call))
    const devices = [...disks.map(({ device }) => device), ...foreign]
    return devices.map((device) => ({ kind: 'disk', owner: 'foreign', name: `${machine.id}/${device}` }) as const)
  } catch {
    return []
  }
}

/** `inventory/remove`: nodes and secrets of an attachment that has no device. */
async function removeStructure(
  hostd: Hostd,
  what: { readonly structure: string; readonly owner: string },
  call: Call,
): Promise<void> {
  const [id = '', key = ''] = what.structure.split('/')
  const machine = isVmId(id) ? hostd.machine(id) : undefined
  if (!machine || !isVmId(id) || !hostd.record(id, what.owner)) return
  const { disks } = await machine.view(timeLeft(call))
  if (disks.some((disk) => remainsKey(disk) === key))
    throw new PluginError('IN_USE', `a disk of VM ${id} is on ${key}`, 'none')
  await hostd.closeIfLeft(machine, key)
}

async function machineItems(
  hostd: Hostd,
  what: { readonly machine: Machine; readonly owner: string },
  call: Call,
): Promise<readonly HypervisorInventoryItem[]> {
  const { machine, owner } = what
  const record = hostd.records.get(machine.id)
  const name = record?.name ?? machine.id
  if (record?.owner !== owner) return [{ kind: 'vm', owner: 'foreign', name }, ...(await foreignDisks(machine, call))]
  const view = await machine.view(timeLeft(call))
  const vm = machine.id
  const held = new Set(hostd.locks.heldKeys())
  const settled = record.phase === 'running' ? view.leftovers : []
  return [
    { kind: 'vm', owner: 'ours', name, id: vm, state: view.state },
    ...view.disks.map((disk) => {
      const { volume, generation: current, device } = disk
      return { kind: 'disk', owner: 'ours', name: device, vm, volume, generation: current } as const
    }),
    ...settled
      .filter((key) => !held.has(lockOfRemains(vm, key)))
      .map((key) => ({ kind: 'structure', owner: 'ours', name: `v-${key}`, id: `${vm}/${key}`, stale: true }) as const),
    ...view.foreign.map((device) => ({ kind: 'disk', owner: 'foreign', name: device }) as const),
  ]
}
