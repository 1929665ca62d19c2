import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { attachmentsOfVm, insertAttachment } from '../store/attachments.ts'
import { allHosts, updateHost } from '../store/hosts.ts'
import { poolById } from '../store/pools.ts'
import { vmById } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { poolMaintenanceCancel } from './pool-maintenance-cancel.ts'
import { poolMaintenance } from './pool-maintenance.ts'
import { clear, containing, ledgerFaults, leftHeld, settled } from './testing/checks.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmExpunge } from './vm-expunge.ts'
import { vmReboot } from './vm-reboot.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeAttach } from './volume-attach.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  for (const host of Object.values(world.hosts))
    await world.store.transact(async (tx) => updateHost(tx, host, { state: 'Up' }))
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  await clear(world)
})

async function withVolume(tags: readonly string[] = []): Promise<{ readonly vm: string; readonly volume: string }> {
  const [vm, volume] = [await world.vm(), await world.volume({ tags })]
  await world.done(volumeAttach, { vm, volume })
  return { vm, volume }
}

async function stateOf(vm: string): Promise<string | undefined> {
  return (await vmById(world.store.reader, vm))?.state
}

describe('a VM', () => {
  test('that runs can be started again, and one that is stopped can be stopped again: that is success', async () => {
    const { vm } = await withVolume()
    await world.done(vmStart, { vm })
    await world.done(vmStart, { vm })
    expect(await stateOf(vm)).toBe('Running')
    await world.done(vmStop, { vm, force: false })
    await world.done(vmStop, { vm, force: false })
    expect(await stateOf(vm)).toBe('Stopped')
  })

  test('starts on another host when its own is out, and only that host has access then', async () => {
    const { vm } = await withVolume()
    await world.done(vmStart, { vm, host: world.hosts.one })
    await world.done(vmStop, { vm, force: true })
    await world.store.transact(async (tx) => updateHost(tx, world.hosts.one, { state: 'Down' }))
    await world.done(vmStart, { vm })
    expect(await vmById(world.store.reader, vm)).toMatchObject({
      hostId: world.hosts.two,
      lastHostId: world.hosts.two,
      generation: 2,
    })
    const exposures = (await world.arrays()).filter(({ kind }) => kind === 'exposure')
    expect(exposures).toEqual([expect.objectContaining({ consumer: world.hosts.two })])
  })

  test('withdraws what an earlier stop left before it runs elsewhere', async () => {
    const { vm } = await withVolume()
    await world.done(vmStart, { vm, host: world.hosts.one })
    await world.simulator.faults.arm({ method: 'array/access/withdraw', kind: 'error-before', code: 'INTERNAL' })
    expect(await world.run(vmStop, { vm, force: true })).toMatchObject({ state: 'failed' })
    expect(await stateOf(vm)).toBe('Stopped')
    await world.done(vmStart, { vm, host: world.hosts.two })
    const exposures = (await world.arrays()).filter(({ kind }) => kind === 'exposure')
    expect(exposures).toEqual([expect.objectContaining({ consumer: world.hosts.two })])
    expect(await world.findings()).toEqual([])
  })

  test('makes at its start the volumes that were bound to it and live nowhere yet', async () => {
    const [vm, volume] = [await world.vm(), await world.volume({ qos: { totalIops: { min: 100 } } })]
    const binding = {
      volumeId: volume,
      vmId: vm,
      deviceId: 1,
      generation: 1,
      desired: 'attached',
      actual: 'detached',
    } as const
    await world.store.transact(async (tx) => insertAttachment(tx, binding))
    await world.done(vmStart, { vm })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready' })
    expect(await attachmentsOfVm(world.store.reader, vm)).toMatchObject([{ actual: 'attached' }])
    expect(await world.findings()).toEqual([])
  })

  test('that no host can take says so, and stays Stopped', async () => {
    const vm = await world.vm({ memoryBytes: 2 ** 50 })
    const ended = await world.run(vmStart, { vm })
    expect(ended).toMatchObject({
      state: 'failed',
      failure: { code: 'NO_CAPACITY', internal: containing('bytes of memory left') },
    })
    expect(await stateOf(vm)).toBe('Stopped')
  })

  test('never shares the last memory of a host with another that starts at the same moment', async () => {
    const { memoryBytes } = (await allHosts(world.store.reader)).find(({ id }) => id === world.hosts.one) ?? {
      memoryBytes: 0,
    }
    const vms = await Promise.all(Array.from({ length: 4 }, async () => world.vm({ memoryBytes: memoryBytes * 0.75 })))
    const ids = await Promise.all(vms.map(async (vm) => world.submit(vmStart, { vm })))
    const ends = await Promise.all(ids.map(async (id) => world.end(id)))
    expect(ends.map(({ state }) => state).sort()).toEqual(['failed', 'failed', 'succeeded', 'succeeded'])
  })

  test('can be rebooted only while it runs', async () => {
    const { vm } = await withVolume()
    expect(await world.run(vmReboot, { vm })).toMatchObject({ state: 'failed', failure: { code: 'INVALID' } })
    await world.done(vmStart, { vm })
    await world.done(vmReboot, { vm })
    expect(await world.findings()).toEqual([])
  })

  test('is expunged from where it stands, and its volumes stay', async () => {
    const { vm, volume } = await withVolume()
    await world.done(vmStart, { vm })
    await world.done(vmExpunge, { vm })
    expect((await vmById(world.store.reader, vm))?.removedAt).not.toBeNull()
    expect(await attachmentsOfVm(world.store.reader, vm)).toEqual([])
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready' })
    expect(await world.machines()).toEqual([])
  })

  test('that is stopped for good ends Destroyed', async () => {
    const { vm } = await withVolume()
    await world.done(vmStart, { vm })
    await world.done(vmStop, { vm, force: true, destroy: true })
    expect(await stateOf(vm)).toBe('Destroyed')
  })
})

describe('maintenance of a pool', () => {
  test('stops the VMs that use it and no others, takes nothing new, and starts them again when it is cancelled', async () => {
    const [mine, other] = [await withVolume(['fast']), await withVolume(['slow'])]
    for (const { vm } of [mine, other]) await world.done(vmStart, { vm })
    await world.done(poolMaintenance, { pool: world.pools.fast })
    expect([await stateOf(mine.vm), await stateOf(other.vm)]).toEqual(['Stopped', 'Running'])
    expect(await poolById(world.store.reader, world.pools.fast)).toMatchObject({ state: 'Maintenance' })
    expect(await world.run(vmStart, { vm: mine.vm })).toMatchObject({
      state: 'failed',
      failure: { code: 'UNAVAILABLE' },
    })
    const volume = await world.volume({ tags: ['fast'] })
    expect(await world.run(volumeAttach, { vm: other.vm, volume })).toMatchObject({ state: 'failed' })
    await world.done(poolMaintenanceCancel, { pool: world.pools.fast })
    await settled(world)
    expect(await stateOf(mine.vm)).toBe('Running')
  })

  test('ends in ErrorInMaintenance when a VM cannot be stopped, and can be asked again', async () => {
    const { vm } = await withVolume(['fast'])
    await world.done(vmStart, { vm })
    await world.simulator.faults.arm({ method: 'host/vms/stop', kind: 'error-before', code: 'INTERNAL' })
    const ended = await world.run(poolMaintenance, { pool: world.pools.fast })
    expect(ended).toMatchObject({ state: 'failed', failure: { text: containing(vm) } })
    expect(await poolById(world.store.reader, world.pools.fast)).toMatchObject({ state: 'ErrorInMaintenance' })
    expect(await stateOf(vm)).toBe('Running')
    await world.done(poolMaintenance, { pool: world.pools.fast })
  })
})
