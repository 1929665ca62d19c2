import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestStore } from './testing.ts'
import { testStore } from './testing.ts'

let store: TestStore
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())

test('bigint and sums of bigint are read as numbers, timestamps as dates', async () => {
  const { rows } = await sql<{ big: number; total: number; at: Date }>`
    select 9007199254740991::bigint as big, sum(x) as total, now() as at from (values (5::bigint), (6)) t (x)`.execute(
    store.reader,
  )
  expect(rows[0]).toMatchObject({ big: Number.MAX_SAFE_INTEGER, total: 11 })
  expect(rows[0]?.at).toBeInstanceOf(Date)
})
