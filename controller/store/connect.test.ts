import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jsonb } from './json.ts'
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

test('JSON of any shape goes in and out as it was, save what jsonb cannot hold', async () => {
  const values = [[1, [2]], 'text', null, { nested_key: { other_key: [true] } }, 'nul \0 and \ud800 half']
  for (const value of values) {
    const { rows } = await sql<{ value: unknown }>`select ${jsonb(value)} as value`.execute(store.reader)
    expect(rows[0]?.value).toEqual(typeof value === 'string' ? value.replaceAll(/\0|\ud800/g, '\u{FFFD}') : value)
  }
})

test('transactions that conflict are repeated until all of them have happened', async () => {
  await sql`create table counter (id int primary key, n int not null)`.execute(store.reader)
  await sql`insert into counter values (1, 0), (2, 0)`.execute(store.reader)
  const increments = Array.from({ length: 20 }, (_, i) =>
    store.transact(async (tx) => {
      await sql`set transaction isolation level serializable`.execute(tx)
      const { rows } = await sql<{ n: number }>`select sum(n) as n from counter`.execute(tx)
      await sql`update counter set n = n + 1 where id = ${1 + (i % 2)}`.execute(tx)
      return rows[0]?.n
    }),
  )
  const seen = await Promise.all(increments)
  expect(seen.toSorted((a = 0, b = 0) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

test('an error that is no conflict ends the transaction at once and leaves nothing', async () => {
  let runs = 0
  const work = store.transact(async (tx) => {
    runs += 1
    await tx.insertInto('configuration').values({ name: 'a', value: '1' }).execute()
    await tx.insertInto('configuration').values({ name: 'a', value: '2' }).execute()
  })
  await expect(work).rejects.toMatchObject({ code: '23505' })
  expect(runs).toBe(1)
  expect(await store.reader.selectFrom('configuration').selectAll().execute()).toEqual([])
})

test('a connection that breaks inside a transaction fails the transaction and nothing else', async () => {
  const work = store.transact(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    // Ended by the server while no statement is under way: nobody waits for an answer on it then.
    await sql`select pg_terminate_backend(${rows[0]?.pid}, 5000)`.execute(store.reader)
    await sql`select 1`.execute(tx)
  })
  await expect(work).rejects.toThrow(/terminat|not queryable|Connection/)
  expect((await sql`select 1`.execute(store.reader)).rows).toHaveLength(1)
})

test('statements that come often are prepared, and go on when a column is added to their tables', async () => {
  await sql`create table wide (id int primary key, n int not null)`.execute(store.reader)
  await sql`insert into wide values (1, 10)`.execute(store.reader)
  const rows = (reader: typeof store.reader) => [
    sql`select * from wide where id = ${1}`.execute(reader),
    sql`select w.* from wide w where id = ${1}`.execute(reader),
    sql`select id, n from wide where id = ${1}`.execute(reader),
    sql`update wide set n = n where id = ${1} returning *`.execute(reader),
  ]
  await store.reader.connection().execute(async (one) => {
    for (let i = 0; i < 10; i += 1) await Promise.all(rows(one))
    const prepared = await sql<{ statement: string }>`select statement from pg_prepared_statements`.execute(one)
    expect(prepared.rows.filter(({ statement }) => statement.includes('wide'))).toMatchObject([
      { statement: 'select id, n from wide where id = $1' },
    ])
    await sql`alter table wide add column more int`.execute(store.reader)
    const answers = await Promise.all(rows(one))
    expect(answers.map((answer) => answer.rows.length)).toEqual([1, 1, 1, 1])
  })
})
