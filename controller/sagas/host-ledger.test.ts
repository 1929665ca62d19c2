import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { attachmentOf } from '../store/attachments.ts'
import { chargesOfHosts } from '../store/host-charges.ts'
import { updateHost } from '../store/hosts.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmMigrate } from './vm-migrate.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDetach } from './volume-detach.ts'
import { volumeResize } from './volume-resize.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())

const CAP = 1000
beforeEach(async () => {
  await world.store.transact(async (tx) => {
    await updateHost(tx, world.hosts.one, { capacityIops: CAP })
    await updateHost(tx, world.hosts.two, { capacityIops: CAP })
  })
})

const THROTTLED = { tier: 'hypervisor', qos: { totalIops: { max: 400 } } } as const

/** What is charged to host one and to host two. */
async function charged(): Promise<readonly [number, number]> {
  const { one, two } = world.hosts
  const charges = await chargesOfHosts(world.store.reader, [one, two])
  return [charges.get(one)?.iops ?? 0, charges.get(two)?.iops ?? 0]
}

async function runningOn(host: string): Promise<string> {
  const vm = await world.vm()
  await world.done(vmStart, { vm, host })
  return vm
}

describe('what a host throttles itself', () => {
  test('is charged to it at the attach, up to its cap and in no race beyond, and given back at the detach', async () => {
    const vms = [await runningOn(world.hosts.one), await runningOn(world.hosts.one), await runningOn(world.hosts.one)]
    const volumes = [await world.volume(THROTTLED), await world.volume(THROTTLED), await world.volume(THROTTLED)]
    const attaches = volumes.map((volume, at) => world.run(volumeAttach, { volume, vm: vms[at] ?? '' }))
    const ended = await Promise.all(attaches)
    expect(ended.map(({ state }) => state).toSorted()).toEqual(['failed', 'succeeded', 'succeeded'])
    const [refused] = ended.flatMap(({ failure }) => (failure ? [failure.text] : []))
    expect(refused).toContain('400 IOPS needed, at most 200 of 1000 IOPS available')
    expect(refused).not.toContain('host-')
    expect(await charged()).toEqual([800, 0])
    for (const volume of volumes)
      if (await attachmentOf(world.store.reader, volume)) await world.done(volumeDetach, { volume })
    expect(await charged()).toEqual([0, 0])
    for (const vm of vms) await world.done(vmStop, { vm, force: true })
  })

  test('goes where the VM goes, and is free while it is stopped; a host without room does not take it', async () => {
    const vm = await runningOn(world.hosts.one)
    for (const volume of [await world.volume(THROTTLED), await world.volume(THROTTLED)])
      await world.done(volumeAttach, { volume, vm })
    await world.done(vmMigrate, { vm, host: world.hosts.two })
    expect(await charged()).toEqual([0, 800])
    await world.store.transact(async (tx) => updateHost(tx, world.hosts.one, { capacityIops: 799 }))
    const back = await world.run(vmMigrate, { vm, host: world.hosts.one })
    expect(back.failure?.internal).toContain('needs 800 IOPS, the host has 799 of 799')
    expect(await charged()).toEqual([0, 800])
    await world.done(vmStop, { vm, force: true })
    expect(await charged()).toEqual([0, 0])
    expect(await world.run(vmStart, { vm, host: world.hosts.one })).toMatchObject({ state: 'failed' })
    await world.done(vmStart, { vm })
    expect(await charged()).toEqual([0, 800])
    await world.done(vmStop, { vm, force: true })
  })

  test('is charged at the start for volumes that live nowhere yet, each after those before it', async () => {
    const vm = await world.vm()
    const volumes = [await world.volume(THROTTLED), await world.volume(THROTTLED)]
    for (const volume of volumes) await world.done(volumeAttach, { volume, vm })
    expect(await charged()).toEqual([0, 0])
    await world.done(vmStart, { vm, host: world.hosts.one })
    expect(await charged()).toEqual([800, 0])
    await world.done(vmStop, { vm, force: true })
  })

  test('is the larger of before and after while it changes, and what it was when that fails', async () => {
    const vm = await runningOn(world.hosts.one)
    const volume = await world.volume(THROTTLED)
    await world.done(volumeAttach, { volume, vm })
    const to = (max: number) => world.run(volumeResize, { volume, qos: { totalIops: { max } } })
    expect((await to(CAP + 1)).failure?.text).toContain('1001 IOPS needed, at most 1000 of 1000 IOPS available')
    expect(await charged()).toEqual([400, 0])
    expect(await to(CAP)).toMatchObject({ state: 'succeeded' })
    expect(await charged()).toEqual([CAP, 0])
    await world.simulator.faults.arm({ method: 'host/throttle/apply', kind: 'error-before' })
    const failed = await to(100)
    await world.simulator.faults.clear()
    expect(failed).toMatchObject({ state: 'failed' })
    expect(await charged()).toEqual([CAP, 0])
    expect(await to(100)).toMatchObject({ state: 'succeeded' })
    expect(await charged()).toEqual([100, 0])
    await world.done(vmStop, { vm, force: true })
  })
})
