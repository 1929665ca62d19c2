import {
  type AccessMode,
  type HostId,
  PluginError,
  type Qos,
  serialOf,
  type SnapshotId,
  type Source,
  type VmId,
  type VolumeId,
} from '@moorage/contract'
import type { FindingClass } from '../domain/census-classes.ts'
import { Refusal } from '../domain/failures.ts'
import type { StepContext } from '../jobs/saga.ts'
import { hostById } from '../store/hosts.ts'
import { moverById } from '../store/movers.ts'
import { locationOf } from '../store/locations.ts'
import { sealedOf, unsealConnection } from '../store/connections.ts'
import { giveAccess, withdrawAccess } from './access.ts'
import { part, saying } from './calls.ts'
import type { Begun } from './census-begin.ts'
import { accessIn, diskIn, lookFor, type Seen } from './census-look.ts'
import type { SagaDeps } from './deps.ts'

/** What was done on the back end, as far as the record must know. */
export interface Done {
  /** The connection of access that was given, sealed. */
  readonly sealed?: string
  /** The size that a volume has now. */
  readonly bytes?: number
  readonly applied?: Qos
  readonly observed?: Qos
  readonly device?: string
}

/** What is to be done, and what was seen just before. */
export interface Doing {
  readonly begun: Begun
  readonly seen: Seen
}

type Act = (deps: SagaDeps, doing: Doing, context: StepContext) => Promise<Done>

/** What repairing does outside; a class that is not here is repaired in the record alone. Each may be repeated. */
const REPAIRS: Readonly<Partial<Record<FindingClass, Act>>> = {
  'orphan-vm': endMachine,
  'drifted-vm': endMachine,
  'duplicated-vm': endMachine,
  'ghost-exposure': giveAgain,
  'drifted-access': async (deps, doing, context) => {
    await withdrawFound(deps, doing, context)
    return giveAgain(deps, doing, context)
  },
  'stale-exposure': withdrawFound,
  'ghost-vm': async (deps, { begun }, context) => {
    await withdrawAccess(deps, begun.abroad?.grants ?? [], context)
    return {}
  },
  'ghost-disk': plugAgain,
  'stale-disk': unplug,
  'drifted-size': growAgain,
  'drifted-qos': applyAgain,
  'stale-structure': removeStructure,
}

/**
 * Reads a repair back: where the back end was changed, it shows the finding no more. A back end that says that it did as asked
 * and shows the same as before is not believed.
 */
export async function readBack(
  deps: SagaDeps,
  what: { readonly begun: Begun; readonly done: Done },
  context: StepContext,
): Promise<void> {
  const { finding, action } = what.begun
  // What is repaired in the record is so a step later, by nobody but us: a VM whose machine is gone.
  if (action !== 'repair' || !REPAIRS[finding.class] || finding.class === 'ghost-vm') return
  const { holds, seen } = await lookFor(deps, finding, context)
  // The record may be what follows: then the sizes differ still.
  if (finding.class === 'drifted-size' ? seen.bytes !== what.done.bytes : holds)
    throw new Refusal('INTERNAL', 'The back end accepted the repair, and shows the same as before')
}

/** Does on the back end what the action asks for. */
export async function actOn(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { action, finding } = doing.begun
  if (action === 'recycle') return withdrawAll(deps, doing, context)
  if (action === 'adopt') return lookAsVolume(deps, doing, context)
  return (await REPAIRS[finding.class]?.(deps, doing, context)) ?? {}
}

async function providerOf(deps: SagaDeps, { begun }: Doing, context: StepContext) {
  return (await deps.plugins.pool(begun.finding.place.id)).provider(context.log)
}

async function adapterOf(deps: SagaDeps, { begun }: Doing, context: StepContext) {
  return (await deps.plugins.host(begun.finding.place.id)).adapter(context.log)
}

/** An inventory shows what bears our mark; whether the back end serves it, only itself can say. */
async function lookAsVolume(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { volumes, snapshots } = await providerOf(deps, doing, context)
  const [kind, id = ''] = doing.begun.finding.object.split(':')
  const call = part(context.call, 'get')
  // Ids of ours are made by us; the brands only keep kinds apart.
  const known =
    kind === 'volume' ? await volumes.get(id as VolumeId, call) : await snapshots?.get(id as SnapshotId, call) // As above.
  const limits = known && 'qos' in known ? known.qos : undefined
  if (known) return { bytes: known.bytes, ...(limits ? { applied: limits.applied } : {}) }
  throw new Refusal(
    'INVALID',
    `The storage system holds bytes of ${doing.begun.finding.object}, and does not serve them`,
  )
}

async function withdraw(
  deps: SagaDeps,
  what: Doing & { readonly source: Source; readonly host: string },
  context: StepContext,
): Promise<void> {
  const { source, host } = what
  const { access } = await providerOf(deps, what, context)
  const mover = await moverById(deps.store.reader, host)
  const known = mover ?? (await hostById(deps.store.reader, host))
  // A host that is not registered any more has no name for us: the array knows it by its id.
  const initiator = known?.initiator ?? `iqn.2026-01.cloud.moorage:${host}`
  const consumer = { kind: mover ? 'mover' : 'host', id: host as HostId, initiator } as const // An id of ours is made by us.
  await saying('The storage system did not withdraw the access', async () =>
    access.withdraw({ source, consumer }, part(context.call, `withdraw/${source.id}/${host}`)),
  )
}

async function withdrawAll(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const [kind, id = ''] = doing.begun.finding.object.split(':')
  // What is recycled is a volume or a snapshot, under an id of ours.
  const source = { kind, id } as Source
  for (const host of doing.seen.consumers) await withdraw(deps, { ...doing, source, host }, context)
  return {}
}

async function withdrawFound(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { source, host } = accessIn(doing.begun.finding.object)
  await withdraw(deps, { ...doing, source: source as Source, host }, context) // Written from a source of the contract.
  return {}
}

async function giveAgain(deps: SagaDeps, { begun }: Doing, context: StepContext): Promise<Done> {
  const { finding, volume, initiator } = begun
  const { host } = accessIn(finding.object)
  if (!volume || initiator === undefined)
    throw new Refusal('INVALID', 'The volume or the host of the access is not recorded any more')
  const grant = { volume: volume.id, host, pool: finding.place.id, initiator, account: volume.chapAccount }
  return { sealed: await giveAccess(deps, grant, context) }
}

async function endMachine(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { vms } = await adapterOf(deps, doing, context)
  const id = doing.begun.finding.object.slice('vm:'.length) as VmId // Written from an id of ours.
  await saying('The host did not end the machine', async () =>
    vms.stop(id, { force: true }, part(context.call, `stop/${id}`)),
  )
  return {}
}

async function plugAgain(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { finding, attachment } = doing.begun
  const { vm, volume } = diskIn(finding.object)
  const host = finding.place.id
  const sealed = await sealedOf(deps.store.reader, { volume, host })
  const location = await locationOf(deps.store.reader, volume)
  if (!attachment || !location || sealed === undefined)
    throw new Refusal('INVALID', 'The disk cannot be plugged: the access of its host is not recorded as given')
  const id = volume as VolumeId // Written from an id of ours.
  const disk = {
    volume: id,
    generation: attachment.generation,
    connection: unsealConnection(deps.store, { volume, host }, sealed),
    mode: 'rw' satisfies AccessMode,
    serial: serialOf(id),
    deviceId: attachment.deviceId,
    throttle: location.qosTier === 'hypervisor' ? (doing.begun.volume?.qos ?? {}) : {},
  } as const
  const { disks } = await adapterOf(deps, doing, context)
  const { device } = await saying(
    'The hypervisor did not take the volume',
    async () => disks.attach(vm as VmId, disk, part(context.call, 'attach')), // As above.
  )
  return { device }
}

async function unplug(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { vm, volume } = diskIn(doing.begun.finding.object)
  const { disks } = await adapterOf(deps, doing, context)
  const disk = { volume: volume as VolumeId, generation: doing.seen.generation } // Written from an id of ours.
  await saying(
    'The virtual machine did not let go of the disk',
    async () => disks.detach(vm as VmId, disk, part(context.call, 'detach')), // As above.
  )
  return {}
}

async function growAgain(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { volume } = doing.begun
  if (!volume) throw new Refusal('INVALID', 'The volume is not recorded any more')
  const { resize } = await providerOf(deps, doing, context)
  const bytes = Math.max(volume.bytes, doing.seen.bytes)
  if (!resize && doing.seen.bytes === bytes) return { bytes }
  if (!resize) throw new PluginError('UNSUPPORTED', 'the provider grows no volumes', 'none')
  // Also where the array's is the larger: what it holds, and what it knows of, may be two things.
  const grown = await saying(
    'The storage system did not grow the volume',
    async () => resize.grow(volume.id as VolumeId, bytes, part(context.call, 'grow')), // An id of ours.
  )
  return { bytes: grown.bytes }
}

async function applyAgain(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { volume } = doing.begun
  const { qos } = await providerOf(deps, doing, context)
  if (!volume || !qos) throw new Refusal('INVALID', 'The volume is not recorded any more')
  const id = volume.id as VolumeId // An id of ours is made by us.
  return saying('The storage system did not apply the limits', async () => {
    const { applied } = await qos.apply(id, volume.qos, part(context.call, 'apply'))
    return { applied, observed: await qos.read(id, part(context.call, 'read')) }
  })
}

async function removeStructure(deps: SagaDeps, doing: Doing, context: StepContext): Promise<Done> {
  const { finding } = doing.begun
  const facets =
    finding.place.kind === 'pool' ? await providerOf(deps, doing, context) : await adapterOf(deps, doing, context)
  const { inventory } = facets
  if (!inventory.remove)
    throw new Refusal('INVALID', 'The back end cannot remove it: that is for its own administrator')
  const name = finding.object.slice('structure:'.length)
  await saying('The back end did not remove it', async () => inventory.remove?.(name, part(context.call, 'remove')))
  return {}
}
