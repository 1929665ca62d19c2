import { randomUUID } from 'node:crypto'
import { type HostId, serialOf, type SnapshotId, type VmId, type VolumeId } from '@moorage/contract'
import { expect } from 'vitest'
import type { FindingClass } from '../../domain/census-classes.ts'
import { attachmentOf } from '../../store/attachments.ts'
import { updateFinding } from '../../store/findings.ts'
import { hostById } from '../../store/hosts.ts'
import { locationOf } from '../../store/locations.ts'
import { snapshotById } from '../../store/snapshots.ts'
import { volumeById } from '../../store/volumes.ts'
import { censusPurge } from '../census-purge.ts'
import { vmStart } from '../vm-start.ts'
import { volumeAttach } from '../volume-attach.ts'
import { volumeDetach } from '../volume-detach.ts'
import { probe } from './places.ts'
import { idle, latest, plugged, QOS, snapped } from './scene-parts.ts'
import { findingOf, stray } from './scenes-census.ts'
import type { World } from './world.ts'

async function provider(world: World, pool: string) {
  return (await world.plugins.pool(pool)).provider(() => {})
}
async function adapter(world: World, host: string) {
  return (await world.plugins.host(host)).adapter(() => {})
}

/** The pool and array where a volume lives, and the host of the VM that has it. */
export async function whereabouts(world: World, volume: string) {
  const location = await locationOf(world.store.reader, volume)
  const attachment = await attachmentOf(world.store.reader, volume)
  const vm = await world.store.reader
    .selectFrom('vm')
    .select('hostId')
    .where('id', '=', attachment?.vmId ?? null)
    .executeTakeFirst()
  const pool = location?.poolId ?? ''
  return { pool, array: pool === world.pools.fast ? 'fast' : 'slow', host: vm?.hostId ?? '' }
}

/** One fault, planted at the back end: what the census is to find, and what is true once it is resolved. */
export interface Planted {
  readonly object: string
  /** What else there is to find, as `class object`, and to repair before. */
  readonly also?: string
  readonly resolve: { readonly action: 'adopt' | 'recycle' | 'repair'; readonly more?: object }
  readonly check: () => Promise<void>
}

const CONFIRM = { action: 'repair', more: { confirm: true } } as const
const REPAIR = { action: 'repair' } as const

/** How each class comes about behind our back. */
export const PLANTS: Readonly<Partial<Record<FindingClass, (world: World) => Promise<Planted>>>> = {
  'orphan-volume': async (world) => {
    const id = await stray(world)
    const check = async () => {
      expect(await volumeById(world.store.reader, id)).toMatchObject({
        state: 'Ready',
        name: 'found',
        bytes: 1024 ** 2,
      })
      // It is as good as any other: a VM takes it.
      const vm = await world.vm()
      await world.done(vmStart, { vm })
      await world.done(volumeAttach, { vm, volume: id })
    }
    const more = { account: world.account, name: 'found' }
    return { object: `volume:${id}`, resolve: { action: 'adopt', more }, check }
  },
  'orphan-snapshot': async (world) => {
    const volume = await idle(world)
    const id = randomUUID()
    const { snapshots } = await provider(world, (await whereabouts(world, volume)).pool)
    // Ids made as the controller makes them.
    await snapshots?.create({ id: id as SnapshotId, volume: volume as VolumeId }, await latest(world))
    const check = async () =>
      expect(await snapshotById(world.store.reader, id)).toMatchObject({ state: 'BackedUp', volumeId: volume })
    return { object: `snapshot:${id}`, resolve: { action: 'adopt', more: { account: world.account } }, check }
  },
  'duplicated-volume': async (world) => {
    const volume = await idle(world)
    const { pool } = await whereabouts(world, volume)
    const other = pool === world.pools.fast ? world.pools.slow : world.pools.fast
    await stray(world, { id: volume, pool: other })
    const check = async () => {
      const { id } = await findingOf(world, `volume:${volume}`)
      await overdue(world, id)
      await world.done(censusPurge, { finding: id })
      expect((await world.arrays()).filter((item) => item.kind === 'volume')).toHaveLength(2)
    }
    return { object: `volume:${volume}`, resolve: { action: 'recycle' }, check }
  },
  'ghost-volume': async (world) => {
    const volume = await idle(world)
    const { array } = await whereabouts(world, volume)
    await world.simulator.send('console/delete', { array, kind: 'volume', id: volume })
    const check = async () => {
      expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Error' })
      expect(await locationOf(world.store.reader, volume)).toBeUndefined()
      const events = await world.store.reader
        .selectFrom('event')
        .select('type')
        .where('resourceId', '=', volume)
        .execute()
      expect(events.map(({ type }) => type)).toContain('VOLUME.LOST')
    }
    return { object: `volume:${volume}`, resolve: CONFIRM, check }
  },
  'ghost-snapshot': async (world) => {
    const { volume, snapshot } = await snapped(world)
    const { array } = await whereabouts(world, volume)
    await world.simulator.send('console/delete', { array, kind: 'snapshot', id: snapshot })
    const check = async () => expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'Error' })
    return { object: `snapshot:${snapshot}`, resolve: CONFIRM, check }
  },
  'ghost-exposure': async (world) => {
    const { volume } = await plugged(world)
    const { pool, host } = await whereabouts(world, volume)
    await (await provider(world, pool)).access.withdraw(await accessOf(world, volume, host), await latest(world))
    const check = async () => expect((await world.arrays()).filter((item) => item.kind === 'exposure')).toHaveLength(2)
    return { object: `exposure:volume:${volume}@${host}`, resolve: REPAIR, check }
  },
  'ghost-disk': async (world) => {
    const { vm, volume } = await plugged(world)
    const { host } = await whereabouts(world, volume)
    const disk = { volume: volume as VolumeId, generation: 1 } // Ids of ours.
    await (await adapter(world, host)).disks.detach(vm as VmId, disk, await latest(world)) // As above.
    const check = async () => expect((await world.machines()).filter((item) => item.kind === 'disk')).toHaveLength(2)
    return { object: `disk:${vm}/${volume}`, resolve: REPAIR, check }
  },
  'drifted-size': async (world) => {
    const volume = await idle(world)
    const { resize } = await provider(world, (await whereabouts(world, volume)).pool)
    await resize?.grow(volume as VolumeId, 2 ** 31, await latest(world)) // An id of ours.
    const check = async () => expect(await locationOf(world.store.reader, volume)).toMatchObject({ bytes: 2 ** 31 })
    return { object: `volume:${volume}`, resolve: REPAIR, check }
  },
  'drifted-qos': async (world) => {
    const volume = await idle(world)
    const { array, pool } = await whereabouts(world, volume)
    await world.simulator.send('console/set-qos', { array, volume, qos: { totalIops: { max: 77 } } })
    const check = async () =>
      // An id of ours.
      expect(await (await provider(world, pool)).qos?.read(volume as VolumeId, probe('read'))).toEqual(QOS)
    return { object: `qos:${volume}`, resolve: REPAIR, check }
  },
  'stale-exposure': async (world) => {
    const volume = await idle(world)
    const { pool } = await whereabouts(world, volume)
    await expose(world, pool, volume)
    const check = async () => expect((await world.arrays()).filter((item) => item.kind === 'exposure')).toHaveLength(1)
    return { object: `exposure:volume:${volume}@${world.hosts.one}`, resolve: REPAIR, check }
  },
  'stale-structure': async (world) => {
    const volume = await idle(world)
    const { pool } = await whereabouts(world, volume)
    const group = randomUUID()
    const members = [{ id: randomUUID() as SnapshotId, volume: volume as VolumeId }] // Ids of ours.
    const call = { ...(await latest(world)), deadline: Date.now() + 60_000 }
    await (await provider(world, pool)).groupSnapshots?.prepare(group, members, call)
    return { object: `structure:${group}`, resolve: REPAIR, check: async () => {} }
  },
  'drifted-disk': async (world) => {
    const { vm, volume } = await plugged(world)
    const { host } = await whereabouts(world, volume)
    const disk = { volume: volume as VolumeId, generation: 1 } // Ids of ours.
    await (await adapter(world, host)).disks.detach(vm as VmId, disk, await latest(world)) // As above.
    await plug(world, { vm, volume, host })
    const check = async () => {
      expect(await attachmentOf(world.store.reader, volume)).toMatchObject({ generation: LATER, actual: 'attached' })
      expect(await volumeById(world.store.reader, volume)).toMatchObject({ generation: LATER })
      await world.done(volumeDetach, { volume })
    }
    return { object: `disk:${vm}/${volume}`, resolve: REPAIR, check }
  },
  'stale-disk': async (world) => {
    const volume = await idle(world)
    const other = await plugged(world)
    const { host } = await whereabouts(world, other.volume)
    await plug(world, { vm: other.vm, volume, host })
    const check = async () => expect((await world.machines()).filter((item) => item.kind === 'disk')).toHaveLength(2)
    const also = `stale-exposure exposure:volume:${volume}@${host}`
    return { object: `disk:${other.vm}/${volume}`, also, resolve: REPAIR, check }
  },
  'drifted-access': async (world) => {
    const { volume } = await plugged(world)
    const { pool, host } = await whereabouts(world, volume)
    const { access } = await provider(world, pool)
    const given = await accessOf(world, volume, host)
    await access.withdraw(given, await latest(world))
    await access.expose({ ...given, mode: 'ro', account: 'tenant' }, await latest(world))
    const check = async () =>
      expect((await world.arrays()).filter((item) => 'mode' in item && item.mode === 'ro')).toEqual([])
    return { object: `exposure:volume:${volume}@${host}`, resolve: CONFIRM, check }
  },
  'orphan-vm': async (world) => {
    const id = randomUUID()
    await start(world, world.hosts.two, id)
    return { object: `vm:${id}`, resolve: CONFIRM, check: async () => gone(world, id) }
  },
  'drifted-vm': async (world) => {
    const id = await world.vm()
    await start(world, world.hosts.two, id)
    return { object: `vm:${id}`, resolve: CONFIRM, check: async () => gone(world, id) }
  },
  'duplicated-vm': async (world) => {
    const { vm, volume } = await plugged(world)
    const { host } = await whereabouts(world, volume)
    await start(world, host === world.hosts.one ? world.hosts.two : world.hosts.one, vm)
    const check = async () =>
      expect(
        (await world.machines()).filter((item) => item.kind === 'vm' && item.owner === 'ours' && item.id === vm),
      ).toHaveLength(1)
    return { object: `vm:${vm}`, resolve: CONFIRM, check }
  },
}

/** A generation that no attachment of a test has come to. */
const LATER = 9

/** Plugs a volume into a machine behind our back. */
async function plug(
  world: World,
  what: { readonly vm: string; readonly volume: string; readonly host: string },
): Promise<void> {
  const { vm, volume, host } = what
  const { pool } = await whereabouts(world, volume)
  const { access } = await provider(world, pool)
  const given = await accessOf(world, volume, host)
  const connection = await access.expose({ ...given, mode: 'rw', account: 'tenant' }, await latest(world))
  const id = given.source.id
  const disk = {
    volume: id,
    generation: LATER,
    connection,
    mode: 'rw',
    serial: serialOf(id),
    deviceId: 7,
    throttle: {},
  } as const
  await (await adapter(world, host)).disks.attach(vm as VmId, disk, await latest(world)) // An id of ours.
}

/** Starts a machine on a host behind our back. */
export async function start(world: World, host: string, vm: string): Promise<void> {
  const spec = { id: vm as VmId, name: 'planted', cpus: 1, memoryBytes: 2 ** 30, disks: [] } // An id of ours, or one that no record has.
  await (await adapter(world, host)).vms.start(spec, await latest(world))
}

async function gone(world: World, vm: string): Promise<void> {
  const left = (await world.machines()).filter((item) => item.kind === 'vm' && item.owner === 'ours' && item.id === vm)
  expect(left.filter((item) => 'state' in item && item.state !== 'stopped')).toEqual([])
}

/** A host's access to a volume, in the words of the contract. */
async function accessOf(world: World, volume: string, host: string) {
  const initiator = (await hostById(world.store.reader, host))?.initiator ?? ''
  return {
    source: { kind: 'volume', id: volume as VolumeId }, // An id of ours is made by us; the brand only keeps kinds apart.
    consumer: { kind: 'host', id: host as HostId, initiator }, // As above.
  } as const
}

/** Gives host `one` access to a volume of ours. */
export async function expose(world: World, pool: string, volume: string): Promise<void> {
  const access = await accessOf(world, volume, world.hosts.one)
  await (await provider(world, pool)).access.expose({ ...access, mode: 'rw', account: 'tenant' }, await latest(world))
}

/** A finding's object has been in the recycle bin for ever. */
export async function overdue(world: World, finding: string): Promise<void> {
  await world.store.transact(async (tx) => updateFinding(tx, finding, { recycledAt: new Date(0) }))
}
