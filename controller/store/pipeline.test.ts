import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LATER, later, pipelined } from './pipeline.ts'
import type { Tx } from './store.ts'
import type { TestStore } from './testing.ts'
import { testStore } from './testing.ts'

let store: TestStore
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())
beforeEach(async () => {
  await store.reader.deleteFrom('configuration').execute()
})

function write(tx: Tx, name: string): Promise<void> {
  return later(tx.insertInto('configuration').values({ name, scope: '', value: '' }))
}

async function names(reader: Pick<Tx, 'selectFrom'>): Promise<readonly string[]> {
  const rows = await reader.selectFrom('configuration').select('name').orderBy('name').execute()
  return rows.map(({ name }) => name)
}

describe('a write that is not waited for', () => {
  test('is seen by what follows it in the transaction, and is there once that has committed', async () => {
    await store.transact(async (tx) => {
      await write(tx, 'a')
      expect(await names(tx)).toEqual(['a'])
      await write(tx, 'b')
    })
    expect(await names(store.reader)).toEqual(['a', 'b'])
  })

  test('that fails as the last statement makes the commit fail, for its reason, and nothing is there', async () => {
    const failing = store.transact(async (tx) => {
      await write(tx, 'a')
      await write(tx, 'a')
    })
    await expect(failing).rejects.toMatchObject({ code: '23505' })
    expect(await names(store.reader)).toEqual([])
  })

  test('that fails makes the next statement fail for its reason', async () => {
    const failing = store.transact(async (tx) => {
      await write(tx, 'a')
      await write(tx, 'a')
      await names(tx)
    })
    await expect(failing).rejects.toMatchObject({ code: '23505' })
  })

  test('that fails leaves no trace on the connection', async () => {
    for (let round = 0; round < 12; round += 1) {
      await store.transact(async (tx) => write(tx, 'a').then(() => write(tx, 'a'))).catch(() => {})
    }
    const busy = Array.from({ length: 12 }, (_, at) => store.transact((tx) => write(tx, String(at).padStart(2, '0'))))
    await Promise.all(busy)
    expect(await names(store.reader)).toHaveLength(12)
  })

  test('is not there when the transaction was rolled back', async () => {
    const failing = store.transact(async (tx) => {
      await write(tx, 'a')
      throw new Error('after the write')
    })
    await expect(failing).rejects.toThrow('after the write')
    expect(await names(store.reader)).toEqual([])
  })

  test('outside of a transaction is waited for', async () => {
    const twice = sql`insert into configuration (name, scope, value) values ('a', '', ''), ('a', '', '') ${LATER}`
    await expect(twice.execute(store.reader)).rejects.toMatchObject({ code: '23505' })
  })
})

test('a statement outside of a transaction is repeated until it could be serialized', async () => {
  let tries = 0
  const line = pipelined({
    gather: (work) => work(),
    send: async () => {
      tries += 1
      if (tries < 4) throw Object.assign(new Error('could not serialize'), { code: '40001' })
      return { command: 'SELECT', rowCount: 0, rows: [] }
    },
    broken: () => {},
  })
  expect(await line('select 1', [])).toMatchObject({ command: 'SELECT' })
  expect(tries).toBe(4)
})

describe('a transaction', () => {
  test('that sent nothing ends without a word to the database', async () => {
    const sent: string[] = []
    const line = pipelined({
      gather: (work) => work(),
      send: async (text) => {
        sent.push(text)
        return { command: '', rowCount: 0, rows: [] }
      },
      broken: () => {},
    })
    await line('begin', [])
    expect(await line('commit', [])).toMatchObject({ command: 'COMMIT' })
    await line('begin', [])
    await line('rollback', [])
    expect(sent).toEqual([])
  })

  test('whose beginning is refused writes nothing outside of it, and its connection is not used again', async () => {
    for (const first of ['insert into t values (1)', 'select 1']) {
      const sent: string[] = []
      let broken = false
      const line = pipelined({
        gather: (work) => work(),
        send: async (text) => {
          sent.push(text)
          if (text === 'begin') throw new Error('refused')
          return { command: '', rowCount: 0, rows: [] }
        },
        broken: () => {
          broken = true
        },
      })
      await line('begin', [])
      await expect(line(first, [])).rejects.toThrow('refused')
      expect(sent.filter((text) => text.startsWith('insert'))).toEqual([])
      expect(broken).toBe(true)
    }
  })
})
