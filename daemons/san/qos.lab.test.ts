import type { Connection, Exposure, Qos, StorageProvider, VolumeId } from '@moorage/contract'
import { remoteStorage, wireClient } from '@moorage/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bench, BENCH_INITIATOR, type Load, newCall, newHost, newId, startLoad, until } from './initiator.ts'
import { SAN_LIMITS, startTestSan, type TestSan } from './testing.ts'

/** Of the pool: low, so that the machine can do it beside other tests. */
const CAPACITY = 1000
const MEBIBYTE = 1024 ** 2

let san: TestSan
let provider: StorageProvider
const host = { ...newHost(), initiator: BENCH_INITIATOR }

beforeAll(async () => {
  san = await startTestSan({ iops: CAPACITY })
  const { url, user, password, endpoint } = san
  const context = { pool: 'pool1', owner: endpoint.owner }
  const can = ['qos', 'stats'] as const
  provider = remoteStorage({ remote: wireClient({ url, user, password }), limits: SAN_LIMITS, can, context })
})
afterAll(() => san.stop())

interface Disk {
  readonly id: VolumeId
  readonly connection: Connection
  readonly exposure: Exposure
}

async function makeDisk(qos: Qos): Promise<Disk> {
  const id = newId<'volume'>()
  const exposure: Exposure = { source: { kind: 'volume', id }, consumer: host, mode: 'rw', account: 'tenant' }
  await provider.volumes.create({ id, bytes: 256 * MEBIBYTE, qos, settings: {} }, newCall())
  return { id, exposure, connection: await provider.access.expose(exposure, newCall()) }
}

async function dropDisk({ id, exposure }: Disk): Promise<void> {
  await provider.access.withdraw(exposure, newCall())
  await provider.volumes.delete(id, newCall())
}

async function apply(id: VolumeId, qos: Qos) {
  const applied = await provider.qos?.apply(id, qos, newCall())
  expect(await provider.qos?.read(id, newCall())).toEqual(applied?.applied)
  return applied
}

async function operations(id: VolumeId): Promise<number> {
  const { readOps, writeOps } = (await provider.stats?.read(id, newCall())) ?? { readOps: 0, writeOps: 0 }
  return readOps + writeOps
}

/** Operations per second over some seconds, by the counters of the SAN. */
async function ratesOver(seconds: number, disks: readonly Disk[]): Promise<readonly number[]> {
  const began = Date.now()
  const before = await Promise.all(disks.map(({ id }) => operations(id)))
  await until('the time of measuring is over', () => Date.now() - began >= seconds * 1000)
  const after = await Promise.all(disks.map(({ id }) => operations(id)))
  const took = (Date.now() - began) / 1000
  return after.map((count, index) => (count - (before[index] ?? 0)) / took)
}

/** Within 5 % of the limit, after the tenth of a second's worth that QEMU lets through at first. */
function expectRate(operations: number, seconds: number, limit: number): void {
  const rate = (operations - limit / 10) / seconds
  expect(rate).toBeGreaterThan(limit * 0.95)
  expect(rate).toBeLessThan(limit * 1.05)
}

test('a limit holds within 5 % for writes and for reads, and changes live', async () => {
  const disk = await makeDisk({ totalIops: { max: 200 } })
  expectRate(1200, await bench(disk.connection, 1200, { direction: 'write' }), 200)
  await apply(disk.id, { totalIops: { max: 800 } })
  expectRate(4400, await bench(disk.connection, 4400, { direction: 'read' }), 800)
  await dropDisk(disk)
})

test('reads and writes can have limits of their own', async () => {
  const disk = await makeDisk({ readIops: { max: 300 }, writeIops: { max: 100 } })
  expectRate(1650, await bench(disk.connection, 1650, { direction: 'read' }), 300)
  expectRate(550, await bench(disk.connection, 550, { direction: 'write' }), 100)
  await dropDisk(disk)
})

test('a byte rate holds, and operations count by the size they are normalized to', async () => {
  const size = 65_536
  const disk = await makeDisk({ totalBytes: { max: 2 * MEBIBYTE } })
  const bytes = 176 * size
  expectRate(bytes, await bench(disk.connection, bytes / size, { direction: 'write', size }), 2 * MEBIBYTE)
  expect(await apply(disk.id, { totalIops: { max: 400 }, ioBytes: 16_384 })).toMatchObject({ clamped: [] })
  const count = 550
  expectRate(count * 4, await bench(disk.connection, count, { direction: 'write', size }), 400)
  await dropDisk(disk)
})

test('a burst lasts as long as was said to be applied', async () => {
  const disk = await makeDisk({})
  const applied = await apply(disk.id, { totalIops: { max: 100, burst: 400, burstSeconds: 3 } })
  expect(applied).toEqual({ applied: { totalIops: { max: 100, burst: 400, burstSeconds: 4 } }, clamped: ['totalIops'] })
  const seconds = await bench(disk.connection, 4 * 400 + 2 * 100, { direction: 'write' })
  expect(seconds).toBeGreaterThan(6 * 0.93)
  expect(seconds).toBeLessThan(6 * 1.07)
  await dropDisk(disk)
})

test('a slow volume does not hold up a fast one', async () => {
  const slow = await makeDisk({ totalIops: { max: 10 } })
  const fast = await makeDisk({ totalIops: { max: 500 } })
  const load = startLoad(slow.connection, { direction: 'write' })
  expectRate(3000, await bench(fast.connection, 3000, { direction: 'write' }), 500)
  await load.stop()
  await Promise.all([dropDisk(slow), dropDisk(fast)])
})

test('a guarantee is kept against greedy neighbours, with and without one of their own', async () => {
  const guaranteed = await makeDisk({ totalIops: { min: 500, max: 900 } })
  const modest = await makeDisk({ totalIops: { min: 100, max: 600 } })
  const greedy = await makeDisk({})
  const disks = [guaranteed, modest, greedy]
  const loads: Load[] = []
  for (const disk of [modest, greedy]) loads.push(startLoad(disk.connection, { direction: 'write' }))
  await until('the neighbours are at work', async () => (await operations(greedy.id)) > 500)
  const [, alone = 0] = await ratesOver(4, disks)
  expect(alone).toBeGreaterThan(500)
  loads.push(startLoad(guaranteed.connection, { direction: 'write' }))
  await until('the guaranteed one is at work', async () => (await operations(guaranteed.id)) > 500)
  const [kept = 0, small = 0, rest = 0] = await ratesOver(6, disks)
  expect(kept).toBeGreaterThan(500 * 0.95)
  expect(small).toBeGreaterThan(100 * 0.95)
  expect(kept + small + rest).toBeLessThan(CAPACITY * 1.1)
  // What neighbours are held back to is not what their own QoS says.
  expect(await provider.qos?.read(modest.id, newCall())).toEqual({ totalIops: { min: 100, max: 600 } })
  expect(await provider.qos?.read(greedy.id, newCall())).toEqual({})
  await Promise.all(loads.map((load) => load.stop()))
  await Promise.all(disks.map(dropDisk))
})

test('more than the pool can do is not guaranteed', async () => {
  const first = await makeDisk({ totalIops: { min: 700 } })
  const second = await makeDisk({ totalIops: { max: 700 } })
  const refused = provider.qos?.apply(second.id, { totalIops: { min: 301 } }, newCall())
  await expect(refused).rejects.toMatchObject({ code: 'LIMIT', effect: 'none' })
  expect(await provider.qos?.read(second.id, newCall())).toEqual({ totalIops: { max: 700 } })
  await apply(second.id, { totalIops: { min: 300 } })
  await apply(first.id, { totalIops: { min: 600 } })
  await apply(second.id, {})
  await Promise.all([dropDisk(first), dropDisk(second)])
})
