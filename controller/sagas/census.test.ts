import { randomUUID } from 'node:crypto'
import type { HostId, SnapshotId, VolumeId } from '@moorage/contract'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { givenToMover, intendForMover } from '../store/connections.ts'
import { locationOf } from '../store/locations.ts'
import { moverById } from '../store/movers.ts'
import { volumeById } from '../store/volumes.ts'
import { censusResolve } from './census-resolve.ts'
import { census } from './census.ts'
import { clear, containing } from './testing/checks.ts'
import { latest, snapped } from './testing/scene-parts.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmStart } from './vm-start.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  await clear(world)
})

async function plugged(): Promise<{
  readonly vm: string
  readonly volume: string
  readonly pool: string
  readonly array: string
}> {
  const [vm, volume] = [await world.vm(), await world.volume({ qos: { totalIops: { min: 100, max: 500 } } })]
  await world.done(vmStart, { vm })
  await world.done(volumeAttach, { vm, volume })
  const { poolId: pool } = (await locationOf(world.store.reader, volume)) ?? { poolId: '' }
  return { vm, volume, pool, array: pool === world.pools.fast ? 'fast' : 'slow' }
}

/** An object on array `fast` that carries our mark and that no row knows. */
async function stray(): Promise<VolumeId> {
  const id = randomUUID() as VolumeId // Made as the controller makes them.
  const provider = (await world.plugins.pool(world.pools.fast)).provider(() => {})
  const call = { key: id, deadline: Date.now() + 5_000, signal: new AbortController().signal, fence: 0 }
  await provider.volumes.create({ id, bytes: 1024 ** 2, qos: {}, settings: {} }, call)
  return id
}

async function remove(id: VolumeId): Promise<void> {
  await world.simulator.send('console/delete', { array: 'fast', kind: 'volume', id })
}

test('an object of ours that the database does not know is an orphan until it is gone, and is not touched', async () => {
  const id = await stray()
  const orphan = `orphan pool:${world.pools.fast} volume:${id}`
  expect((await world.findings()).map((finding) => finding.split(' ').slice(0, 3).join(' '))).toEqual([orphan])
  expect(await world.arrays()).toHaveLength(1)
  await remove(id)
  expect(await world.findings()).toEqual([])
  const rows = await world.store.reader
    .selectFrom('censusFinding')
    .select(['state'])
    .where('object', '=', `volume:${id}`)
    .execute()
  expect(rows).toEqual([{ state: 'gone' }])
})

test('what somebody deletes at the array’s console is a ghost, with its access', async () => {
  const { volume, array } = await plugged()
  await world.simulator.send('console/delete', { array, kind: 'volume', id: volume })
  expect((await world.findings()).map((finding) => finding.split(' ')[0])).toEqual(['ghost', 'ghost'])
})

test('QoS that somebody changes at the array’s console is drift, and what was observed is recorded', async () => {
  const { volume, array, pool } = await plugged()
  expect(await world.findings()).toEqual([])
  await world.simulator.send('console/set-qos', { array, volume, qos: { totalIops: { max: 77 } } })
  expect(await world.findings()).toEqual([containing(`drifted pool:${pool} qos:${volume}`)])
  expect(await volumeById(world.store.reader, volume)).toMatchObject({ qosObserved: { totalIops: { max: 77 } } })
})

test('a place that does not answer is reported, and what was found there before is not called gone', async () => {
  const id = await stray()
  expect(await world.findings()).toHaveLength(1)
  await world.simulator.faults.arm({ method: 'array/inventory/list', kind: 'error-before', match: { array: 'fast' } })
  const findings = await world.findings()
  expect(findings).toHaveLength(2)
  expect(findings).toContainEqual(containing('inventory could not be listed: UNAVAILABLE'))
  await remove(id)
  expect(await world.findings()).toEqual([])
})

test('a finding that an operator ignores stays ignored', async () => {
  const id = await stray()
  await world.done(census, {})
  await world.store.reader
    .updateTable('censusFinding')
    .set({ state: 'ignored' })
    .where('object', '=', `volume:${id}`)
    .execute()
  expect(await world.findings()).toEqual([])
  await remove(id)
})

test('the objects of another installation are counted and never named', async () => {
  const foreign = { array: 'fast', owner: randomUUID() }
  const spec = { id: randomUUID(), bytes: 1024 ** 2, qos: {}, settings: {} }
  await world.simulator.send('array/volumes/create', { ...foreign, spec })
  expect(await world.findings()).toEqual([
    `foreign pool:${world.pools.fast} volume 1 that are not ours, ${1024 ** 2} bytes`,
  ])
  await world.simulator.send('array/volumes/delete', { ...foreign, id: spec.id })
})

test('a census in the middle of other operations finds nothing', async () => {
  const volumes = await Promise.all(Array.from({ length: 8 }, async () => world.volume()))
  const vm = await world.vm()
  await world.done(vmStart, { vm })
  const operations = await Promise.all(volumes.map(async (volume) => world.submit(volumeAttach, { vm, volume })))
  let open = true
  const all = Promise.all(operations.map(async (id) => world.end(id))).finally(() => {
    open = false
  })
  const found: string[] = []
  while (open) found.push(...(await world.findings()))
  expect((await all).map(({ state }) => state)).toEqual(volumes.map(() => 'succeeded'))
  expect(found).toEqual([])
})

test('a volume that is held half made is in motion, not an orphan', async () => {
  const [vm, volume] = [await world.vm(), await world.volume()]
  await world.simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-after' })
  const operation = await world.submit(volumeAttach, { vm, volume })
  await world.simulator.faults.held('array/volumes/create')
  expect(await world.findings()).toEqual([])
  await world.simulator.faults.release()
  expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
})

test('a deletion leaves nothing to find', async () => {
  const volume = await world.volume()
  await world.done(volumeDelete, { volume })
  expect(await world.findings()).toEqual([])
})

test('what a mover has without a record is stale, and taken from it; what it is recorded to have and has not is a ghost', async () => {
  const { volume, snapshot } = await snapped(world)
  const { store, plugins } = world
  const id = await world.mover()
  const { poolId: pool } = (await locationOf(store.reader, volume)) ?? { poolId: '' }
  const { access } = (await plugins.pool(pool)).provider(() => {})
  const object = `exposure:snapshot:${snapshot}@${id}`
  // Ids of ours are made by us; the brands only keep kinds apart.
  const source = { kind: 'snapshot', id: snapshot as SnapshotId } as const
  const { initiator } = (await moverById(store.reader, id)) ?? { initiator: '' }
  const consumer = { kind: 'mover', id: id as HostId, initiator } as const // As above.
  const told = async () => (await world.findings()).map((finding) => finding.split(' ').slice(0, 3).join(' '))
  const expose = async () => access.expose({ source, consumer, mode: 'ro', account: 'tenant' }, await latest(world))

  await expose()
  expect(await told()).toEqual([`stale pool:${pool} ${object}`])
  const { id: finding } = await store.reader
    .selectFrom('censusFinding')
    .select('id')
    .where('state', '=', 'open')
    .executeTakeFirstOrThrow()
  await world.done(censusResolve, { finding, action: 'repair' })
  expect((await world.arrays()).filter(({ kind }) => kind === 'exposure')).toEqual([])

  await expose()
  const recorded = { kind: 'snapshot', source: snapshot, mover: id } as const
  await store.transact(async (tx) => {
    await intendForMover(tx, { ...recorded, pool })
    await givenToMover(tx, recorded)
  })
  expect(await told()).toEqual([])
  await access.withdraw({ source, consumer }, await latest(world))
  expect(await told()).toEqual([`ghost pool:${pool} ${object}`])
  await store.reader.deleteFrom('connection').execute()
})
