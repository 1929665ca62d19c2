import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { hostById, updateHost } from '../store/hosts.ts'
import { vmById } from '../store/vms.ts'
import { hostMaintenance } from './host-maintenance.ts'
import { clear, containing, ledgerFaults, leftHeld, settled } from './testing/checks.ts'
import { plugged } from './testing/scene-parts.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmMigrate } from './vm-migrate.ts'
import { vmStop } from './vm-stop.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  await settled(world)
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  expect(await world.findings()).toEqual([])
  await clear(world)
})

/** A running VM with a volume, its host, and the other one. */
async function running(): Promise<{ readonly vm: string; readonly here: string; readonly there: string }> {
  const { vm } = await plugged(world)
  const here = (await vmById(world.store.reader, vm))?.hostId
  const { one, two } = world.hosts
  return here === one ? { vm, here: one, there: two } : { vm, here: two, there: one }
}

async function disable(host: string): Promise<void> {
  await world.store.transact(async (tx) => updateHost(tx, host, { resourceState: 'Disabled' }))
}

const vmNow = async (vm: string) => vmById(world.store.reader, vm)
const stateOf = async (host: string) => (await hostById(world.store.reader, host))?.resourceState

describe('a host that is taken out of service', () => {
  test('also sends away a VM that was on its way to it', async () => {
    const { vm, here, there } = await running()
    await world.simulator.faults.arm({ method: 'host/migration/arrive', kind: 'hold-before' })
    const migration = await world.submit(vmMigrate, { vm })
    await world.simulator.faults.held('host/migration/arrive')
    const maintenance = await world.submit(hostMaintenance, { host: there })
    await expect.poll(async () => stateOf(there)).toBe('PrepareForMaintenance')
    await world.simulator.faults.release()
    expect(await world.end(migration)).toMatchObject({ state: 'succeeded' })
    expect(await world.end(maintenance)).toMatchObject({ state: 'succeeded' })
    expect(await vmNow(vm)).toMatchObject({ state: 'Running', hostId: here })
    expect(await stateOf(there)).toBe('Maintenance')
  })

  test('leaves a VM alone that was on its way to it and did not come', async () => {
    const { vm, here, there } = await running()
    await world.simulator.faults.arm({ method: 'host/migration/send', kind: 'hold-before' })
    const migration = await world.submit(vmMigrate, { vm })
    await world.simulator.faults.held('host/migration/send')
    await world.simulator.faults.arm({ method: 'host/migration/arrive', kind: 'error-before', code: 'INTERNAL' })
    const maintenance = await world.submit(hostMaintenance, { host: there })
    await expect.poll(async () => stateOf(there)).toBe('PrepareForMaintenance')
    await world.simulator.faults.release()
    expect(await world.end(migration)).toMatchObject({ state: 'failed' })
    expect(await world.end(maintenance)).toMatchObject({ state: 'succeeded' })
    expect(await vmNow(vm)).toMatchObject({ state: 'Running', hostId: here, generation: 1, restartWanted: false })
  })

  test('does not have a VM started again that somebody stops meanwhile, be it before or after', async () => {
    for (const order of ['before', 'after'] as const) {
      const { vm, here, there } = await running()
      await disable(there)
      await world.simulator.faults.arm({ method: 'host/vms/stop', kind: 'hold-before' })
      const stop = async () => world.submit(vmStop, { vm, force: true, restart: false })
      const maintain = async () => world.submit(hostMaintenance, { host: here })
      const first = order === 'before' ? await stop() : await maintain()
      await world.simulator.faults.held('host/vms/stop')
      const second = order === 'before' ? await maintain() : await stop()
      await world.simulator.faults.release()
      for (const operation of [first, second]) expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
      expect(await vmNow(vm)).toMatchObject({ state: 'Stopped', restartWanted: false })
      expect(await stateOf(here)).toBe('Maintenance')
      await clear(world)
    }
  })

  test('is in error while a VM can neither move nor stop, which runs on; asked again, it goes on', async () => {
    const { vm, here, there } = await running()
    await disable(there)
    await world.simulator.faults.arm({ method: 'host/vms/stop', kind: 'error-before', code: 'INVALID' })
    expect(await world.run(hostMaintenance, { host: here })).toMatchObject({
      state: 'failed',
      failure: { text: containing('could neither be moved nor stopped') },
    })
    expect(await stateOf(here)).toBe('ErrorInMaintenance')
    expect(await vmNow(vm)).toMatchObject({ state: 'Running', hostId: here, restartWanted: false })
    await world.done(hostMaintenance, { host: here })
    expect(await stateOf(here)).toBe('Maintenance')
    expect(await vmNow(vm)).toMatchObject({ state: 'Stopped', restartWanted: true })
  })
})
