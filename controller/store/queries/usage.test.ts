import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestStore, testStore } from '../testing.ts'
import { insertCopy, insertSnapshot, updateCopies } from '../snapshots.ts'
import { insertVm, updateVm } from '../vms.ts'
import { expungeVolume, insertVolume, updateVolume, volumeDestroyed } from '../volumes.ts'
import { listUsage, type UsageRecord } from './usage.ts'

let store: TestStore
const ids = { zone: randomUUID(), domain: randomUUID(), account: randomUUID(), offering: randomUUID() }
beforeAll(async () => {
  store = await testStore()
  await store.transact(async (tx) => {
    const { zone, domain, account, offering } = ids
    await tx.insertInto('zone').values({ id: zone, name: 'zone' }).execute()
    await tx.insertInto('domain').values({ id: domain, name: 'ROOT', path: '/' }).execute()
    const owner = { id: account, domainId: domain, name: 'a', role: 'user', chapAccount: 'a' } as const
    await tx.insertInto('account').values(owner).execute()
    const terms = { id: offering, kind: 'service', name: 's', displayText: 's', qos: {}, qosTier: 'none' } as const
    await tx.insertInto('offering').values(terms).execute()
  })
})
afterAll(async () => store.close())
beforeEach(async () => {
  for (const table of ['usage_open', 'usage_span', 'usage_io'])
    await sql`delete from ${sql.table(table)}`.execute(store.reader)
})

const EVER = { since: new Date(0), till: new Date('2099-01-01') }

async function usage(period: { readonly since: Date; readonly till: Date }): Promise<readonly UsageRecord[]> {
  const { count, items } = await listUsage(store.reader, { ownership: { of: 'everyone' }, ...period }, { offset: 0 })
  expect(items).toHaveLength(count)
  return items
}

/** The ledger of a thing and what it has just now: its measures in order. */
async function measures(part: string, measure: 'bytes' | 'minIops' | 'maxIops' | 'cpus', kind: string) {
  const of = <Table extends 'usageSpan' | 'usageOpen'>(table: Table) =>
    store.reader
      .selectFrom(table as 'usageSpan') // Both have these columns.
      .select([measure, 'since'])
      .where('partId', '=', part)
      .where('kind', '=', kind)
      .orderBy('since')
      .execute()
  const [closed, open] = [await of('usageSpan'), await of('usageOpen')]
  return { closed: closed.map((row) => row[measure]), open: open.map((row) => row[measure]) }
}

async function newVolume(): Promise<string> {
  const id = randomUUID()
  const { zone: zoneId, account: accountId } = ids
  const qosRequested = { totalIops: { min: 100, max: 500 } }
  const row = { id, zoneId, accountId, name: 'v', type: 'DATADISK', bytes: 1000, state: 'Allocated' } as const
  await store.transact(async (tx) => insertVolume(tx, { ...row, qosTier: 'storage', qosRequested }))
  return id
}

test('a volume counts from its creation until it is destroyed, and again once it is recovered, by what was applied', async () => {
  const id = await newVolume()
  const change = (changes: Parameters<typeof updateVolume>[2]) =>
    store.transact(async (tx) => updateVolume(tx, id, changes))
  await change({ state: 'Creating' })
  await change({ state: 'Ready', qosApplied: { totalIops: { min: 80, max: 500 } } })
  await change({ bytes: 2000 })
  await change({ qosObserved: { totalIops: { min: 7 } }, name: 'renamed' })
  expect(await measures(id, 'bytes', 'volume')).toEqual({ closed: [1000, 1000], open: [2000] })
  expect(await measures(id, 'minIops', 'volume')).toEqual({ closed: [100, 80], open: [80] })
  await store.transact(async (tx) => volumeDestroyed(tx, id, 'Destroy'))
  expect(await measures(id, 'maxIops', 'volume')).toEqual({ closed: [500, 500, 500], open: [] })
  await change({ state: 'Ready' })
  expect(await measures(id, 'bytes', 'volume')).toEqual({ closed: [1000, 1000, 2000], open: [2000] })
  await store.transact(async (tx) => expungeVolume(tx, id))
  expect(await measures(id, 'bytes', 'volume')).toEqual({ closed: [1000, 1000, 2000, 2000], open: [] })
})

test('what is rolled back leaves no usage', async () => {
  const id = await newVolume()
  const refused = store.transact(async (tx) => {
    await updateVolume(tx, id, { bytes: 5000 })
    throw new Error('no')
  })
  await expect(refused).rejects.toThrow('no')
  expect(await measures(id, 'bytes', 'volume')).toEqual({ closed: [], open: [1000] })
})

test('a VM runs while it runs, is allocated until it is destroyed, and never ran if it never started', async () => {
  const id = randomUUID()
  const { zone: zoneId, account: accountId, offering: offeringId } = ids
  const row = { id, zoneId, accountId, offeringId, name: 'm', displayName: 'm', hypervisor: 'KVM', state: 'Stopped' }
  await store.transact(async (tx) => insertVm(tx, { ...row, cpus: 1, memoryBytes: 1 }))
  const enter = async (...states: readonly string[]) => {
    for (const state of states) await store.transact(async (tx) => updateVm(tx, id, { state }))
  }
  await enter('Starting', 'Stopping', 'Stopped')
  expect(await measures(id, 'cpus', 'vm-running')).toEqual({ closed: [], open: [] })
  await enter('Starting', 'Running', 'Migrating', 'Running', 'Stopping')
  expect(await measures(id, 'cpus', 'vm-running')).toEqual({ closed: [], open: [1] })
  await enter('Stopped')
  await store.transact(async (tx) => updateVm(tx, id, { cpus: 2 }))
  await enter('Destroyed')
  expect(await measures(id, 'cpus', 'vm-running')).toEqual({ closed: [1], open: [] })
  expect(await measures(id, 'cpus', 'vm-allocated')).toEqual({ closed: [1, 2], open: [] })
})

test('each copy of a snapshot counts while it is there', async () => {
  const [volumeId, id, copy] = [await newVolume(), randomUUID(), randomUUID()]
  const { zone: zoneId, account: accountId } = ids
  const row = { id, zoneId, accountId, volumeId, name: 's', state: 'BackedUp', bytes: 1000 }
  await store.transact(async (tx) => {
    await insertSnapshot(tx, row)
    await insertCopy(tx, { id: copy, snapshotId: id, kind: 'array', state: 'intended' })
  })
  expect(await measures(copy, 'bytes', 'snapshot')).toEqual({ closed: [], open: [] })
  await store.transact(async (tx) => updateCopies(tx, id, { state: 'present', bytes: 10 }))
  expect((await usage(EVER)).find(({ type }) => type === 9)).toMatchObject({
    subject: id,
    bytes: 10,
    virtualBytes: 1000,
  })
  await store.transact(async (tx) => updateCopies(tx, id, { state: 'deleting' }))
  expect(await measures(copy, 'bytes', 'snapshot')).toEqual({ closed: [10], open: [] })
})

const DAY_MICROS = 86_400_000_000
const BEGAN = new Date('2026-03-01T00:00:00Z')
const at = (micros: number) => sql<Date>`${BEGAN}::timestamptz + ${micros} * interval '1 microsecond'`

/** Exact sums by type: microseconds times rate, or pieces. */
function sums(records: readonly UsageRecord[]): ReadonlyMap<number, bigint> {
  const found = new Map<number, bigint>()
  for (const { type, amount, rate, micros } of records)
    found.set(type, (found.get(type) ?? 0n) + (amount === null ? BigInt(micros) * BigInt(rate) : BigInt(amount)))
  return found
}

test('the parts of a period sum up to the whole, however it is split', { timeout: 60_000 }, async () => {
  const moment = fc.integer({ min: 0, max: DAY_MICROS })
  const iops = fc.option(fc.integer({ min: 1, max: 200_000 }))
  const span = fc.record({
    from: moment,
    micros: fc.integer({ min: 1, max: DAY_MICROS }),
    minIops: iops,
    maxIops: iops,
  })
  const io = fc.record({ at: moment, readOps: fc.nat(), writeOps: fc.nat(), readBytes: fc.nat(), writeBytes: fc.nat() })
  const cuts = fc.array(fc.integer({ min: 0, max: 86_400_000 }), { maxLength: 4 })
  const ledger = fc.record({ spans: fc.array(span, { maxLength: 8 }), ios: fc.array(io, { maxLength: 8 }), cuts })
  const volume = await newVolume()
  const of = { accountId: ids.account, zoneId: ids.zone }
  await fc.assert(
    fc.asyncProperty(ledger, async ({ spans, ios, cuts: middle }) => {
      await sql`delete from usage_span`.execute(store.reader)
      await sql`delete from usage_io`.execute(store.reader)
      const rows = spans.map(({ from, micros, ...rest }) => {
        const subject = { kind: 'volume', partId: volume, subjectId: volume, ...of, ...rest, bytes: 1 }
        return { ...subject, since: at(from), till: at(from + micros) }
      })
      if (rows.length > 0) await store.reader.insertInto('usageSpan').values(rows).execute()
      const moved = ios.map((one) => ({ ...one, ...of, volumeId: volume, at: at(one.at) }))
      if (moved.length > 0) await store.reader.insertInto('usageIo').values(moved).execute()
      const ends = [0, ...middle.toSorted((a, b) => a - b), 86_400_000].map((ms) => new Date(BEGAN.getTime() + ms))
      const whole = sums(await usage({ since: BEGAN, till: new Date(BEGAN.getTime() + 86_400_000) }))
      const parts = new Map<number, bigint>()
      for (const [index, till] of ends.slice(1).entries())
        for (const [type, sum] of sums(await usage({ since: ends[index] ?? BEGAN, till })))
          parts.set(type, (parts.get(type) ?? 0n) + sum)
      const nonZero = (found: ReadonlyMap<number, bigint>) =>
        [...found].filter(([, sum]) => sum > 0n).toSorted(([one], [other]) => one - other)
      expect(nonZero(parts)).toEqual(nonZero(whole))
      const bound = spans.map(({ from, micros }) => BigInt(Math.min(from + micros, DAY_MICROS) - from))
      expect(whole.get(6) ?? 0n).toBe(bound.reduce((sum, one) => sum + one, 0n))
    }),
    { numRuns: 60 },
  )
})
