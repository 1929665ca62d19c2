import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { allPools, updatePool } from '../store/pools.ts'
import { emptyBin } from './testing/checks.ts'
import { startWorld, type World } from './testing/world.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'
import { volumeMigrate } from './volume-migrate.ts'
import { volumeResize } from './volume-resize.ts'

let world: World
let vms: readonly string[]
beforeAll(async () => {
  world = await startWorld()
  vms = [await world.vm(), await world.vm()]
  const caps = {
    capacityBytes: 4 * GIB,
    bytesFactor: 1.25,
    capacityIops: 400,
    iopsFactor: 1.5,
    capacityVolumes: 3,
    floorIops: 40,
  }
  for (const { id } of await allPools(world.store.reader))
    await world.store.transact(async (tx) => updatePool(tx, id, caps))
})
afterAll(async () => world.stop())

const FAULTS = [
  'array/volumes/create',
  'array/volumes/delete',
  'array/resize/grow',
  'array/qos/apply',
  'host/mirror/switch',
] as const
const action = fc.record({
  what: fc.constantFrom('create', 'attach', 'attach', 'grow', 'retype', 'move', 'detach', 'delete'),
  volume: fc.nat(),
  gib: fc.integer({ min: 1, max: 3 }),
  /** 0: none is guaranteed. */
  min: fc.constantFrom(0, 50, 150, 300, 600),
  fault: fc.option(
    fc.record({ method: fc.constantFrom(...FAULTS), kind: fc.constantFrom('error-before', 'error-after') }),
  ),
})
/** What happens at the same time. */
const moment = fc.array(action, { minLength: 1, maxLength: 3 })

type Action = typeof action extends fc.Arbitrary<infer One> ? One : never

const poolOf = (n: number) => (n % 2 === 0 ? world.pools.fast : world.pools.slow)
const qosOf = (min: number) => (min === 0 ? {} : { totalIops: { min, max: 5000 } })

async function act(volumes: string[], { what, volume, gib, min, fault }: Action): Promise<void> {
  const id = volumes[volume % Math.max(1, volumes.length)]
  if (fault) await world.simulator.faults.arm({ ...fault, code: 'INTERNAL', count: 1 })
  if (what === 'create' || id === undefined)
    volumes.push(await world.volume({ bytes: gib * GIB, qos: qosOf(min), tier: 'storage' }))
  else if (what === 'attach') await world.run(volumeAttach, { volume: id, vm: vms[gib % vms.length] ?? '' })
  else if (what === 'grow') await world.run(volumeResize, { volume: id, bytes: gib * GIB })
  else if (what === 'retype') await world.run(volumeResize, { volume: id, qos: qosOf(min) })
  else if (what === 'move') await world.run(volumeMigrate, { volume: id, pool: poolOf(gib) })
  else if (what === 'detach') await world.run(volumeDetach, { volume: id })
  else await world.run(volumeDelete, { volume: id })
}

/** As a reconciler would: a deletion that failed goes on until it is done. */
async function finishDeletions(): Promise<void> {
  const { reader } = world.store
  const halfway = await reader.selectFrom('location').select('volumeId').where('state', '=', 'deleting').execute()
  for (const { volumeId: volume } of halfway) await world.done(volumeDelete, { volume })
}

interface Held {
  readonly pool: string
  readonly volume: string
  readonly bytes: number
}

/** Ledger, records and arrays, once nothing is in motion. */
async function agree(): Promise<void> {
  const { reader } = world.store
  const held = await reader.selectFrom('reservation').selectAll().execute()
  const located = await reader.selectFrom('location').selectAll().execute()
  for (const pool of await allPools(reader)) {
    const mine = held.filter(({ poolId }) => poolId === pool.id)
    const sum = (of: 'bytes' | 'iops') => mine.reduce((total, row) => total + row[of], 0)
    const { reservedBytes, reservedIops, reservedVolumes } = pool
    expect({ reservedBytes, reservedIops, reservedVolumes }).toEqual({
      reservedBytes: sum('bytes'),
      reservedIops: sum('iops'),
      reservedVolumes: mine.length,
    })
    expect(reservedBytes).toBeLessThanOrEqual(5 * GIB)
    expect(reservedIops).toBeLessThanOrEqual(600)
    expect(reservedVolumes).toBeLessThanOrEqual(3)
  }
  const homes = held.filter(({ second }) => !second)
  const ofLedger = homes.map(({ poolId: pool, volumeId: volume, bytes }): Held => ({ pool, volume, bytes }))
  const ofRecords = located.map(({ poolId: pool, volumeId: volume, bytes }): Held => ({ pool, volume, bytes }))
  expect(sorted(ofLedger)).toEqual(sorted(ofRecords))
  expect(held.every(({ beforeBytes, beforeIops }) => beforeBytes === null && beforeIops === null)).toBe(true)
  const there = (await world.arrays()).flatMap((item) =>
    item.kind === 'volume' && item.owner === 'ours' ? [`${item.id} ${item.bytes}`] : [],
  )
  // What volumes that moved have left behind is there still, and holds its room.
  expect(there.toSorted()).toEqual(held.map(({ volumeId, bytes }) => `${volumeId} ${bytes}`).toSorted())
}

function sorted(held: readonly Held[]): readonly Held[] {
  return held.toSorted((one, other) => (one.volume < other.volume ? -1 : 1))
}

/** More of them: `MOORAGE_LEDGER_RUNS=100`. */
const RUNS = Number(process.env['MOORAGE_LEDGER_RUNS'] ?? 6)

test(
  'whatever is asked at once and whatever fails, the ledger is within its caps and is what the arrays hold',
  async () => {
    const volumes: string[] = []
    await fc.assert(
      fc.asyncProperty(fc.array(moment, { minLength: 3, maxLength: 8 }), async (moments) => {
        for (const actions of moments) {
          await Promise.all(actions.map((one) => act(volumes, one)))
          await world.simulator.faults.clear()
          await finishDeletions()
          await agree()
        }
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
    // Nothing of it is left behind once all is gone.
    for (const volume of volumes) {
      await world.run(volumeDetach, { volume })
      await world.run(volumeDelete, { volume })
    }
    await agree()
    await emptyBin(world)
    const left = await world.store.reader.selectFrom('reservation').selectAll().execute()
    expect(left).toEqual([])
  },
  60_000 + RUNS * 10_000,
)
