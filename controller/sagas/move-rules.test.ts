import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { locationOf } from '../store/locations.ts'
import { updatePool } from '../store/pools.ts'
import { vmById } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { censusPurge } from './census-purge.ts'
import { snapshotCreate } from './snapshot-create.ts'
import { snapshotDelete } from './snapshot-delete.ts'
import { clear, containing, ledgerFaults, leftHeld } from './testing/checks.ts'
import { idle, plugged, QOS, throttled } from './testing/scene-parts.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'
import { volumeMigrate } from './volume-migrate.ts'

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
  expect(await reserved()).toEqual([])
})

/** The pool where the volume lives, and the other one. */
async function poolsOf(volume: string): Promise<{ readonly here: string; readonly there: string }> {
  const { fast, slow } = world.pools
  const here = (await locationOf(world.store.reader, volume))?.poolId ?? ''
  return { here, there: here === fast ? slow : fast }
}

/** What is held of each pool: bytes, IOPS and whether it is a second reservation. */
async function reserved() {
  const rows = await world.store.reader.selectFrom('reservation').selectAll().orderBy('second').execute()
  return rows.map(({ poolId: pool, bytes, iops, second }) => ({ pool, bytes, iops, second }))
}

async function guestOf(vm: string, volume: string) {
  const row = await vmById(world.store.reader, vm)
  const at = { host: row?.hostId === world.hosts.one ? 'one' : 'two', vm, volume }
  return {
    write: (offset: number, byte: string) =>
      world.simulator.send('io/write', { ...at, offset, data: Buffer.alloc(4096, byte).toString('base64') }),
    read: async (offset: number) => {
      const { data } = await world.simulator.send<{ data: string }>('io/read', { ...at, offset, length: 4096 })
      return Buffer.from(data, 'base64').toString().slice(0, 1)
    },
  }
}

/** The finding of what the volume left behind, as if it had been in the bin for long. */
async function aged(volume: string): Promise<string> {
  const { id } = await world.store.reader
    .updateTable('censusFinding')
    .set({ recycledAt: new Date(0) })
    .where('object', '=', `volume:${volume}`)
    .where('state', '=', 'recycled')
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

async function refusedMove(volume: string, pool: string, live = true) {
  const { state, failure } = await world.run(volumeMigrate, { volume, pool, live })
  expect(state).toBe('failed')
  return failure?.text
}

describe('a volume of a running VM that moves', () => {
  test('has what its guest wrote before, meanwhile and afterwards, keeps its attachment, and leaves one session', async () => {
    const { vm, volume } = await plugged(world)
    const { here, there } = await poolsOf(volume)
    const before = await volumeById(world.store.reader, volume)
    const guest = await guestOf(vm, volume)
    await guest.write(0, 'a')
    await world.simulator.faults.arm({ method: 'host/mirror/switch', kind: 'hold-before' })
    const operation = await world.submit(volumeMigrate, { volume, pool: there, live: true })
    await world.simulator.faults.held('host/mirror/switch')
    await guest.write(4096, 'b')
    // While it moves it holds room in both, and nothing is listed as wrong.
    expect(await reserved()).toEqual([
      { pool: here, bytes: GIB, iops: 100, second: false },
      { pool: there, bytes: GIB, iops: 100, second: true },
    ])
    expect(await world.findings()).toEqual([])
    await world.simulator.faults.release()
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
    await guest.write(8192, 'c')
    expect([await guest.read(0), await guest.read(4096), await guest.read(8192)]).toEqual(['a', 'b', 'c'])
    expect(await poolsOf(volume)).toMatchObject({ here: there })
    const after = await volumeById(world.store.reader, volume)
    expect(after).toMatchObject({ state: 'Ready', generation: before?.generation, qosApplied: QOS })
    const items = (await world.arrays()).flatMap((item) =>
      item.owner === 'ours' && item.kind === 'exposure' ? item : [],
    )
    expect(items).toHaveLength(1)
    // What is left behind holds its bytes and guarantees nothing.
    expect(await reserved()).toEqual([
      { pool: there, bytes: GIB, iops: 100, second: false },
      { pool: here, bytes: GIB, iops: 0, second: true },
    ])
  })

  test('lives on wherever its VM goes: it is stopped, started and detached there', async () => {
    const { vm, volume } = await plugged(world)
    const { there } = await poolsOf(volume)
    await (await guestOf(vm, volume)).write(0, 'a')
    await world.done(volumeMigrate, { volume, pool: there, live: true })
    await world.done(vmStop, { vm, force: true })
    await world.done(vmStart, { vm })
    expect(await (await guestOf(vm, volume)).read(0)).toBe('a')
    await world.done(volumeDetach, { volume })
  })

  test('keeps the limits that its hypervisor enforces', async () => {
    const volume = await throttled(world)
    const { there } = await poolsOf(volume)
    await world.done(volumeMigrate, { volume, pool: there, live: true })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ qosApplied: { totalIops: { max: 500 } } })
  })
})

describe('a volume at rest that moves', () => {
  test('has its bytes in the other pool, and no machine is left of its carrier', async () => {
    const { vm, volume } = await plugged(world)
    await (await guestOf(vm, volume)).write(4096, 'r')
    await world.done(volumeDetach, { volume })
    const { there } = await poolsOf(volume)
    await world.done(volumeMigrate, { volume, pool: there })
    const machines = (await world.machines()).filter(({ kind, name }) => kind === 'vm' && name.startsWith('carrier'))
    expect(machines).toEqual([])
    await world.done(volumeAttach, { vm, volume })
    expect(await (await guestOf(vm, volume)).read(4096)).toBe('r')
  })

  test('that is asked to move where it is has moved', async () => {
    const volume = await idle(world)
    const { here } = await poolsOf(volume)
    await world.done(volumeMigrate, { volume, pool: here })
    expect(await world.arrays()).toHaveLength(1)
  })
})

describe('what a volume leaves behind', () => {
  test('is deleted once its time in the recycle bin is over, and its room is free', async () => {
    const volume = await idle(world)
    const { here, there } = await poolsOf(volume)
    await world.done(volumeMigrate, { volume, pool: there })
    expect(await world.arrays()).toHaveLength(2)
    expect(await refusedMove(volume, here)).toMatch(/An earlier copy of volume .* is still in that storage pool/)
    await world.done(censusPurge, { finding: await aged(volume) })
    expect(await world.arrays()).toHaveLength(1)
    expect(await reserved()).toEqual([{ pool: there, bytes: GIB, iops: 100, second: false }])
    await world.done(volumeMigrate, { volume, pool: here })
    expect(await poolsOf(volume)).toMatchObject({ here })
  })

  test('outlives the volume, and goes when its time is over', async () => {
    const volume = await idle(world)
    const { here, there } = await poolsOf(volume)
    await world.done(volumeMigrate, { volume, pool: there })
    await world.done(volumeDelete, { volume })
    expect(await world.findings()).toEqual([])
    expect(await reserved()).toEqual([{ pool: here, bytes: GIB, iops: 0, second: true }])
    await world.done(censusPurge, { finding: await aged(volume) })
    expect(await world.arrays()).toEqual([])
    expect(await reserved()).toEqual([])
  })
})

describe('a volume does not move', () => {
  test('under a running VM unless that was asked for', async () => {
    const { volume } = await plugged(world)
    const { there } = await poolsOf(volume)
    expect(await refusedMove(volume, there, false)).toMatch(
      /used by a running virtual machine: ask for livemigrate=true/,
    )
  })

  test('while it has snapshots on its pool', async () => {
    const volume = await idle(world)
    const { there } = await poolsOf(volume)
    const snapshot = await world.snapshot(volume)
    await world.done(snapshotCreate, { snapshot })
    expect(await refusedMove(volume, there)).toMatch(/has snapshots on its storage pool, which cannot move with it/)
    await world.done(snapshotDelete, { snapshot })
    await world.done(volumeMigrate, { volume, pool: there })
  })

  test('to a pool that has no room left, and nothing is reserved or made there', async () => {
    const volume = await idle(world)
    const { here, there } = await poolsOf(volume)
    await world.store.transact(async (tx) => updatePool(tx, there, { capacityIops: 50 }))
    try {
      expect(await refusedMove(volume, there)).toEqual(containing('IOPS'))
    } finally {
      await world.store.transact(async (tx) => updatePool(tx, there, { capacityIops: 10_000 }))
    }
    expect(await reserved()).toEqual([{ pool: here, bytes: GIB, iops: 100, second: false }])
  })

  test('when its copy turns out to differ: everything is as it was', async () => {
    const { vm, volume } = await plugged(world)
    const { here, there } = await poolsOf(volume)
    const guest = await guestOf(vm, volume)
    await guest.write(0, 'a')
    await world.simulator.faults.arm({ method: 'host/mirror/copy', kind: 'error-before', code: 'DAMAGED' })
    expect(await refusedMove(volume, there)).toMatch(/could not be copied to the other storage pool/)
    expect(await poolsOf(volume)).toMatchObject({ here })
    expect(await guest.read(0)).toBe('a')
    expect(await reserved()).toEqual([{ pool: here, bytes: GIB, iops: 100, second: false }])
  })
})

test('a switch of which the answer is lost has happened, and the volume lives where its machine has it', async () => {
  const { vm, volume } = await plugged(world)
  const { there } = await poolsOf(volume)
  const guest = await guestOf(vm, volume)
  await guest.write(0, 'a')
  await world.simulator.faults.arm({ method: 'host/mirror/switch', kind: 'lose-answer' })
  const { state } = await world.run(volumeMigrate, { volume, pool: there, live: true })
  expect(state).toBe('failed')
  expect(await poolsOf(volume)).toMatchObject({ here: there })
  await guest.write(4096, 'b')
  await world.done(vmStop, { vm, force: true })
  await world.done(vmStart, { vm })
  const again = await guestOf(vm, volume)
  expect([await again.read(0), await again.read(4096)]).toEqual(['a', 'b'])
})
