import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { attachmentOf } from '../store/attachments.ts'
import { locationOf } from '../store/locations.ts'
import { lastAbout } from '../store/root-disks.ts'
import { templateNow } from '../store/queries/places.ts'
import { seedsOf } from '../store/seeds.ts'
import { removeTemplate } from '../store/templates.ts'
import { vmById } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { plantSeed, uprootSeed } from './seeding.ts'
import { clear, containing, ledgerFaults, leftHeld, settled } from './testing/checks.ts'
import { diskTemplate } from './testing/scenes-archive.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'
import { vmExpunge } from './vm-expunge.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeFromSnapshot } from './volume-from-snapshot.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  expect(await world.findings()).toEqual([])
  await clear(world)
})

/** A VM with a root disk that is not made yet. */
async function rooted(more: Omit<Parameters<World['root']>[1], 'template'> = {}) {
  const template = await diskTemplate(world)
  const vm = await world.vm({ template })
  return { template, vm, root: await world.root(vm, { template, ...more }) }
}

function refused({ state, failure }: Ended, text: string): void {
  expect([state, failure]).toEqual(['failed', expect.objectContaining({ text: containing(text) })])
}

describe('a root disk', () => {
  test('is made from its template, larger if it is to be, in the pool of its tags, and its machine has no image', async () => {
    const { vm, root } = await rooted({ bytes: 2 * GIB, tags: ['slow'] })
    await world.done(volumeFromSnapshot, { volume: root })
    expect(await locationOf(world.store.reader, root)).toMatchObject({ poolId: world.pools.slow, bytes: 2 * GIB })
    expect(await volumeById(world.store.reader, root)).toMatchObject({ state: 'Ready' })
    await world.done(vmStart, { vm })
    const { items } = await world.simulator.calls({ method: 'host/vms/start', object: vm })
    expect(items).toHaveLength(1)
    expect(await attachmentOf(world.store.reader, root)).toMatchObject({ actual: 'attached', deviceId: 0 })
  })

  test('that a hypervisor is to throttle is charged to the host that it comes to', async () => {
    const { root } = await rooted({ qos: { totalIops: { max: 700 } }, tier: 'hypervisor' })
    await world.done(volumeFromSnapshot, { volume: root })
    expect(await attachmentOf(world.store.reader, root)).toMatchObject({ chargedIops: 700 })
  })

  test('that could not be made keeps its VM from starting, with the reason, until it is made', async () => {
    const { vm, root } = await rooted()
    refused(await world.run(vmStart, { vm }), 'is not there: nobody has made it')
    await world.simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'DAMAGED' })
    refused(await world.run(volumeFromSnapshot, { volume: root }), 'does not hold what was stored')
    expect(await attachmentOf(world.store.reader, root)).toMatchObject({ chargedIops: 0 })
    const made = await world.run(vmStart, { vm })
    refused(made, 'could not be made: The secondary storage does not hold what was stored there')
    expect(await vmById(world.store.reader, vm)).toMatchObject({ state: 'Stopped' })
    await world.done(volumeFromSnapshot, { volume: root })
    await world.done(vmStart, { vm })
  })

  test('is not made from a template that is gone, nor smaller than it, nor where no mover gets to', async () => {
    const { template, root } = await rooted({ bytes: GIB / 2 })
    refused(await world.run(volumeFromSnapshot, { volume: root }), `is smaller than the template ${template}`)
    const movers = world.store.reader.updateTable('mover')
    const accepts = ['nbd']
    const before = await world.store.reader.selectFrom('mover').select('accepts').executeTakeFirstOrThrow()
    await movers.set({ accepts }).execute()
    const other = await world.root(await world.vm({ template }), { template })
    refused(
      await world.run(volumeFromSnapshot, { volume: other }),
      'no data mover reaches both a pool and the secondary',
    )
    await movers.set({ accepts: before.accepts, unreachableSince: new Date() }).execute()
    refused(await world.run(volumeFromSnapshot, { volume: other }), 'has no data mover that reaches both')
    await movers.set({ unreachableSince: null }).execute()
    await world.store.transact(async (tx) => removeTemplate(tx, template))
    refused(await world.run(volumeFromSnapshot, { volume: other }), 'which cannot be used any more')
  })
})

describe('with its VM a root disk', () => {
  test('is destroyed, and stays its disk', async () => {
    const { vm, root } = await rooted()
    await world.done(volumeFromSnapshot, { volume: root })
    await world.done(vmStart, { vm })
    await world.done(vmStop, { vm, force: true, destroy: true })
    expect(await volumeById(world.store.reader, root)).toMatchObject({ state: 'Destroy' })
    expect(await attachmentOf(world.store.reader, root)).toMatchObject({ vmId: vm, actual: 'detached' })
  })

  test.each(['that runs', 'that is destroyed', 'whose root disk was never made'])('%s is expunged', async (what) => {
    const { vm, root } = await rooted()
    if (what !== 'whose root disk was never made') await world.done(volumeFromSnapshot, { volume: root })
    if (what === 'that runs') await world.done(vmStart, { vm })
    if (what === 'that is destroyed') await world.done(vmStop, { vm, force: true, destroy: true })
    await world.done(vmExpunge, { vm })
    await settled(world)
    expect(await volumeById(world.store.reader, root)).toMatchObject({ state: 'Expunged' })
    expect(await locationOf(world.store.reader, root)).toBeUndefined()
  })
})

describe('a seed', () => {
  async function planted(template: string, pool: string): Promise<boolean> {
    const row = await templateNow(world.store.reader, template)
    if (!row) throw new Error('there is no such template')
    return world.store.transact((tx) => plantSeed(tx, world.runner(), { template: row, pool, zone: world.zone }))
  }

  test('makes root disks of its template clones, also without a mover, and is independent of them', async () => {
    const { template, root } = await rooted({ tags: ['fast'] })
    expect(await planted(template, world.pools.fast)).toBe(true)
    expect(await planted(template, world.pools.fast)).toBe(false)
    await settled(world)
    const [seed] = await seedsOf(world.store.reader, template)
    const making = { volume: seed?.volumeId ?? '', saga: volumeFromSnapshot.name }
    expect(await lastAbout(world.store.reader, making)).toEqual({ open: false, failure: null })
    expect(seed).toMatchObject({ whole: true, broken: false })
    await world.store.reader.updateTable('mover').set({ unreachableSince: new Date() }).execute()
    await world.done(volumeFromSnapshot, { volume: root })
    const { items } = await world.simulator.calls({ method: 'array/clones/clone', object: root })
    expect(items).toHaveLength(1)
    if (seed) await world.store.transact((tx) => uprootSeed(tx, world.runner(), seed))
    await settled(world)
    expect(await seedsOf(world.store.reader, template)).toEqual([])
    expect(await volumeById(world.store.reader, seed?.volumeId ?? '')).toMatchObject({ state: 'Expunged' })
    await world.store.reader.updateTable('mover').set({ unreachableSince: null }).execute()
  })

  test('that could not be made is broken, and of it nothing is cloned', async () => {
    const { template, root } = await rooted({ tags: ['fast'] })
    await world.simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'DAMAGED' })
    await planted(template, world.pools.fast)
    await settled(world)
    expect(await seedsOf(world.store.reader, template)).toMatchObject([{ whole: false, broken: true }])
    await world.done(volumeFromSnapshot, { volume: root })
    const { items } = await world.simulator.calls({ method: 'array/clones/clone', object: root })
    expect(items).toEqual([])
  })
})
