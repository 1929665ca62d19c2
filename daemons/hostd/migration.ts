import {
  type BackendVm,
  type Call,
  type DiskSpec,
  type MachineDescription,
  type MigrationProgress,
  type MigrationTicket,
  PluginError,
  type VmId,
  type VmSpec,
} from '@moorage/contract'
import { QmpError } from '@moorage/qmp'
import type { VmRef } from './attachments.ts'
import { giveUpAt, pause, qmpFailure, timeLeft } from './deadline.ts'
import { type Place, type PlacedDisk, plug } from './disks.ts'
import type { Hostd } from './hostd.ts'
import type { Machine } from './machine.ts'
import { backendVm } from './machine-view.ts'
import { fields, integer, text, volumeId } from './parse.ts'
import { admitMachineCall, type VmRecord } from './records.ts'
import { bootOf, discard, launchIncoming, neverRan, refuseOtherShape, sameShape, startingRecord } from './vms.ts'

/** `query-migrate` of QAPI, as far as it is read. */
interface Migration {
  readonly status?: string
  readonly 'error-desc'?: string
  readonly ram?: { readonly total: number; readonly remaining: number }
  readonly 'socket-address'?: readonly { readonly host?: string; readonly port?: string }[]
}

const OVER = new Set(['failed', 'cancelled'])
/** Between two looks at a transfer that is being cancelled. */
const LOOK_AGAIN_MS = 20
/** How long a machine that has been sent may take to be taken in. */
const TAKING_IN_MS = 5000
/** What a link carries is QEMU's to find out: its own bound would be a fraction of it. */
const BYTES_PER_SECOND = 10 * 1024 ** 3

/** As `MigrationFacet.describe`: where QEMU has put each disk, which the destination must do likewise. */
export async function describeVm(hostd: Hostd, { vm, owner }: VmRef, call: Call): Promise<MachineDescription> {
  const record = hostd.record(vm, owner)
  const machine = hostd.running(vm)
  const { disks } = await machine.view(timeLeft(call))
  const places = disks.map(async ({ volume, device }) => ({ volume, place: await placeOf(machine, device, call) }))
  const { cpus, memoryBytes, ...boot } = record ?? { cpus: 0, memoryBytes: 0 }
  return { cpus, memoryBytes, ...bootOf(boot), disks: await Promise.all(places) }
}

/** As `MigrationFacet.prepare`. QEMU listens on a port of the loopback that the kernel chose. */
export async function prepareVm(
  hostd: Hostd,
  request: { readonly spec: VmSpec; readonly owner: string; readonly description: unknown },
  call: Call,
): Promise<MigrationTicket> {
  const { spec, owner } = request
  const { id } = spec
  return hostd.locks.run(id, call, async () => {
    const before = hostd.record(id, owner)
    if (before) admitMachineCall(before, call.fence)
    if (before?.phase === 'running' && hostd.machine(id))
      throw new PluginError('CONFLICT', `VM ${id} runs here`, 'none')
    const places = placesIn(spec, request.description)
    if (before?.arriving && hostd.machine(id)) {
      refuseOtherShape(before, spec)
      await hostd.records.update(id, (record) => admitMachineCall(record ?? before, call.fence))
      return { address: before.arriving }
    }
    await hostd.records.update(id, (record) => ({ ...startingRecord(record, request, call), phase: 'arriving' }))
    const machine = await launchIncoming(hostd, spec, call)
    try {
      for (const disk of spec.disks) await plug(machine, placed(disk, places), call)
      const address = await listen(machine, call)
      await change(hostd, id, (record) => ({ ...record, arriving: address }))
      return { address }
    } catch (error) {
      await discard(hostd, machine)
      const failure = qmpFailure(error)
      throw new PluginError(failure.code, failure.message, 'none', error)
    }
  })
}

/** As `MigrationFacet.send`. */
export async function sendVm(
  hostd: Hostd,
  request: VmRef & { readonly ticket: unknown },
  call: Call,
): Promise<MigrationProgress> {
  const address = text(fields(request.ticket, 'ticket'), 'address')
  return turn(hostd, { ...request, call }, async (machine, record) => {
    if (record.sending !== address) {
      // On disk before QEMU is asked: after a crash it is known to which ticket what QEMU says belongs.
      await change(hostd, machine.id, (current) => ({ ...current, sending: address }))
      await execute(machine, call, { command: 'migrate-set-parameters', args: { 'max-bandwidth': BYTES_PER_SECOND } })
      await execute(machine, call, {
        command: 'migrate-set-capabilities',
        args: { capabilities: [on('auto-converge')] },
      })
      await execute(machine, call, { command: 'migrate', args: { uri: address } })
    }
    const { status, ram, ...more } = await migration(machine, call)
    if (status === 'completed') return { state: 'sent' }
    if (status === undefined || OVER.has(status)) {
      const why = more['error-desc'] ?? 'it was never begun'
      throw new PluginError('CONFLICT', `VM ${machine.id} was not sent: ${why}`, 'none')
    }
    const { total = 0, remaining = 0 } = ram ?? {}
    return { state: 'sending', doneBytes: Math.max(0, total - remaining), totalBytes: total }
  })
}

/** As `MigrationFacet.arrive`. The record is first: once it says so, the machine has arrived, whatever dies before QEMU goes on. */
export async function arriveVm(hostd: Hostd, request: VmRef, call: Call): Promise<BackendVm> {
  return turn(hostd, { ...request, call }, async (machine, record) => {
    if (record.phase === 'arriving') {
      const status = await takenIn(machine, call)
      if (status !== 'completed')
        throw new PluginError('BUSY', `VM ${machine.id} has not been sent here: ${status ?? 'nothing came'}`, 'none')
      await change(hostd, machine.id, ({ arriving: _ticket, ...current }) => ({
        ...current,
        phase: 'running',
        activate: true,
      }))
    }
    await activate(hostd, machine, call)
    return backendVm(machine.id, await machine.view(timeLeft(call)))
  })
}

/** As `MigrationFacet.abandon`. */
export async function abandonVm(
  hostd: Hostd,
  { vm, owner }: VmRef,
  call: Call,
): Promise<{ readonly arrived: boolean }> {
  return hostd.locks.run(vm, call, async () => {
    // What was never prepared is remembered too: the call that this one gives up may still be on its way.
    const record = hostd.record(vm, owner) ?? neverRan(vm, owner)
    await hostd.records.update(vm, (current) => admitMachineCall(current ?? record, call.fence))
    const machine = hostd.machine(vm)
    if (record.phase === 'running') {
      if (machine) await activate(hostd, machine, call)
      return { arrived: machine !== undefined }
    }
    if (machine) await discard(hostd, machine)
    return { arrived: false }
  })
}

/** As `MigrationFacet.resume`. */
export async function resumeVm(hostd: Hostd, request: VmRef, call: Call): Promise<BackendVm> {
  return turn(hostd, { ...request, call }, async (machine, record) => {
    if (record.phase !== 'running') throw new PluginError('NOT_FOUND', `VM ${machine.id} does not run here`, 'none')
    const settled = await cancelled(machine, call)
    await change(hostd, machine.id, ({ sending: _address, ...current }) =>
      settled === 'completed' ? { ...current, activate: true } : current,
    )
    await activate(hostd, machine, call)
    return backendVm(machine.id, await machine.view(timeLeft(call)))
  })
}

/** Lets a machine go on that has arrived, or was taken back; nothing when it has been done. Its disks are its own again. */
async function activate(hostd: Hostd, machine: Machine, call: Pick<Call, 'deadline'>): Promise<void> {
  if (hostd.records.get(machine.id)?.activate !== true) return
  await execute(machine, call, { command: 'cont' })
  // A machine without a guest has nothing to run; that it began to takes its disks back from the other host.
  if (machine.bare) await execute(machine, call, { command: 'stop' })
  await change(hostd, machine.id, ({ activate: _done, ...current }) => current)
}

async function turn<Result>(
  hostd: Hostd,
  { vm, owner, call }: VmRef & { readonly call: Call },
  work: (machine: Machine, record: VmRecord) => Promise<Result>,
): Promise<Result> {
  return hostd.locks.run(vm, call, async () => {
    const before = hostd.record(vm, owner)
    if (before) await hostd.records.update(vm, (current) => admitMachineCall(current ?? before, call.fence))
    const machine = hostd.machine(vm)
    const record = hostd.records.get(vm)
    if (machine && record && record.phase !== 'stopped' && record.phase !== 'starting') return work(machine, record)
    throw new PluginError('NOT_FOUND', `VM ${vm} is not on this host`, 'none')
  })
}

async function change(hostd: Hostd, id: VmId, how: (record: VmRecord) => VmRecord): Promise<void> {
  await hostd.records.update(id, (record) => {
    if (record) return how(record)
    throw new PluginError('INTERNAL', `VM ${id} lost its record`, 'possible')
  })
}

/** Ends a transfer; answers where it ended, which may be that it had been complete. */
async function cancelled(machine: Machine, call: Call): Promise<string | undefined> {
  for (;;) {
    const { status } = await migration(machine, call)
    if (status === undefined || status === 'none' || status === 'completed' || OVER.has(status)) return status
    if (Date.now() >= giveUpAt(call)) throw new PluginError('BUSY', `VM ${machine.id} is still being sent`, 'possible')
    if (status !== 'cancelling') await execute(machine, call, { command: 'migrate_cancel' })
    await pause(LOOK_AGAIN_MS)
  }
}

async function listen(machine: Machine, call: Call): Promise<string> {
  // The disks are the source's until the machine arrives.
  await execute(machine, call, {
    command: 'migrate-set-capabilities',
    args: { capabilities: [on('late-block-activate')] },
  })
  await execute(machine, call, { command: 'migrate-incoming', args: { uri: 'tcp:127.0.0.1:0' } })
  const { 'socket-address': addresses } = await migration(machine, call)
  const [address] = addresses ?? []
  if (address?.host === undefined || address.port === undefined)
    throw new PluginError('INTERNAL', `QEMU of VM ${machine.id} does not say where it listens`, 'possible')
  return `tcp:${address.host}:${address.port}`
}

/** The source may say that all of a machine has been sent a moment before this side has taken it in. */
async function takenIn(machine: Machine, call: Call): Promise<string | undefined> {
  const until = Math.min(giveUpAt(call), Date.now() + TAKING_IN_MS)
  for (;;) {
    const { status } = await migration(machine, call)
    if ((status !== 'active' && status !== 'device') || Date.now() >= until) return status
    await pause(LOOK_AGAIN_MS)
  }
}

function on(capability: string) {
  return { capability, state: true }
}

function migration(machine: Machine, call: Pick<Call, 'deadline'>): Promise<Migration> {
  return execute<Migration>(machine, call, { command: 'query-migrate' })
}

async function execute<Result>(
  machine: Machine,
  call: Pick<Call, 'deadline'>,
  what: { readonly command: string; readonly args?: object },
): Promise<Result> {
  try {
    return await machine.qmp.execute<Result>(what.command, what.args, { timeoutMs: timeLeft(call) })
  } catch (error) {
    throw qmpFailure(error)
  }
}

/** PCI slot of a virtio disk, or where a SCSI disk sits on its controller. */
async function placeOf(machine: Machine, device: string, call: Call): Promise<Place> {
  const path = `/machine/peripheral/${device}`
  const read = async (property: string) => {
    try {
      return await machine.qmp.execute<number>('qom-get', { path, property }, { timeoutMs: timeLeft(call) })
    } catch (error) {
      if (error instanceof QmpError) throw new PluginError('BUSY', `${device} is going away`, 'none', error)
      throw qmpFailure(error, 'none')
    }
  }
  // Slot and function are one number in QEMU, of which the function is the last three bits.
  if (!machine.bare) return { addr: ((await read('addr')) >> 3).toString(16) }
  return { channel: await read('channel'), 'scsi-id': await read('scsi-id'), lun: await read('lun') }
}

function placesIn(spec: VmSpec, description: unknown): ReadonlyMap<string, Place> {
  const from = fields(description, 'description')
  if (!sameShape(from, spec))
    throw new PluginError('CONFLICT', `VM ${spec.id} has other cpus, memory or image at the source`, 'none')
  const listed = from['disks']
  if (!Array.isArray(listed)) throw new PluginError('INVALID', 'description.disks must be a list', 'none')
  const places = new Map(
    listed.map((each: unknown) => {
      const disk = fields(each, 'description.disks')
      return [volumeId(disk, 'volume'), readPlace(fields(disk['place'], 'description.disks.place'))] as const // A key by text.
    }),
  )
  const missing = spec.disks.find(({ volume }) => !places.has(volume))
  if (places.size === spec.disks.length && !missing) return places
  throw new PluginError('CONFLICT', `VM ${spec.id} has other disks at the source`, 'none')
}

function placed(disk: DiskSpec, places: ReadonlyMap<string, Place>): PlacedDisk {
  const place = places.get(disk.volume)
  return place ? { ...disk, place } : disk
}

function readPlace(from: ReturnType<typeof fields>): Place {
  const number = (name: string) => integer(from, name, { min: 0, max: 16_383 })
  if (from['addr'] === undefined)
    return { channel: number('channel'), 'scsi-id': number('scsi-id'), lun: number('lun') }
  const addr = text(from, 'addr')
  if (/^[0-9a-f]{1,2}$/.test(addr)) return { addr }
  throw new PluginError('INVALID', 'description.disks.place.addr must be a PCI slot', 'none')
}
