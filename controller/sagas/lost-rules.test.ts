import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { hostById, hostReturned } from '../store/hosts.ts'
import { vmById } from '../store/vms.ts'
import { loseHost } from './host-losing.ts'
import { clear, ledgerFaults, leftHeld, settled } from './testing/checks.ts'
import { plugged } from './testing/scene-parts.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmLeave } from './vm-leave.ts'
import { vmMigrate } from './vm-migrate.ts'
import { vmStart } from './vm-start.ts'

type Name = 'one' | 'two'

async function lose(world: World, host: Name, dead = false): Promise<void> {
  await world.store.transact(async (tx) =>
    loseHost(tx, world.runner(), { host: world.hosts[host], dead, because: 'a test' }),
  )
  world.runner().wake()
}

/** As a host does that is back: ends what it still has, then is Up. */
async function bringBack(world: World, vm: string): Promise<void> {
  for (const host of Object.values(world.hosts)) {
    if ((await hostById(world.store.reader, host))?.lostAt === null) continue
    await world.done(vmLeave, { vm, host })
    await world.store.transact(async (tx) => hostReturned(tx, host))
  }
}

async function hostOf(world: World, vm: string): Promise<{ readonly here: Name; readonly there: Name }> {
  const row = await vmById(world.store.reader, vm)
  return row?.hostId === world.hosts.one ? { here: 'one', there: 'two' } : { here: 'two', there: 'one' }
}

async function expectNothingOff(world: World): Promise<void> {
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  expect(await world.findings()).toEqual([])
}

describe('where arrays cannot end sessions', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ limits: { withdrawal: 'host-must-detach' } })
  })
  afterAll(async () => world.stop())

  test('a VM of a lost host does not start elsewhere, and says why, until the host is declared dead', async () => {
    const { vm } = await plugged(world)
    const { here, there } = await hostOf(world, vm)
    await lose(world, here)
    await settled(world)
    const refused = await world.run(vmStart, { vm })
    expect(refused).toMatchObject({ state: 'failed', failure: { code: 'IN_USE' } })
    expect(refused.failure?.text).toMatch(/lost may still write to the volume.* must be declared dead first/)
    await lose(world, here, true)
    await settled(world)
    await world.done(vmStart, { vm })
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Running', hostId: world.hosts[there] })
    await bringBack(world, vm)
    await expectNothingOff(world)
    await clear(world)
  })

  test('a VM of a lost host starts elsewhere once the host is back and has let go', async () => {
    const { vm } = await plugged(world)
    const { here } = await hostOf(world, vm)
    await lose(world, here)
    await settled(world)
    expect(await world.run(vmStart, { vm })).toMatchObject({ failure: { code: 'IN_USE' } })
    await bringBack(world, vm)
    await world.done(vmStart, { vm })
    await expectNothingOff(world)
    await clear(world)
  })
})

describe('a migration', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(async () => world.stop())
  afterEach(async () => {
    await world.simulator.faults.clear()
    await expectNothingOff(world)
    await clear(world)
  })

  /** Submits the migration, whose step is held, loses a host, and lets the step fail as it does against a dead host. */
  async function loseDuring(vm: string, method: string, host: Name): Promise<string> {
    await world.simulator.faults.arm({ method, kind: 'hold-before' })
    const operation = await world.submit(vmMigrate, { vm })
    await world.simulator.faults.held(method)
    await world.simulator.faults.arm({ method, kind: 'error-before', code: 'UNAVAILABLE', count: 1000 })
    await lose(world, host)
    await world.takeOver()
    await world.end(operation)
    await settled(world)
    await world.simulator.faults.clear()
    return operation
  }

  test('whose destination is lost before the VM arrived leaves it where it was', async () => {
    const { vm } = await plugged(world)
    const { here, there } = await hostOf(world, vm)
    await loseDuring(vm, 'host/migration/send', there)
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Running', hostId: world.hosts[here] })
    await bringBack(world, vm)
  })

  test('whose destination is lost when the VM may have arrived stops it: nobody knows what its guest did there', async () => {
    const { vm } = await plugged(world)
    const { there } = await hostOf(world, vm)
    await loseDuring(vm, 'host/migration/arrive', there)
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Stopped', hostId: null })
    await world.done(vmStart, { vm })
    await bringBack(world, vm)
  })

  test('whose source is lost while the VM is being sent stops it', async () => {
    const { vm } = await plugged(world)
    const { here } = await hostOf(world, vm)
    await loseDuring(vm, 'host/migration/send', here)
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Stopped', hostId: null })
    await world.done(vmStart, { vm })
    await bringBack(world, vm)
  })
})
