import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestStore } from './testing.ts'
import { testStore } from './testing.ts'

let store: TestStore
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())

test('what asks for all of a table names its columns, alone, joined, and as what a change answers', () => {
  const { reader } = store
  const one = { id: randomUUID(), name: 'zone' }
  const texts = [
    reader.selectFrom('zone').selectAll(),
    reader.selectFrom('zone').selectAll().where('id', '=', one.id).forUpdate(),
    reader.selectFrom('zone').innerJoin('pod', 'pod.zoneId', 'zone.id').selectAll('zone').select('pod.name as podName'),
    reader.insertInto('zone').values(one).returningAll(),
    reader.updateTable('zone').set(one).returningAll(),
    reader.deleteFrom('zone').returningAll(),
    reader.selectFrom(reader.selectFrom('zone').selectAll().as('inside')).select('inside.name'),
  ].map((query) => query.compile().sql)
  for (const text of texts) {
    expect(text).not.toContain('*')
    expect(text).toContain('"network_type"')
    expect(text.match(/"allocation_state"/g)).toHaveLength(1)
  }
})

test('what cannot be named stays as it is', () => {
  const { reader } = store
  const joined = reader.selectFrom('zone').innerJoin('pod', 'pod.zoneId', 'zone.id').selectAll()
  expect(joined.compile().sql).toMatch(/^select \* from "zone"/)
  expect(reader.selectFrom('zone as z').selectAll('z').compile().sql).toMatch(/^select "z"\.\* from/)
})

test('names are those of the database there and ours here, whatever stands between', async () => {
  const { rows } = await sql<{ readonly someName: string; readonly nested: object }>`
    select 1 as ${sql.id('someName')}, ${'{"a_b": 1}'}::jsonb as nested from (select) one left join ${sql.table('poolReach')} on true`.execute(
    store.reader,
  )
  expect(rows).toEqual([{ someName: 1, nested: { a_b: 1 } }])
})

test('a row is read as before once a newer controller has added a column', async () => {
  const { reader } = store
  const read = async () => await reader.selectFrom('configuration').selectAll().where('name', '=', 'a').execute()
  await reader.insertInto('configuration').values({ name: 'a', value: '1' }).execute()
  // Often enough to be prepared.
  for (let nth = 0; nth < 8; nth += 1) expect(await read()).toHaveLength(1)
  const before = await read()
  await sql`alter table configuration add column newer text default 'x'`.execute(reader)
  expect(await read()).toEqual(before)
})
