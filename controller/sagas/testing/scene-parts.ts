import { randomUUID } from 'node:crypto'
import type { Call, HostId, VolumeId } from '@moorage/contract'
import { connectionsWithdrawing, intendConnection } from '../../store/connections.ts'
import { insertAttachment } from '../../store/attachments.ts'
import { hostById } from '../../store/hosts.ts'
import { locationOf } from '../../store/locations.ts'
import { vmById } from '../../store/vms.ts'
import { updateVolume } from '../../store/volumes.ts'
import { snapshotCreate } from '../snapshot-create.ts'
import { vmMigrate } from '../vm-migrate.ts'
import { vmStart } from '../vm-start.ts'
import { vmStop } from '../vm-stop.ts'
import { volumeAttach } from '../volume-attach.ts'
import { volumeDelete } from '../volume-delete.ts'
import { volumeDetach } from '../volume-detach.ts'
import type { World } from './world.ts'

/** A QoS vector that the simulated arrays keep. */
export const QOS = { totalIops: { min: 100, max: 1000 } }

/** A VM and a volume of it. */
export interface Pair {
  readonly vm: string
  readonly volume: string
}

/** A running VM with a volume. */
export async function plugged(world: World, tags: readonly string[] = []): Promise<Pair> {
  const [vm, volume] = [await world.vm(), await world.volume({ qos: QOS, tags })]
  await world.done(vmStart, { vm })
  await world.done(volumeAttach, { vm, volume })
  return { vm, volume }
}

/** A volume of a running VM, with limits that the hypervisor enforces. */
export async function throttled(world: World): Promise<string> {
  const limited = { qos: { totalIops: { max: 500 } }, tier: 'hypervisor' } as const
  const [vm, volume] = [await world.vm(), await world.volume(limited)]
  await world.done(vmStart, { vm })
  await world.done(volumeAttach, { vm, volume })
  return volume
}

/** A volume on an array, attached to a stopped VM. */
async function resting(world: World): Promise<Pair> {
  const [vm, volume] = [await world.vm(), await world.volume({ qos: QOS })]
  await world.done(volumeAttach, { vm, volume })
  return { vm, volume }
}

/** A volume on an array that is attached to nothing. */
export async function idle(world: World): Promise<string> {
  const { volume } = await resting(world)
  await world.done(volumeDetach, { volume })
  return volume
}

/** A running VM with two volumes. */
export async function pluggedTwice(world: World): Promise<Pair> {
  const pair = await plugged(world)
  await world.done(volumeAttach, { vm: pair.vm, volume: await world.volume({ qos: QOS }) })
  return pair
}

/** As `resting`, with a snapshot of the volume. */
export async function snapped(world: World): Promise<Pair & { readonly snapshot: string }> {
  const rest = await resting(world)
  const snapshot = await world.snapshot(rest.volume)
  await world.done(snapshotCreate, { snapshot })
  return { ...rest, snapshot }
}

/** A stopped VM whose host kept its access: the array refused to withdraw it. With a snapshot of the volume. */
export async function kept(world: World): Promise<Pair & { readonly snapshot: string }> {
  const pair = await plugged(world)
  const snapshot = await world.snapshot(pair.volume)
  await world.done(snapshotCreate, { snapshot })
  await world.simulator.faults.arm({ method: 'array/access/withdraw', kind: 'error-before', code: 'DENIED' })
  const { state } = await world.run(vmStop, { vm: pair.vm, force: true })
  if (state !== 'failed') throw new Error(`the stop of VM ${pair.vm} ended ${state}`)
  return { ...pair, snapshot }
}

/** A VM that migrated, and the host that it came from, which kept its access: the array refused to withdraw it. */
export async function leftBehind(world: World): Promise<{ readonly vm: string; readonly host: string }> {
  const { vm } = await plugged(world)
  const host = (await vmById(world.store.reader, vm))?.hostId ?? ''
  await world.simulator.faults.arm({ method: 'array/access/withdraw', kind: 'error-before', code: 'DENIED' })
  const { state } = await world.run(vmMigrate, { vm })
  if (state !== 'failed') throw new Error(`the migration of VM ${vm} ended ${state}`)
  return { vm, host }
}

/** An unattached volume to which a host still has access, as if a withdrawal had been lost from sight. */
export async function lingering(world: World): Promise<string> {
  const volume = await idle(world)
  const { store, plugins } = world
  const location = await locationOf(store.reader, volume)
  const host = await hostById(store.reader, world.hosts.one)
  if (!location || !host) throw new Error(`volume ${volume} lives nowhere, or its host is not registered`)
  // Ids of ours are made by us; the brands only keep kinds apart.
  const [source, consumer] = [volume as VolumeId, host.id as HostId]
  const exposure = {
    source: { kind: 'volume', id: source },
    consumer: { kind: 'host', id: consumer, initiator: host.initiator },
    mode: 'rw',
    account: 'tenant',
  } as const
  await (await plugins.pool(location.poolId)).provider(() => {}).access.expose(exposure, await latest(world))
  await store.transact(async (tx) => {
    await intendConnection(tx, { volume, host: host.id, pool: location.poolId, generation: 1 })
    await connectionsWithdrawing(tx, [volume])
  })
  return volume
}

/** A deleted volume whose bytes its array kept for a snapshot; answers the snapshot. */
export async function tombstone(world: World): Promise<string> {
  const { volume, snapshot } = await snapped(world)
  await world.done(volumeDetach, { volume })
  await world.simulator.faults.arm({ method: 'array/volumes/delete', kind: 'error-before', code: 'IN_USE' })
  await world.done(volumeDelete, { volume })
  return snapshot
}

/** A stopped VM whose host kept access to one volume, and with a second one that lives nowhere yet. */
export async function half(world: World): Promise<Pair> {
  const { vm } = await kept(world)
  const volume = await world.volume({ qos: QOS })
  // As a VM is deployed with a disk offering.
  await world.store.transact(async (tx) => {
    await updateVolume(tx, volume, { generation: 1 })
    const row = { volumeId: volume, vmId: vm, deviceId: 2, generation: 1 }
    await insertAttachment(tx, { ...row, desired: 'attached', actual: 'detached' })
  })
  return { vm, volume }
}

/** A call under the fence of the last operation: of something that was done before, outside of any. */
export async function latest({ store }: World): Promise<Call> {
  const { fence } = await store.reader
    .selectFrom('operation')
    .select((row) => row.fn.max('fence').as('fence'))
    .executeTakeFirstOrThrow()
  return { key: randomUUID(), deadline: Date.now() + 5_000, signal: new AbortController().signal, fence }
}
