import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { updateAttachment } from '../store/attachments.ts'
import { updateHost } from '../store/hosts.ts'
import { vmById } from '../store/vms.ts'
import { clear, ledgerFaults, leftHeld } from './testing/checks.ts'
import { plugged } from './testing/scene-parts.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmMigrate } from './vm-migrate.ts'
import { vmStart } from './vm-start.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  for (const host of Object.values(world.hosts)) await change(host, { state: 'Up', resourceState: 'Enabled' })
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  expect(await world.findings()).toEqual([])
  await clear(world)
})

async function change(host: string, to: { readonly state?: string; readonly resourceState?: string }): Promise<void> {
  await world.store.transact(async (tx) => updateHost(tx, host, to))
}

/** Name of the host in the simulator on which the VM is recorded, and the other one. */
async function whereIs(vm: string): Promise<{ readonly here: 'one' | 'two'; readonly there: 'one' | 'two' }> {
  const row = await vmById(world.store.reader, vm)
  return row?.hostId === world.hosts.one ? { here: 'one', there: 'two' } : { here: 'two', there: 'one' }
}

/** Hosts that have, or may have, access to the volume. */
async function connectedTo(volume: string): Promise<readonly string[]> {
  const { reader } = world.store
  const rows = await reader.selectFrom('connection').select('hostId').where('sourceId', '=', volume).execute()
  return rows.map(({ hostId }) => (hostId === world.hosts.one ? 'one' : 'two')).toSorted()
}

function write(at: { readonly host: string; readonly vm: string; readonly volume: string }, bytes: string) {
  const data = Buffer.alloc(4096, bytes).toString('base64')
  return world.simulator.send('io/write', { ...at, offset: 0, data })
}

async function read(at: { readonly host: string; readonly vm: string; readonly volume: string }): Promise<string> {
  const { data } = await world.simulator.send<{ data: string }>('io/read', { ...at, offset: 0, length: 4096 })
  return Buffer.from(data, 'base64').toString().slice(0, 1)
}

describe('a VM that migrates', () => {
  test('has two connections while it is on its way and one afterwards, and what its guest wrote is there', async () => {
    const { vm, volume } = await plugged(world)
    const { here, there } = await whereIs(vm)
    const generation = (await vmById(world.store.reader, vm))?.generation ?? 0
    await write({ host: here, vm, volume }, 'a')
    await world.simulator.faults.arm({ method: 'host/migration/arrive', kind: 'hold-before' })
    const operation = await world.submit(vmMigrate, { vm })
    await world.simulator.faults.held('host/migration/arrive')
    expect(await connectedTo(volume)).toEqual(['one', 'two'])
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Migrating' })
    await expect(write({ host: here, vm, volume }, 'b')).rejects.toThrow(/does not run/)
    await world.simulator.faults.release()
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
    expect(await connectedTo(volume)).toEqual([there])
    expect(await vmById(world.store.reader, vm)).toMatchObject({
      state: 'Running',
      hostId: world.hosts[there],
      targetHostId: null,
      generation: generation + 1,
    })
    expect(await read({ host: there, vm, volume })).toBe('a')
    await write({ host: there, vm, volume }, 'c')
    await expect(write({ host: here, vm, volume }, 'd')).rejects.toThrow(/has no volume/)
    expect(await read({ host: there, vm, volume })).toBe('c')
  })

  test('runs where it was, with one connection, when it cannot be sent', async () => {
    const { vm, volume } = await plugged(world)
    const { here } = await whereIs(vm)
    await world.simulator.faults.arm({ method: 'host/migration/send', kind: 'error-after', code: 'INTERNAL' })
    expect(await world.run(vmMigrate, { vm })).toMatchObject({ state: 'failed' })
    expect(await whereIs(vm)).toMatchObject({ here })
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Running', targetHostId: null })
    expect(await connectedTo(volume)).toEqual([here])
    await write({ host: here, vm, volume }, 'a')
  })

  test('stays where it arrived when that it arrived was not heard', async () => {
    const { vm, volume } = await plugged(world)
    const { there } = await whereIs(vm)
    await world.simulator.faults.arm({ method: 'host/migration/arrive', kind: 'lose-answer' })
    expect(await world.run(vmMigrate, { vm })).toMatchObject({ state: 'failed' })
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Running', hostId: world.hosts[there] })
    await write({ host: there, vm, volume }, 'a')
    // Its old host keeps the access for now, and the record says so: nothing runs there any more.
    await world.done(vmMigrate, { vm })
    await world.done(vmMigrate, { vm })
    expect(await connectedTo(volume)).toEqual([there])
  })

  test('is stopped when its machine is gone from the source before it arrived', async () => {
    const { vm, volume } = await plugged(world)
    await world.simulator.faults.arm({ method: 'host/migration/send', kind: 'error-before', code: 'CONFLICT' })
    await world.simulator.faults.arm({ method: 'host/migration/resume', kind: 'error-before', code: 'NOT_FOUND' })
    expect(await world.run(vmMigrate, { vm })).toMatchObject({ state: 'failed' })
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Stopped', hostId: null })
    await world.done(vmStart, { vm })
    expect(await connectedTo(volume)).toHaveLength(1)
  })

  test('takes the memory of both hosts until it is there', async () => {
    const { vm } = await plugged(world)
    const { there } = await whereIs(vm)
    const big = await world.vm({ memoryBytes: 512 * GIB })
    await world.simulator.faults.arm({ method: 'host/migration/send', kind: 'hold-before' })
    const operation = await world.submit(vmMigrate, { vm })
    await world.simulator.faults.held('host/migration/send')
    expect(await world.run(vmStart, { vm: big, host: world.hosts[there] })).toMatchObject({
      failure: { code: 'NO_CAPACITY' },
    })
    await world.simulator.faults.release()
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
  })
})

describe('a migration is refused', () => {
  test('of a VM that does not run, and where there is no other host', async () => {
    const stopped = await world.vm()
    expect(await world.run(vmMigrate, { vm: stopped })).toMatchObject({ failure: { code: 'INVALID' } })
    const { vm } = await plugged(world)
    const { here, there } = await whereIs(vm)
    expect(await world.run(vmMigrate, { vm, host: world.hosts[here] })).toMatchObject({
      failure: { code: 'NO_CAPACITY', internal: expect.stringContaining('is where it runs') as string }, // A matcher stands for a text.
    })
    await change(world.hosts[there], { resourceState: 'Disabled' })
    expect(await world.run(vmMigrate, { vm })).toMatchObject({ failure: { code: 'NO_CAPACITY' } })
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Running', targetHostId: null })
  })

  test('from a host that does not answer, and of a VM with a disk that is half detached', async () => {
    const { vm, volume } = await plugged(world)
    const { here } = await whereIs(vm)
    await change(world.hosts[here], { state: 'Alert' })
    expect(await world.run(vmMigrate, { vm })).toMatchObject({ failure: { code: 'UNAVAILABLE' } })
    await change(world.hosts[here], { state: 'Up' })
    await world.store.transact(async (tx) => updateAttachment(tx, volume, { actual: 'unknown' }))
    expect(await world.run(vmMigrate, { vm })).toMatchObject({ failure: { code: 'INVALID' } })
    await world.store.transact(async (tx) => updateAttachment(tx, volume, { actual: 'attached' }))
  })
})
