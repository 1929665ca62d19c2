import net from 'node:net'
import { type Call, type DiskSpec, PluginError } from '@moorage/contract'
import { QmpError } from '@moorage/qmp'
import { openPlan, type OpenPlan, parsePortal } from './block-nodes.ts'
import { forUndo, giveUpAt, pause, qmpFailure, timeLeft } from './deadline.ts'
import { endJob } from './jobs.ts'
import type { Machine } from './machine.ts'
import { type Attachment, mirrorJobOf, namesOf, nodesOf, remainsKey } from './names.ts'
import { throttleArguments } from './throttle.ts'

/** A portal on the storage network answers in milliseconds, or is not there. */
const PORTAL_TIMEOUT_MS = 3000
/** A guest that was booting when asked has not heard: it is asked again. */
const ASK_AGAIN_MS = 1000
/** Nodes are in use for a moment after their device is gone. */
const IN_USE_PAUSE_MS = 5

/** Where a device sits: its PCI slot, or its place on the SCSI controller. */
export type Place =
  | { readonly addr: string }
  | { readonly channel: number; readonly 'scsi-id': number; readonly lun: number }

/** A disk, and where its device is to sit; absent: wherever there is room. */
export type PlacedDisk = DiskSpec & { readonly place?: Place }

/**
 * Opens the source and plugs the device, with its limits. The machine must not have the volume in any form. When the source
 * cannot be opened, nothing of it stays: effect `none`, `DENIED` for a wrong CHAP secret, `UNAVAILABLE` for a portal, a
 * target or a file that is not there, `IN_USE` for a file that another machine writes.
 */
export async function plug(machine: Machine, disk: PlacedDisk, call: Call): Promise<void> {
  const names = namesOf(disk)
  const plan = openPlan(names, disk.connection, disk.mode)
  const limits = throttleArguments(disk.throttle)
  if (plan.portal !== undefined) await reach(plan.portal, call)
  await open(machine, plan, { call, key: remainsKey(disk) })
  const device = {
    // Zeroes come as plain writes. As WRITE SAME, tgtd (1.0.85) would write them a sector at a time: 32 MiB of inode
    // tables become 65,536 operations, which a volume of 200 IOPS takes five minutes for.
    ...(machine.bare ? { driver: 'scsi-hd' } : { driver: 'virtio-blk-pci', 'write-zeroes': false }),
    ...disk.place,
    // Behind the kernel of a machine that boots an image.
    ...(disk.deviceId === 0 && !machine.bare ? { bootindex: 1 } : {}),
    id: names.device,
    drive: names.format,
    serial: disk.serial,
    // A failed request waits with the machine instead of reaching the guest: the LUN may come back.
    werror: 'stop',
    rerror: 'stop',
  }
  try {
    await machine.qmp.execute('device_add', device, { timeoutMs: timeLeft(call) })
  } catch (error) {
    if (!(error instanceof QmpError)) throw qmpFailure(error)
    await removeRemains(machine, remainsKey(disk), forUndo(call))
    // Files are locked by the machine that writes them; the lock is taken when the device is plugged.
    const code = /Failed to get .* lock/.test(error.message) ? 'IN_USE' : 'INTERNAL'
    throw new PluginError(code, error.message, 'none', error)
  }
  if (Object.values(limits).every((limit) => limit === 0)) return
  const id = machine.bare ? names.device : `/machine/peripheral/${names.device}/virtio-backend`
  await setThrottle(machine, { id, ...limits }, call)
}

/** Sends limits that `throttleArguments` made. */
export async function setThrottle(machine: Machine, limits: object, call: Call): Promise<void> {
  // QAPI wants the six plain quantities in any case; those not named are 0, no limit.
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 }
  try {
    await machine.qmp.execute('block_set_io_throttle', { ...none, ...limits }, { timeoutMs: timeLeft(call) })
  } catch (error) {
    throw qmpFailure(error)
  }
}

/**
 * Opens a connection to a portal and closes it. Throws `UNAVAILABLE`, effect `none`. QEMU logs in on its main loop, which a
 * portal that swallows packets would hold for minutes: so it is tried from here before.
 */
export async function reach(portal: string, call: Call): Promise<void> {
  const socket = net.connect(parsePortal(portal))
  const timeoutMs = timeLeft(call, PORTAL_TIMEOUT_MS)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)))
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new PluginError('UNAVAILABLE', `portal ${portal}: ${text}`, 'none', error)
  } finally {
    socket.destroy()
  }
}

/**
 * Opens the source of a plan. When it cannot be opened nothing of it stays, and the effect is `none`; `key`: what its names share.
 */
export async function open(
  machine: Machine,
  plan: OpenPlan,
  options: { readonly call: Call; readonly key: string },
): Promise<void> {
  const { call, key } = options
  const { qmp } = machine
  try {
    if (plan.secret) await qmp.execute('object-add', plan.secret, { timeoutMs: timeLeft(call) })
    for (const node of plan.nodes) await qmp.execute('blockdev-add', node, { timeoutMs: timeLeft(call) })
  } catch (error) {
    if (!(error instanceof QmpError)) throw qmpFailure(error)
    await removeRemains(machine, key, forUndo(call))
    throw openFailure(error)
  }
}

/** libiscsi's own words and status numbers (RFC 7143 §11.13.5: 0x0201 authentication failure, 0x0203 not found). */
function openFailure(error: QmpError): PluginError {
  if (/Authentication failure|\(513\)/.test(error.message))
    return new PluginError('DENIED', error.message, 'none', error)
  if (/Target not found|\(515\)/.test(error.message)) {
    const text = `${error.message} (the target is not there, or does not admit this initiator)`
    return new PluginError('UNAVAILABLE', text, 'none', error)
  }
  return new PluginError('UNAVAILABLE', error.message, 'none', error)
}

/**
 * Takes the device out and closes what it was on; the session to the array is over when this resolves. A guest that does not
 * let go in time is `BUSY`, effect `possible`: it may do so later, and what is left is then closed by whoever hears of it.
 */
export async function unplug(
  machine: Machine,
  disk: Attachment & { readonly device: string },
  call: Call,
): Promise<void> {
  await endJob(machine, mirrorJobOf(disk), call)
  machine.unplugging.add(disk.device)
  await unplugDevice(machine, disk.device, call)
  machine.unplugging.delete(disk.device)
  await removeRemains(machine, remainsKey(disk), call)
  await removeRemains(machine, remainsKey(disk, 'second'), call)
}

async function unplugDevice(machine: Machine, device: string, call: Call): Promise<void> {
  const { qmp } = machine
  const after = qmp.received
  const until = giveUpAt(call)
  while (Date.now() < until) {
    if ((await askToUnplug(machine, device, call)) === 'gone') return
    try {
      const timeoutMs = timeLeft(call, ASK_AGAIN_MS)
      await qmp.waitFor('DEVICE_DELETED', { where: (data) => data['device'] === device, after, timeoutMs })
      return
    } catch (error) {
      const failure = qmpFailure(error)
      if (failure.code !== 'TIMEOUT') throw failure
    }
  }
  throw new PluginError('BUSY', `the guest of VM ${machine.id} does not let go of ${device}`, 'possible')
}

async function askToUnplug(machine: Machine, device: string, call: Call): Promise<'asked' | 'gone'> {
  try {
    await machine.qmp.execute('device_del', { id: device }, { timeoutMs: timeLeft(call) })
    return 'asked'
  } catch (error) {
    if (error instanceof QmpError && error.errorClass === 'DeviceNotFound') return 'gone'
    if (error instanceof QmpError && /already in the process of unplug/.test(error.message)) return 'asked'
    throw qmpFailure(error)
  }
}

/**
 * Closes nodes and removes the secret of one attachment, as far as they are there. Closing the protocol node logs out of the
 * array. No device may be on them. What is in use for longer than the call allows is `BUSY`.
 */
export async function removeRemains(machine: Machine, key: string, call: Pick<Call, 'deadline'>): Promise<void> {
  const { format, protocol, secret } = nodesOf(key)
  await remove(machine, { command: 'blockdev-del', args: { 'node-name': format } }, call)
  await remove(machine, { command: 'blockdev-del', args: { 'node-name': protocol } }, call)
  await remove(machine, { command: 'object-del', args: { id: secret } }, call)
}

async function remove(
  machine: Machine,
  request: { command: string; args: object },
  call: Pick<Call, 'deadline'>,
): Promise<void> {
  for (;;) {
    try {
      await machine.qmp.execute(request.command, request.args, { timeoutMs: timeLeft(call) })
      return
    } catch (error) {
      const text = error instanceof QmpError ? error.message : ''
      if (/not found|Failed to find|Cannot find/.test(text)) return
      if (!/in use/.test(text) || Date.now() >= giveUpAt(call)) throw qmpFailure(error)
      await pause(IN_USE_PAUSE_MS)
    }
  }
}
