import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestStore, testStore } from '../testing.ts'
import { longCount } from './long-count.ts'

let store: TestStore
let asked = 0
let time = 0
/** How long counting takes, on the same clock. */
let takes = 0
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())

/** Counts as many rows as there are now of a table of numbers, and how often it was asked. */
function counting() {
  const query = store.reader
    .selectFrom(sql<{ readonly n: number }>`(select count(*) as n from numbers)`.as('counted'))
    .select('n')
  return {
    compile: () => query.compile(),
    executeTakeFirstOrThrow: async () => {
      asked += 1
      time += takes
      return await query.executeTakeFirstOrThrow()
    },
  }
}

async function rows(count: number): Promise<void> {
  await sql`drop table if exists numbers`.execute(store.reader)
  await sql`create table numbers as select generate_series(1, ${sql.lit(count)})`.execute(store.reader)
}

const count = async () => await longCount(store.reader, counting(), { now: () => time })

test('few rows are counted each time, many once in a second, whoever asks', async () => {
  await rows(49_999)
  expect(await count()).toBe(49_999)
  await rows(60_000)
  expect(await count()).toBe(60_000)
  await rows(3)
  time += 999
  asked = 0
  const told = await Promise.all(Array.from({ length: 20 }, count))
  expect({ told: new Set(told), asked }).toEqual({ told: new Set([60_000]), asked: 0 })
  time += 1
  // One counts anew, and the others need not wait for it.
  expect(new Set(await Promise.all(Array.from({ length: 20 }, count)))).toEqual(new Set([60_000, 3]))
  expect({ n: await count(), asked }).toEqual({ n: 3, asked: 2 })
})

test('a count that fails is forgotten', async () => {
  await rows(60_000)
  expect(await count()).toBe(60_000)
  await sql`drop table numbers`.execute(store.reader)
  time += 1000
  await expect(count()).rejects.toThrow(/numbers/)
  await rows(5)
  expect(await count()).toBe(5)
})

test.each([
  [200, 4000],
  [3000, 10_000],
])('a count that took %d ms is told again for %d', async (took, told) => {
  await rows(60_000)
  time += 100_000
  takes = took
  asked = 0
  await count()
  time += told - 1
  await count()
  expect(asked).toBe(1)
  time += 1
  await count()
  expect(asked).toBe(2)
  takes = 0
})
