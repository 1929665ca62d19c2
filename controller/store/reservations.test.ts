import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { insertPool, likeliestPools, pinPools, poolById, updatePool } from './pools.ts'
import { changeReservation, giveBack, reserve, reservationOf, restoreReservation } from './reservations.ts'
import { type TestStore, testStore } from './testing.ts'
import { together } from './together.ts'
import { insertVolume } from './volumes.ts'

let store: TestStore
let zone: string
let account: string
beforeAll(async () => {
  store = await testStore()
  const domain = randomUUID()
  zone = randomUUID()
  account = randomUUID()
  await store.transact(async (tx) => {
    await tx.insertInto('zone').values({ id: zone, name: 'zone' }).execute()
    await tx.insertInto('domain').values({ id: domain, name: 'ROOT', path: '/' }).execute()
    await tx
      .insertInto('account')
      .values({ id: account, domainId: domain, name: 'a', role: 'user', chapAccount: 'a' })
      .execute()
  })
})
afterAll(async () => store.close())

let pool: string
beforeEach(async () => {
  pool = randomUUID()
  await store.transact(async (tx) =>
    insertPool(tx, {
      id: pool,
      zoneId: zone,
      scope: 'ZONE',
      name: 'pool',
      provider: 'test',
      url: 'test://x',
      managed: true,
      settings: {},
      sealedSettings: Buffer.alloc(0),
      identity: pool,
      state: 'Up',
      totalBytes: 1000,
      usedBytes: 0,
      capacityIops: 100,
    }),
  )
})

async function volume(): Promise<string> {
  const id = randomUUID()
  await store.transact(async (tx) =>
    insertVolume(tx, {
      id,
      accountId: account,
      zoneId: zone,
      name: id,
      type: 'DATADISK',
      bytes: 1,
      qosTier: 'none',
      qosRequested: {},
      state: 'Allocated',
    }),
  )
  return id
}

async function reserved(): Promise<readonly [number, number]> {
  const row = await poolById(store.reader, pool)
  return [row?.reservedBytes ?? Number.NaN, row?.reservedIops ?? Number.NaN]
}

async function take(bytes: number, iops: number): Promise<string | undefined> {
  const id = await volume()
  const fits = await store.transact(async (tx) => reserve(tx, { volume: id, pool, bytes, iops }))
  return fits ? id : undefined
}

describe('the ledger', () => {
  test('reserves up to cap times factor, to the last byte and operation, and not one more', async () => {
    await store.transact(async (tx) => updatePool(tx, pool, { capacityBytes: 100, bytesFactor: 1.5, iopsFactor: 0.5 }))
    expect(await take(151, 0)).toBeUndefined()
    expect(await take(1, 51)).toBeUndefined()
    expect(await take(150, 50)).toBeDefined()
    expect(await take(1, 0)).toBeUndefined()
    expect(await reserved()).toEqual([150, 50])
  })

  test('is not oversold by any race: of thirty volumes at once exactly as many fit as there is room for', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, volume))
    const won = await Promise.all(
      ids.map(async (id) => store.transact(async (tx) => reserve(tx, { volume: id, pool, bytes: 90, iops: 7 }))),
    )
    expect(won.filter(Boolean)).toHaveLength(11)
    expect(await reserved()).toEqual([990, 77])
    await Promise.all(ids.map(async (id) => store.transact(async (tx) => giveBack(tx, id))))
    expect(await reserved()).toEqual([0, 0])
  })

  test('counts slots, those of others too, down to what the array makes and to the cap of the operator', async () => {
    const slot = async (maxVolumes: number) => {
      const id = await volume()
      const fits = await store.transact(async (tx) => reserve(tx, { volume: id, pool, bytes: 1, iops: 0, maxVolumes }))
      return fits ? id : undefined
    }
    await store.transact(async (tx) => updatePool(tx, pool, { foreignVolumes: 1, capacityVolumes: 3 }))
    const first = await slot(3)
    expect(first).toBeDefined()
    expect(await slot(2)).toBeUndefined()
    expect(await slot(3)).toBeDefined()
    expect(await slot(3)).toBeUndefined()
    expect(await slot(9)).toBeDefined()
    expect(await slot(9)).toBeUndefined()
    await store.transact(async (tx) => giveBack(tx, first ?? ''))
    // What is given back twice is given back once.
    await store.transact(async (tx) => giveBack(tx, first ?? ''))
    expect(await poolById(store.reader, pool)).toMatchObject({ reservedVolumes: 2, reservedBytes: 2 })
    expect(await slot(9)).toBeDefined()
  })

  test('charges what is not ours to a pool without a cap of its own, bytes and floor', async () => {
    const others = { foreignBytes: 300, foreignVolumes: 2, floorIops: 20, capacityIops: null, totalIops: 100 }
    await store.transact(async (tx) => updatePool(tx, pool, others))
    expect(await take(701, 0)).toBeUndefined()
    expect(await take(1, 61)).toBeUndefined()
    expect(await take(700, 60)).toBeDefined()
    await store.transact(async (tx) => updatePool(tx, pool, { capacityBytes: 1000, capacityIops: 100 }))
    expect(await take(300, 40)).toBeDefined()
  })

  test('keeps new volumes, but not growth, below its thresholds', async () => {
    await store.transact(async (tx) => updatePool(tx, pool, { allocatedThreshold: 0.8, usedThreshold: 0.5 }))
    expect(await take(801, 0)).toBeUndefined()
    const id = (await take(800, 0)) ?? ''
    const grown = await store.transact(async (tx) => changeReservation(tx, id, { bytes: 1000, iops: 0 }))
    expect(grown).toBe(true)
    await store.transact(async (tx) => giveBack(tx, id))
    await store.transact(async (tx) => updatePool(tx, pool, { usedBytes: 500 }))
    expect(await take(1, 0)).toBeUndefined()
    await store.transact(async (tx) => updatePool(tx, pool, { usedBytes: 499 }))
    expect(await take(1, 0)).toBeDefined()
  })

  test('holds the larger of before and after while a change is under way, and goes back to before', async () => {
    const id = (await take(100, 50)) ?? ''
    const change = async (bytes: number, iops: number) =>
      store.transact(async (tx) => changeReservation(tx, id, { bytes, iops, keep: true }))
    expect(await change(300, 50)).toBe(true)
    // The same decision again, as after a crash, forgets nothing.
    expect(await change(300, 50)).toBe(true)
    await store.transact(async (tx) => updatePool(tx, pool, { capacityBytes: 10, capacityIops: 1 }))
    await store.transact(async (tx) => restoreReservation(tx, id, 200))
    expect(await reserved()).toEqual([200, 50])
    expect(await reservationOf(store.reader, id)).toMatchObject({ beforeBytes: null, beforeIops: null })
  })

  test('places nothing on a pool that is not Up', async () => {
    await store.transact(async (tx) => updatePool(tx, pool, { state: 'Maintenance' }))
    expect(await take(1, 0)).toBeUndefined()
  })

  test('lets a reservation shrink always, and grow only into what is left', async () => {
    const id = (await take(400, 40)) ?? ''
    await take(500, 50)
    const change = async (bytes: number, iops: number) =>
      store.transact(async (tx) => changeReservation(tx, id, { bytes, iops }))
    expect(await change(501, 40)).toBe(false)
    expect(await change(400, 51)).toBe(false)
    expect(await change(500, 50)).toBe(true)
    await store.transact(async (tx) => updatePool(tx, pool, { capacityBytes: 10, capacityIops: 1 }))
    expect(await change(300, 30)).toBe(true)
    expect(await reserved()).toEqual([800, 80])
  })

  test('always sums up to its rows, whatever is done in whatever order', async () => {
    const action = fc.record({
      what: fc.constantFrom('take', 'change', 'back'),
      at: fc.nat(),
      bytes: fc.integer({ min: 1, max: 600 }),
      iops: fc.integer({ min: 0, max: 60 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
        const held: string[] = []
        for (const { what, at, bytes, iops } of actions) {
          const id = held[at % Math.max(1, held.length)]
          if (what === 'take') held.push(...[(await take(bytes, iops)) ?? []].flat())
          else if (id !== undefined && what === 'change')
            await store.transact(async (tx) => changeReservation(tx, id, { bytes, iops }))
          else if (id !== undefined) {
            await store.transact(async (tx) => giveBack(tx, id))
            held.splice(held.indexOf(id), 1)
          }
          const rows = await Promise.all(held.map(async (one) => reservationOf(store.reader, one)))
          const sums = [
            rows.reduce((sum, row) => sum + (row?.bytes ?? 0), 0),
            rows.reduce((sum, row) => sum + (row?.iops ?? 0), 0),
          ]
          expect(await reserved()).toEqual(sums)
          expect(sums[0]).toBeLessThanOrEqual(1000)
          expect(sums[1]).toBeLessThanOrEqual(100)
        }
        for (const id of held) await store.transact(async (tx) => giveBack(tx, id))
      }),
      { numRuns: 20 },
    )
  })
})

test('transactions that pin a pool and then reserve in it wait for each other, and all get their share', async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, volume))
  let runs = 0
  await Promise.all(
    ids.map((id) =>
      store.transact(async (tx) => {
        runs += 1
        await pinPools(tx, [pool])
        await reserve(tx, { volume: id, pool, bytes: 1, iops: 1 })
      }),
    ),
  )
  // Serializable transactions that waited are repeated: that is their isolation, not a deadlock.
  if (process.env['MOORAGE_TEST_ISOLATION'] !== 'serializable') expect(runs).toBe(8)
  expect(await reserved()).toEqual([8, 8])
})

describe('the pools that are looked at first', () => {
  const wanted = (over: { readonly bytes?: number; readonly iops?: number } = {}) =>
    likeliestPools(store.reader, { zone, bytes: 1, iops: 1, tags: [], spread: 'a', limit: 1000, ...over })
  const among = async (over?: Parameters<typeof wanted>[0]) => (await wanted(over)).some(({ id }) => id === pool)

  test('are those that have room, however much is promised there of what is not limited', async () => {
    await store.transact((tx) =>
      updatePool(tx, pool, { capacityIops: null, reservedIops: 5_000, reservedVolumes: 70, reservedBytes: 10 }),
    )
    expect(await among()).toBe(true)
    await store.transact((tx) => updatePool(tx, pool, { capacityIops: 5_001, capacityVolumes: 71 }))
    expect(await among()).toBe(true)
  })

  test('and none that has too little of anything', async () => {
    expect(await among({ bytes: 1000, iops: 100 })).toBe(true)
    expect(await among({ bytes: 1001 })).toBe(false)
    expect(await among({ iops: 101 })).toBe(false)
    await store.transact((tx) => updatePool(tx, pool, { capacityVolumes: 70, reservedVolumes: 70 }))
    expect(await among()).toBe(false)
  })
})

describe('what is read together', () => {
  test('is what was asked, each at its place', async () => {
    const id = await volume()
    const [volumes, pools] = await store.transact((tx) =>
      together<[{ readonly createdAt: Date }, { readonly reservedBytes: number }]>(
        tx,
        tx.selectFrom('volume').select('createdAt').where('id', '=', id).forUpdate(),
        tx.selectFrom('pool').select('reservedBytes').where('id', '=', pool),
      ),
    )
    expect(volumes[0]?.createdAt).toBeInstanceOf(Date)
    expect(pools).toEqual([{ reservedBytes: 0 }])
  })

  test('fails with the first statement that fails', async () => {
    const broken = store.transact((tx) =>
      together(
        tx,
        tx.selectFrom('pool').select('id').where('id', '=', 'no uuid'),
        tx.selectFrom('pool').select('id').where('id', '=', pool),
      ),
    )
    await expect(broken).rejects.toThrow(/no uuid/)
    expect(await poolById(store.reader, pool)).toMatchObject({ id: pool })
  })
})
