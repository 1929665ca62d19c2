import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from './connect.ts'
import { migrate, migrations } from './migrate.ts'
import { openStore } from './open.ts'
import type { OpenedStore } from './open.ts'
import type { Reader } from './store.ts'
import { TEST_MASTER_KEY, testDatabase } from './testing.ts'

const log = { info: () => {}, warn: () => {}, error: () => {} }

describe('migrations', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  const readers: Reader[] = []
  beforeAll(async () => {
    database = await testDatabase({ empty: true })
  })
  afterAll(async () => {
    await Promise.all(readers.map((reader) => reader.destroy()))
    await database.drop()
  })
  const open = () => {
    const { reader } = connect({ connectionString: database.url }, { name: 'test', connections: 2, failed: () => {} })
    readers.push(reader)
    return reader
  }

  test('are applied once when several controllers start at the same time', async () => {
    await Promise.all(Array.from({ length: 5 }, () => migrate(open())))
    const { rows } = await sql<{ number: number }>`select number from migration order by number`.execute(open())
    expect(rows.map(({ number }) => number)).toEqual(migrations().map(({ number }) => number))
  })

  test('stop at one that was applied from another text', async () => {
    const reader = open()
    const { rows } = await sql<{ checksum: string }>`update migration set checksum = 'x' where number = 1
      returning (select checksum from migration where number = 1)`.execute(reader)
    await expect(migrate(reader)).rejects.toThrow('migration 0001-core.sql was applied from another text')
    await sql`update migration set checksum = ${rows[0]?.checksum} where number = 1`.execute(reader)
    await migrate(reader)
  })

  test('stop at a database of a newer release', async () => {
    const reader = open()
    await sql`insert into migration (number, name, checksum) values (9999, '9999-future.sql', 'x')`.execute(reader)
    await expect(migrate(reader)).rejects.toThrow('9999-future.sql, which this release does not know')
  })
})

describe('the installation', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  beforeAll(async () => {
    database = await testDatabase()
  })
  afterAll(() => database.drop())
  const open = (masterKey: Buffer) => openStore({ url: database.url, dataDir: '', masterKey, log, connections: 2 })

  test('has one id, whoever opens it first', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(TEST_MASTER_KEY)))
    expect(new Set(stores.map(({ installation }) => installation)).size).toBe(1)
    await Promise.all(stores.map((store: OpenedStore) => store.close()))
  })

  test('does not open under another master key', async () => {
    await expect(open(Buffer.alloc(32, 8))).rejects.toThrow('is not the one this installation was made with')
  })
})
