import { constants } from 'node:fs'
import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type BackendVm, type Call, type DiskSpec, PluginError, type VmId, type VmSpec } from '@moorage/contract'
import { type GuestAgent, QmpLineError } from '@moorage/qmp'
import { giveUpAt, qmpFailure, timeLeft } from './deadline.ts'
import { plug } from './disks.ts'
import type { Hostd } from './hostd.ts'
import type { Machine } from './machine.ts'
import { backendVm } from './machine-view.ts'
import {
  bearsMark,
  kill,
  lastWords,
  machineFiles,
  type MachineFiles,
  type MachineShape,
  type ProcessRef,
  isAlive,
  qemuArguments,
  startQemu,
  waitForExit,
} from './qemu-process.ts'
import { admitDiskCall, admitMachineCall, type VmRecord } from './records.ts'

/** QEMU closes its disks within this after `quit`, unless one of them hangs. */
const QUIT_MS = 1500
/** The socket of a QEMU that was just started. */
const LAUNCH_MS = 10_000
/** How long to wait for that socket before looking whether QEMU still lives. */
const FIRST_LOOK_MS = 500
/** An agent that runs answers a greeting within this. */
const ASK_GUEST_MS = 3000

/** As `VmFacet.start`. Disks are plugged before the processor starts; what cannot be opened ends the start, and QEMU. */
export async function startVm(hostd: Hostd, request: { spec: VmSpec; owner: string }, call: Call): Promise<BackendVm> {
  const { spec, owner } = request
  return hostd.locks.run(spec.id, call, async () => {
    const before = hostd.record(spec.id, owner)
    if (before) admitMachineCall(before, call.fence)
    const machine = hostd.machine(spec.id)
    if (machine && before?.phase === 'arriving')
      throw new PluginError('CONFLICT', `VM ${spec.id} is on its way to this host`, 'none')
    if (machine && before?.phase === 'running') {
      refuseOtherShape(before, spec)
      await hostd.records.update(spec.id, (record) => admitMachineCall(record ?? before, call.fence))
      return backendVm(spec.id, await machine.view(timeLeft(call)))
    }
    const shape = await shapeOf(hostd, spec)
    await hostd.records.update(spec.id, (record) => startingRecord(record, request, call))
    return launch(hostd, { spec, shape }, call)
  })
}

/** As `VmFacet.stop`. */
export async function stopVm(
  hostd: Hostd,
  request: { id: VmId; owner: string; force: boolean },
  call: Call,
): Promise<void> {
  const { id, owner, force } = request
  await hostd.locks.run(id, call, async () => {
    // What never ran here is remembered too: the start that this stop undoes may still be on its way.
    const record = hostd.record(id, owner) ?? neverRan(id, owner)
    const stray = strayOf(hostd, { id, owner })
    await hostd.records.update(id, (current) => admitMachineCall(current ?? record, call.fence))
    const machine = hostd.machine(id)
    if (machine && !force && !machine.bare) await askGuestToStop(hostd, machine, call)
    // From here on a QEMU that is found is one to end.
    await hostd.records.update(id, (current) => resting(current ?? record))
    if (machine) await end(hostd, machine)
    if (stray && !(await kill(stray)))
      throw new PluginError('BUSY', `process ${stray.pid} of VM ${id} cannot be ended`, 'none')
    await hostd.quiescer.forget(id)
  })
}

/**
 * A QEMU that this daemon has no machine of: its record was lost, or somebody started it by hand. Throws `DENIED`, effect
 * `none`, when it does not bear the mark of whoever asks.
 */
function strayOf(hostd: Hostd, what: { readonly id: VmId; readonly owner: string }): ProcessRef | undefined {
  const { id, owner } = what
  const stray = hostd.machine(id) ? undefined : hostd.runningQemus().get(id)
  if (!stray || bearsMark(stray.args, owner)) return stray
  throw new PluginError('DENIED', `process ${stray.pid} of VM ${id} does not bear the mark of ${owner}`, 'none')
}

/** As `VmFacet.get`; another installation's VM is not known. A machine whose QEMU is gone is stopped, whatever was asked for. */
export async function getVm(
  hostd: Hostd,
  request: { id: VmId; owner: string },
  call: Call,
): Promise<BackendVm | undefined> {
  const record = hostd.records.get(request.id)
  if (record?.owner !== request.owner) return undefined
  const machine = hostd.machine(record.id)
  try {
    return backendVm(record.id, await machine?.view(timeLeft(call)))
  } catch (error) {
    if (machine && isAlive(machine.process)) throw error
    return backendVm(record.id, undefined)
  }
}

/** As `VmFacet.reboot`. */
export async function rebootVm(hostd: Hostd, request: { id: VmId; owner: string }, call: Call): Promise<BackendVm> {
  const { id, owner } = request
  return hostd.locks.run(id, call, async () => {
    const record = hostd.record(id, owner)
    const machine = hostd.running(id)
    if (record) await hostd.records.update(id, (current) => admitMachineCall(current ?? record, call.fence))
    // A machine without a guest has nothing to start anew.
    if (!machine.bare) await command(machine, 'system_reset', call)
    return backendVm(id, await machine.view(timeLeft(call)))
  })
}

/** Stops every machine of this host, of any installation. */
export async function stopAll(hostd: Hostd, call: Call): Promise<{ readonly stopped: number }> {
  const machines = hostd.machines()
  await Promise.all(
    machines.map((machine) =>
      hostd.locks.run(machine.id, call, async () => {
        const record = hostd.records.get(machine.id)
        if (record) await hostd.records.update(machine.id, (current) => resting(current ?? record))
        await end(hostd, machine)
        await hostd.quiescer.forget(machine.id)
      }),
    ),
  )
  return { stopped: machines.length }
}

/** The record of a machine of which nothing is known but that it must not come about under an older fence. */
export function neverRan(id: VmId, owner: string): VmRecord {
  return { id, owner, name: id, cpus: 0, memoryBytes: 0, phase: 'stopped', fence: 0, disks: {} }
}

/** The record of a machine that is about to be made. */
export function startingRecord(
  record: VmRecord | undefined,
  request: { spec: VmSpec; owner: string },
  call: Call,
): VmRecord {
  const { id, name, cpus, memoryBytes, disks } = request.spec
  const base = { id, owner: request.owner, name, cpus, memoryBytes, phase: 'starting' } as const
  const seen = { fence: record?.fence ?? 0, disks: record?.disks ?? {} }
  const starting: VmRecord = { ...base, ...seen, ...bootOf(request.spec) }
  const admit = (sum: VmRecord, disk: DiskSpec) => admitDiskCall(sum, disk, call.fence)
  return disks.reduce(admit, admitMachineCall(starting, call.fence))
}

/** What a machine boots; nothing of one without a guest. */
export function bootOf({ image, boot }: Pick<VmSpec, 'image' | 'boot'>): Pick<VmSpec, 'image' | 'boot'> {
  return { ...(image === undefined ? {} : { image }), ...(boot === undefined ? {} : { boot }) }
}

async function shapeOf(hostd: Hostd, spec: VmSpec): Promise<MachineShape> {
  const { cpus, memoryBytes } = spec
  if (spec.boot !== undefined) return { kind: 'disk', cpus, memoryBytes }
  if (spec.image === undefined) return { kind: 'bare' }
  const image = join(hostd.options.images ?? '', spec.image)
  const there = hostd.options.images !== undefined && /^[\w][\w.-]*$/.test(spec.image)
  try {
    if (!there) throw new Error('no such directory')
    await access(join(image, 'vmlinux'), constants.R_OK)
    await access(join(image, 'initrd.cpio'), constants.R_OK)
  } catch (error) {
    throw new PluginError('INVALID', `this host holds no boot image '${spec.image}'`, 'none', error)
  }
  return { kind: 'guest', image, cpus, memoryBytes }
}

/** Throws `CONFLICT` when the VM is there in another size or with another image. */
export function refuseOtherShape(record: VmRecord, spec: VmSpec): void {
  if (sameShape(record, spec)) return
  throw new PluginError('CONFLICT', `VM ${spec.id} runs with other cpus, memory or image`, 'none')
}

/** Whether a machine is of the same size, and boots from the same. */
export function sameShape(one: Shaped, other: Shaped): boolean {
  const [size, boot] = [one.cpus === other.cpus && one.memoryBytes === other.memoryBytes, one.boot === other.boot]
  return size && boot && one.image === other.image
}

type Shaped = Partial<Pick<VmSpec, 'cpus' | 'memoryBytes' | 'image' | 'boot'>>

async function launch(hostd: Hostd, what: { spec: VmSpec; shape: MachineShape }, call: Call): Promise<BackendVm> {
  const { spec, shape } = what
  const machine = await begun(hostd, what, call)
  try {
    for (const disk of spec.disks) await plug(machine, disk, call)
    // The firmware is told of the disk to boot from when a machine is reset: it was not there when this one was made.
    if (shape.kind === 'disk') await command(machine, 'system_reset', call)
    if (shape.kind !== 'bare') await command(machine, 'cont', call)
    const view = await machine.view(timeLeft(call))
    await setPhase(hostd, spec.id, 'running')
    return backendVm(spec.id, view)
  } catch (error) {
    await discard(hostd, machine)
    // QEMU is gone, and with it whatever it had opened.
    const failure = qmpFailure(error)
    throw new PluginError(failure.code, failure.message, 'none', error)
  }
}

/** A QEMU without disks that is to take over a machine from another host. The record is the caller's. */
export async function launchIncoming(hostd: Hostd, spec: VmSpec, call: Call): Promise<Machine> {
  return begun(hostd, { spec, shape: { ...(await shapeOf(hostd, spec)), incoming: true } }, call)
}

/** Ends a machine that did not come about. */
export async function discard(hostd: Hostd, machine: Machine): Promise<void> {
  await end(hostd, machine)
  await setPhase(hostd, machine.id, 'stopped')
}

type Shape = MachineShape & { readonly incoming?: boolean }

/** Starts QEMU and opens its session. When it does not come up nothing of it stays: effect `none`. */
async function begun(hostd: Hostd, what: { spec: VmSpec; shape: Shape }, call: Call): Promise<Machine> {
  const { spec } = what
  const files = machineFiles(hostd.records.folder(spec.id))
  // Two machines on one disk would ruin it: a QEMU of this VM that could not be ended before must end now.
  const stray = hostd.runningQemus().get(spec.id)
  if (stray && !(await kill(stray))) {
    throw new PluginError('BUSY', `process ${stray.pid} of VM ${spec.id} cannot be ended`, 'none')
  }
  for (const socket of [files.qmp, files.agent]) await rm(socket, { force: true })
  const process = await started(hostd, what, files)
  const machine = hostd.watch(spec, process)
  try {
    await firstSession(machine, process, call)
    return machine
  } catch (error) {
    await discard(hostd, machine)
    const failure = qmpFailure(error)
    throw new PluginError(failure.code, failure.message, 'none', error)
  }
}

async function started(hostd: Hostd, what: { spec: VmSpec; shape: Shape }, files: MachineFiles): Promise<ProcessRef> {
  try {
    const owner = hostd.records.get(what.spec.id)?.owner ?? ''
    return await startQemu(qemuArguments(what.spec.id, files, { ...what.shape, owner }), files)
  } catch (error) {
    await setPhase(hostd, what.spec.id, 'stopped')
    throw new PluginError('UNAVAILABLE', `QEMU cannot be started: ${qmpFailure(error).message}`, 'none', error)
  }
}

async function setPhase(hostd: Hostd, id: VmId, phase: VmRecord['phase']): Promise<void> {
  await hostd.records.update(id, (record) => {
    if (record) return phase === 'stopped' ? resting(record) : { ...record, phase }
    throw new PluginError('INTERNAL', `VM ${id} lost its record`, 'possible')
  })
}

/** Nothing of a migration outlives the machine. */
function resting({ arriving: _ticket, sending: _address, activate: _due, ...record }: VmRecord): VmRecord {
  return { ...record, phase: 'stopped' }
}

/** A QEMU that ends at once says why in its log; waiting for its socket would only hide that. */
async function firstSession(machine: Machine, process: ProcessRef, call: Call): Promise<void> {
  const until = Date.now() + timeLeft(call, LAUNCH_MS)
  for (;;) {
    try {
      return await machine.connect(Math.min(FIRST_LOOK_MS, Math.max(1, until - Date.now())))
    } catch (error) {
      if (!(error instanceof QmpLineError)) throw error
      if (!isAlive(process))
        throw new PluginError('INTERNAL', `QEMU ended: ${await lastWords(machine.files)}`, 'none', error)
      if (Date.now() >= until) throw error
    }
  }
}

/** Ends a machine: QEMU closes its disks, or is killed when one of them hangs. All its sessions are over afterwards. */
async function end(hostd: Hostd, machine: Machine): Promise<void> {
  const until = Date.now() + QUIT_MS
  try {
    await machine.qmp.execute('quit', undefined, { timeoutMs: QUIT_MS })
  } catch {
    // No session, or one that ended with QEMU: what counts is the process.
  }
  hostd.unwatch(machine)
  if (!(await waitForExit(machine.process, until)) && !(await kill(machine.process))) {
    throw new PluginError('INTERNAL', `process ${machine.process.pid} of VM ${machine.id} cannot be ended`, 'possible')
  }
  for (const socket of [machine.files.qmp, machine.files.agent]) await rm(socket, { force: true })
}

/** Asks by the agent, or by the power button where none answers, and waits until QEMU has ended. Throws `BUSY`. */
async function askGuestToStop(hostd: Hostd, machine: Machine, call: Call): Promise<void> {
  const until = giveUpAt(call)
  if (hostd.records.get(machine.id)?.freeze) await hostd.quiescer.thaw(machine, call)
  try {
    const soon = { deadline: Math.min(until, Date.now() + ASK_GUEST_MS) }
    await hostd.agents.use(machine, soon, (agent) => shutDown(agent, until))
  } catch {
    if (isAlive(machine.process)) await command(machine, 'system_powerdown', call)
  }
  if (await waitForExit(machine.process, until)) return
  throw new PluginError('BUSY', `the guest of VM ${machine.id} has not shut down in time`, 'possible')
}

async function shutDown(agent: GuestAgent, until: number): Promise<void> {
  try {
    await agent.execute('guest-shutdown', { mode: 'powerdown' }, { timeoutMs: Math.max(1, until - Date.now()) })
  } catch (error) {
    // On success there is no answer: the line ends with the guest.
    if (!(error instanceof QmpLineError && error.failure === 'lost')) throw error
  }
}

async function command(machine: Machine, name: string, call: Call): Promise<void> {
  try {
    await machine.qmp.execute(name, undefined, { timeoutMs: timeLeft(call) })
  } catch (error) {
    throw qmpFailure(error)
  }
}
