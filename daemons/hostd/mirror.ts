import {
  type BackendDisk,
  type Call,
  type MirrorProgress,
  type MirrorSpec,
  PluginError,
  type VolumeId,
} from '@moorage/contract'
import type { VmRef } from './attachments.ts'
import { openPlan } from './block-nodes.ts'
import { forUndo, timeLeft } from './deadline.ts'
import { open, reach, removeRemains } from './disks.ts'
import { diskLock, type Hostd } from './hostd.ts'
import { concluded, endJob, execute, jobOf } from './jobs.ts'
import type { Machine } from './machine.ts'
import { backendDisk, type PluggedDisk } from './machine-view.ts'
import { mirrorJobOf, namesOf, remainsKey, type Side } from './names.ts'
import { admitDiskCall, type MirrorRecord, type VmRecord } from './records.ts'
import { neverRan } from './vms.ts'

type Key = Pick<MirrorSpec, 'id' | 'volume' | 'generation'>

/** A disk of a running machine, and what is known of its mirror. */
interface Found {
  readonly machine: Machine
  readonly record: VmRecord
  readonly disk: PluggedDisk
  readonly known: MirrorRecord | undefined
}

/** As `MirrorFacet.copy`. */
export async function copyMirror(
  hostd: Hostd,
  request: VmRef & { readonly mirror: MirrorSpec },
  call: Call,
): Promise<MirrorProgress> {
  const { mirror } = request
  return turn(hostd, { ...request, call }, async (found) => {
    const { machine, disk, known } = found
    if (known?.id === mirror.id && disk.side === known.to) return { state: 'same' }
    const job = await jobOf(machine, mirrorJobOf(disk), call)
    if (known && known.id !== mirror.id && job)
      throw new PluginError('CONFLICT', `volume ${disk.volume} is being copied by mirror ${known.id}`, 'none')
    if (!job) {
      await begin(hostd, { ...found, mirror }, call)
      return { state: 'copying', doneBytes: 0, totalBytes: disk.bytes }
    }
    refuseFailed(disk, job)
    if (known?.phase === 'same') return { state: 'same' }
    if (job.status !== 'ready') {
      const [doneBytes, totalBytes] = [
        job['current-progress'],
        Math.max(job['current-progress'], job['total-progress']),
      ]
      return { state: 'copying', doneBytes, totalBytes }
    }
    return compared(hostd, { ...found, mirror }, call)
  })
}

/** As `MirrorFacet.switch`. */
export async function switchMirror(
  hostd: Hostd,
  request: VmRef & { readonly mirror: Key },
  call: Call,
): Promise<BackendDisk> {
  const { mirror } = request
  return turn(hostd, { ...request, call }, async ({ machine, disk, known }) => {
    if (known?.id !== mirror.id)
      throw new PluginError('NOT_FOUND', `nothing copies volume ${disk.volume} under ${mirror.id}`, 'none')
    if (disk.side !== known.to) {
      if (known.phase === 'copying')
        throw new PluginError('BUSY', `the copy of volume ${disk.volume} is not known to be the same yet`, 'none')
      await pivot(hostd, { machine, disk, known }, call)
    }
    await leave(machine, { disk, side: other(known.to) }, call)
    return backendDisk(await seen(machine, disk.volume, call))
  })
}

/** As `MirrorFacet.abandon`. */
export async function abandonMirror(
  hostd: Hostd,
  request: VmRef & { readonly mirror: Key },
  call: Call,
): Promise<{ readonly switched: boolean }> {
  const { vm, owner, mirror } = request
  return hostd.locks.run(diskLock(vm, mirror.volume), call, async () => {
    // What was never begun is remembered too: the call that this one gives up may still be on its way.
    const record = hostd.record(vm, owner) ?? neverRan(vm, owner)
    await hostd.records.update(vm, (current) => admitDiskCall(current ?? record, mirror, call.fence))
    const known = record.mirrors?.[mirror.volume]
    if (known?.id !== mirror.id) return { switched: false }
    const machine = hostd.machine(vm)
    const before = machine && (await diskOf(machine, mirror.volume, call))
    // Both sides were the same when it was asked to switch, and the target has been written to at least as long.
    if (!machine || !before) return { switched: known.phase === 'switching' }
    if (before.side !== known.to) await endJob(machine, mirrorJobOf(before), call)
    hostd.comparisons.forget(mirror.id)
    const { side } = await seen(machine, mirror.volume, call)
    await leave(machine, { disk: before, side: other(side) }, call)
    if (side === known.to) return { switched: true }
    await note(hostd, { record, volume: mirror.volume }, undefined)
    return { switched: false }
  })
}

async function turn<Result>(
  hostd: Hostd,
  { vm, owner, mirror, call }: VmRef & { readonly mirror: Key; readonly call: Call },
  work: (found: Found) => Promise<Result>,
): Promise<Result> {
  return hostd.locks.run(diskLock(vm, mirror.volume), call, async () => {
    const before = hostd.record(vm, owner)
    if (before) admitDiskCall(before, mirror, call.fence)
    const machine = hostd.running(vm)
    const disk = await diskOf(machine, mirror.volume, call)
    if (!before || disk?.generation !== mirror.generation)
      throw new PluginError('NOT_FOUND', `VM ${vm} does not have volume ${mirror.volume} in that generation`, 'none')
    const record = await hostd.records.update(vm, (current) => admitDiskCall(current ?? before, mirror, call.fence))
    return work({ machine, record, disk, known: record.mirrors?.[mirror.volume] })
  })
}

/** Opens the target and starts the job. What cannot be begun leaves nothing: effect `none`. */
async function begin(hostd: Hostd, what: Found & { readonly mirror: MirrorSpec }, call: Call): Promise<void> {
  const { machine, record, disk, mirror } = what
  const to = other(disk.side)
  const plan = openPlan(namesOf(disk, to), mirror.target, 'rw')
  if (plan.portal !== undefined) await reach(plan.portal, call)
  // On disk before QEMU is asked: after a crash it is known whose what is found there is.
  await note(hostd, { record, volume: disk.volume }, { id: mirror.id, to, phase: 'copying' })
  hostd.comparisons.forget(mirror.id)
  const key = remainsKey(disk, to)
  await removeRemains(machine, key, call)
  try {
    await open(machine, plan, { call, key })
    const bytes = await sizeOf(machine, namesOf(disk, to).format, call)
    if (bytes < disk.bytes)
      throw new PluginError('INVALID', `mirror.target has ${bytes} bytes, the disk ${disk.bytes}`, 'none')
    const args = {
      'job-id': mirrorJobOf(disk),
      device: disk.node,
      target: namesOf(disk, to).format,
      sync: 'full',
      // What the guest writes is acknowledged once both sides have it: from then on nothing is left to be copied.
      'copy-mode': 'write-blocking',
      // A job that failed stays, so that it can be told from one that was never begun.
      'auto-dismiss': false,
    }
    await execute(machine, { command: 'blockdev-mirror', args }, call)
  } catch (error) {
    await endJob(machine, mirrorJobOf(disk), forUndo(call))
    await removeRemains(machine, key, forUndo(call))
    await note(hostd, { record, volume: disk.volume }, undefined)
    if (!(error instanceof PluginError)) throw error
    throw new PluginError(error.code, error.message, 'none', error)
  }
}

async function compared(
  hostd: Hostd,
  what: Found & { readonly mirror: MirrorSpec },
  call: Call,
): Promise<MirrorProgress> {
  const { record, disk, mirror, known } = what
  const { source, target } = mirror
  const found = hostd.comparisons.look(mirror.id, { source, target, bytes: disk.bytes })
  switch (found.state) {
    case 'comparing':
      return { state: 'comparing', doneBytes: found.doneBytes, totalBytes: disk.bytes }
    case 'different':
      throw new PluginError('DAMAGED', `the copy of volume ${disk.volume} differs at ${found.offset}`, 'possible')
    case 'failed':
      hostd.comparisons.forget(mirror.id)
      throw new PluginError('UNAVAILABLE', `the copy of volume ${disk.volume}: ${found.why}`, 'none')
    case 'same':
      hostd.comparisons.forget(mirror.id)
      // A job that failed meanwhile has let writes of the guest go to the source alone.
      refuseFailed(disk, await jobOf(what.machine, mirrorJobOf(disk), call))
      if (known) await note(hostd, { record, volume: disk.volume }, { ...known, phase: 'same' })
      return { state: 'same' }
    default:
      return found satisfies never
  }
}

async function pivot(
  hostd: Hostd,
  what: { readonly machine: Machine; readonly disk: PluggedDisk; readonly known: MirrorRecord },
  call: Call,
): Promise<void> {
  const { machine, disk, known } = what
  const id = mirrorJobOf(disk)
  const job = await jobOf(machine, id, call)
  refuseFailed(disk, job)
  const record = hostd.records.get(machine.id)
  if (record) await note(hostd, { record, volume: disk.volume }, { ...known, phase: 'switching' })
  if (job?.status === 'ready') await execute(machine, { command: 'job-complete', args: { id } }, call)
  const why = await concluded(machine, id, call)
  const { side } = await seen(machine, disk.volume, call)
  if (side === known.to) return
  if (record) await note(hostd, { record, volume: disk.volume }, known)
  throw new PluginError('CONFLICT', `volume ${disk.volume} was not switched: ${why ?? 'its copy is gone'}`, 'none')
}

/** Closes what the disk is not on any more, or never was. */
async function leave(
  machine: Machine,
  { disk, side }: { readonly disk: PluggedDisk; readonly side: Side },
  call: Call,
): Promise<void> {
  await concluded(machine, mirrorJobOf(disk), call)
  await removeRemains(machine, remainsKey(disk, side), call)
}

/** Throws `CONFLICT` when the job has ended by itself, or is not there: then the disk is on its source alone. */
function refuseFailed(disk: PluggedDisk, job: Awaited<ReturnType<typeof jobOf>>): void {
  if (job && job.status !== 'concluded') return
  const why = job?.error ?? 'it is not there any more'
  throw new PluginError('CONFLICT', `the copy of volume ${disk.volume} failed: ${why}`, 'none')
}

async function note(
  hostd: Hostd,
  at: { readonly record: VmRecord; readonly volume: VolumeId },
  mirror: MirrorRecord | undefined,
): Promise<void> {
  await hostd.records.update(at.record.id, (current) => {
    const record = current ?? at.record
    const { [at.volume]: _before, ...rest } = record.mirrors ?? {}
    return { ...record, mirrors: mirror ? { ...rest, [at.volume]: mirror } : rest }
  })
}

async function diskOf(machine: Machine, volume: VolumeId, call: Call): Promise<PluggedDisk | undefined> {
  return (await machine.view(timeLeft(call))).disks.find((disk) => disk.volume === volume)
}

async function seen(machine: Machine, volume: VolumeId, call: Call): Promise<PluggedDisk> {
  const disk = await diskOf(machine, volume, call)
  if (disk) return disk
  throw new PluginError('NOT_FOUND', `VM ${machine.id} does not have volume ${volume} any more`, 'possible')
}

interface NamedNode {
  readonly 'node-name': string
  readonly image: { readonly 'virtual-size': number }
}

async function sizeOf(machine: Machine, node: string, call: Call): Promise<number> {
  const nodes = await execute<readonly NamedNode[]>(
    machine,
    { command: 'query-named-block-nodes', args: { flat: true } },
    call,
  )
  const found = nodes.find((each) => each['node-name'] === node)
  if (found) return found.image['virtual-size']
  throw new PluginError('INTERNAL', `QEMU has no node ${node}, which it has just opened`, 'possible')
}

function other(side: Side): Side {
  return side === 'first' ? 'second' : 'first'
}
