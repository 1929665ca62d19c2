import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { factsOf, FINDING_CLASSES, type FindingClass } from '../domain/census-classes.ts'
import { updatePool } from '../store/pools.ts'
import { volumeById } from '../store/volumes.ts'
import { census } from './census.ts'
import { censusPurge } from './census-purge.ts'
import { censusResolve } from './census-resolve.ts'
import { clear, containing, ledgerFaults, leftHeld } from './testing/checks.ts'
import { expose, overdue, PLANTS, start, whereabouts } from './testing/plants.ts'
import { plugged } from './testing/scene-parts.ts'
import { findingOf, stray } from './testing/scenes-census.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'

let world: World
/** An unrelated volume with data, attached: nothing of what is done here touches it. */
let bystander: { readonly vm: string; readonly volume: string }
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  expect(await world.findings()).toEqual([])
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  await clear(world)
})

/** Takes a census; answers what it found as `class object`. */
async function found(): Promise<readonly string[]> {
  await world.done(census, {})
  const rows = await world.store.reader.selectFrom('censusFinding').selectAll().where('state', '=', 'open').execute()
  return rows.map((row) => `${row.class} ${row.object}`).toSorted()
}

async function resolve(object: string, action: 'adopt' | 'recycle' | 'repair', more: object = {}): Promise<Ended> {
  const { id } = await findingOf(world, object)
  return world.run(censusResolve, { finding: id, action, ...more })
}

/** Classes that are not planted here, each with the place where it is. */
const ELSEWHERE: readonly FindingClass[] = [
  // Has no saga of its own: test/crash and the API's tests resolve it by stopping the VM.
  'ghost-vm',
  // Only the database can bring them about, or nothing is to be done: domain/census.test.ts.
  'drifted-state',
  'foreign',
  'unlisted',
]

test('every class is planted, or stands among those that are planted elsewhere', () => {
  const all = [...Object.keys(PLANTS), ...ELSEWHERE].toSorted()
  expect(all).toEqual(Object.keys(FINDING_CLASSES).toSorted())
})

describe.each(Object.entries(PLANTS))('%s', (name, plant) => {
  test('is found, it and nothing else; is resolved; and nothing of others is touched', async () => {
    bystander = await plugged(world)
    const before = await everythingOf(bystander)
    const planted = await plant(world)
    const also = planted.also === undefined ? [] : [planted.also]
    expect(await found()).toEqual([...also, `${name} ${planted.object}`].toSorted())
    const { action, more = {} } = planted.resolve
    expect(factsOf(name as FindingClass).actions).toContain(action) // A key of the table.
    expect(await resolve(planted.object, action, more)).toMatchObject({ state: 'succeeded' })
    await planted.check()
    expect(await found()).toEqual(also)
    for (const other of also) await resolve(other.split(' ')[1] ?? '', 'repair')
    expect(await found()).toEqual([])
    expect(await everythingOf(bystander)).toEqual(before)
    if (action !== 'recycle') {
      const again = await resolve(planted.object, action, more)
      expect(again).toMatchObject({ state: 'failed', failure: { text: containing('does not hold any more') } })
    }
  })
})

async function everythingOf({ vm, volume }: typeof bystander): Promise<unknown> {
  const mine = (item: object) => JSON.stringify(item).includes(vm) || JSON.stringify(item).includes(volume)
  const row = await volumeById(world.store.reader, volume)
  return [(await world.arrays()).filter(mine), (await world.machines()).filter(mine), row?.state, row?.generation]
}

describe('the recycle bin', () => {
  test('keeps an object for its time, in which it can be taken back', async () => {
    const id = await stray(world)
    await found()
    expect(await resolve(`volume:${id}`, 'recycle')).toMatchObject({ state: 'succeeded' })
    const { id: finding } = await findingOf(world, `volume:${id}`)
    expect(await world.run(censusPurge, { finding })).toMatchObject({
      state: 'failed',
      failure: { text: containing('not been in the recycle bin for long enough') },
    })
    expect(await found()).toEqual([])
    expect(await findingOf(world, `volume:${id}`)).toMatchObject({ state: 'recycled' })
    expect(await resolve(`volume:${id}`, 'adopt', { account: world.account })).toMatchObject({ state: 'succeeded' })
    expect(await volumeById(world.store.reader, id)).toMatchObject({ state: 'Ready' })
    expect(await world.run(censusPurge, { finding })).toMatchObject({ state: 'succeeded' })
    expect((await world.arrays()).filter((item) => item.kind === 'volume')).toHaveLength(1)
  })

  test('deletes nothing to which somebody has access again, nor what a record knows by then', async () => {
    const id = await stray(world)
    await found()
    expect(await resolve(`volume:${id}`, 'recycle')).toMatchObject({ state: 'succeeded' })
    const { id: finding } = await findingOf(world, `volume:${id}`)
    await overdue(world, finding)
    await expose(world, world.pools.fast, id)
    expect(await world.run(censusPurge, { finding })).toMatchObject({ state: 'failed', failure: { code: 'IN_USE' } })
    expect(await found()).toEqual([`stale-exposure exposure:volume:${id}@${world.hosts.one}`])
    await resolve(`exposure:volume:${id}@${world.hosts.one}`, 'repair')
    await world.done(censusPurge, { finding })
    expect(await world.arrays()).toEqual([])
    expect(await findingOf(world, `volume:${id}`)).toMatchObject({ state: 'gone', resolution: 'deleted' })
  })

  test('takes the access of whoever had it', async () => {
    const id = await stray(world)
    await expose(world, world.pools.fast, id)
    await found()
    expect(await resolve(`volume:${id}`, 'recycle')).toMatchObject({ state: 'succeeded' })
    expect((await world.arrays()).map(({ kind }) => kind)).toEqual(['volume'])
    await resolve(`volume:${id}`, 'adopt', { account: world.account })
  })
})

describe('a resolution is refused', () => {
  test('when its class does not allow it, or it must be confirmed', async () => {
    const id = await stray(world)
    await found()
    const refused = await resolve(`volume:${id}`, 'repair')
    expect(refused).toMatchObject({ state: 'failed', failure: { text: containing('allows adopt, recycle, ignore') } })
    const machine = randomUUID()
    await start(world, world.hosts.one, machine)
    await found()
    const unconfirmed = await resolve(`vm:${machine}`, 'repair')
    expect(unconfirmed).toMatchObject({ state: 'failed', failure: { text: containing('confirm must be true') } })
    await resolve(`vm:${machine}`, 'repair', { confirm: true })
    await resolve(`volume:${id}`, 'adopt', { account: world.account })
  })

  test('when a ghost volume is attached, until it is detached', async () => {
    const { volume } = await plugged(world)
    const { array, host } = await whereabouts(world, volume)
    await world.simulator.send('console/delete', { array, kind: 'volume', id: volume })
    expect(await found()).toEqual([`ghost-exposure exposure:volume:${volume}@${host}`, `ghost-volume volume:${volume}`])
    const refused = await resolve(`volume:${volume}`, 'repair', { confirm: true })
    expect(refused).toMatchObject({ state: 'failed', failure: { text: containing('detach it first') } })
    await world.done(volumeDetach, { volume })
    expect(await resolve(`volume:${volume}`, 'repair', { confirm: true })).toMatchObject({ state: 'succeeded' })
  })
})

test('a volume is adopted where its pool may have one more, and refused with its record unmade where it may not', async () => {
  const small = await startWorld({ limits: { maxVolumes: 1 } })
  try {
    await small.store.transact((tx) => updatePool(tx, small.pools.slow, { state: 'Disabled' }))
    const [vm, volume] = [await small.vm(), await small.volume()]
    await small.done(volumeAttach, { vm, volume })
    const id = await stray(small)
    await small.done(census, {})
    const adopt = {
      finding: (await findingOf(small, `volume:${id}`)).id,
      action: 'adopt',
      account: small.account,
    } as const
    expect(await small.run(censusResolve, adopt)).toMatchObject({ state: 'failed', failure: { code: 'NO_CAPACITY' } })
    expect(await volumeById(small.store.reader, id)).toBeUndefined()
    await small.done(volumeDetach, { volume })
    await small.done(volumeDelete, { volume })
    expect(await small.run(censusResolve, adopt)).toMatchObject({ state: 'succeeded' })
    expect(await ledgerFaults(small)).toEqual([])
  } finally {
    await small.stop()
  }
})
