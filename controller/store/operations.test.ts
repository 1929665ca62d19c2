import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Journal, Submission } from '../jobs/journal.ts'
import { createJournal } from './journal.ts'
import {
  buryNode,
  findOperation,
  listNodes,
  listOperations,
  countOperations,
  operationLog,
  queueDepth,
} from './operations.ts'
import type { Tx } from './store.ts'
import type { TestStore } from './testing.ts'
import { testStore } from './testing.ts'

let store: TestStore
let journal: Journal<Tx>
beforeAll(async () => {
  store = await testStore()
  journal = createJournal({ store, leaseMs: 60_000, log: { info: () => {}, warn: () => {}, error: () => {} } })
})
afterAll(() => store.close())

async function submit(more: Partial<Submission> = {}): Promise<string> {
  const id = randomUUID()
  const head = { id, saga: 's', version: 1, lane: 'access' as const, input: {}, resources: [], account: '', user: '' }
  await store.transact((tx) => journal.submit(tx, { ...head, command: 'attachVolume', ...more }, 'first'))
  return id
}

test('an operation that waits names what it waits for and who has it', async () => {
  const running = await submit({ resources: ['volume:1'], command: 'createSnapshot' })
  const [claim] = await journal.claim('node-a', { max: 1, background: 1 })
  const next = await submit({ resources: ['volume:1', 'vm:1'] })
  const last = await submit({ resources: ['vm:1', 'volume:1'], command: 'detachVolume' })
  expect(await findOperation(store.reader, running)).toMatchObject({
    state: 'running',
    node: 'node-a',
    abandoned: false,
    waitsFor: [],
  })
  expect(await findOperation(store.reader, next)).toMatchObject({
    state: 'queued',
    step: 'first',
    startedAt: undefined,
    waitsFor: [{ resource: 'volume:1', operation: running, command: 'createSnapshot', holds: true }],
  })
  const { waitsFor } = (await findOperation(store.reader, last)) ?? { waitsFor: [] }
  expect(waitsFor).toEqual(
    expect.arrayContaining([
      { resource: 'vm:1', operation: next, command: 'attachVolume', holds: false },
      { resource: 'volume:1', operation: running, command: 'createSnapshot', holds: true },
      { resource: 'volume:1', operation: next, command: 'attachVolume', holds: false },
    ]),
  )
  const oldestSeconds: unknown = expect.any(Number)
  const oldestRunningSeconds: unknown = expect.any(Number)
  expect(await queueDepth(store.reader)).toContainEqual({
    lane: 'access',
    queued: 2,
    running: 1,
    oldestSeconds,
    oldestRunningSeconds,
  })
  const nothing = () => Promise.resolve()
  const step = { name: 'first', ordinal: 0, calls: [] }
  if (claim) await journal.commitLast(claim, step, { record: nothing, succeeded: nothing })
  const endedAt: unknown = expect.any(Date)
  expect(await findOperation(store.reader, running)).toMatchObject({ state: 'succeeded', step: undefined, endedAt })
  await sql`update operation set state = 'aborted', ended_at = now() where state = 'queued'`.execute(store.reader)
})

test('listing filters and pages, newest first', async () => {
  const [mine, theirs, volume] = [randomUUID(), randomUUID(), randomUUID()]
  const ids: string[] = []
  for (let i = 0; i < 5; i += 1) ids.unshift(await submit({ account: mine, subject: { kind: 'Volume', id: volume } }))
  await submit({ account: theirs })
  const read: string[] = []
  let cursor: string | undefined
  do {
    const page = await listOperations(store.reader, { accounts: [mine] }, { rows: 2, ...(cursor ? { cursor } : {}) })
    read.push(...page.rows.map(({ id }) => id))
    cursor = page.next
  } while (cursor !== undefined)
  expect(read).toEqual(ids)
  expect(await countOperations(store.reader, { accounts: [mine, theirs], states: ['queued'] })).toBe(6)
  expect(await countOperations(store.reader, { subject: volume })).toBe(5)
  expect(await countOperations(store.reader, { accounts: [] })).toBe(0)
  expect(await countOperations(store.reader, { since: new Date(Date.now() + 60_000) })).toBe(0)
  expect(await countOperations(store.reader, { command: 'nothing' })).toBe(0)
})

test('the log of an operation is read in order; an unknown operation has none', async () => {
  const id = await submit({ resources: ['volume:9'] })
  const log = await operationLog(store.reader, id)
  expect(log.rows).toMatchObject([{ kind: 'submitted', step: undefined, detail: { resources: ['volume:9'] } }])
  expect(await operationLog(store.reader, randomUUID())).toEqual({ rows: [] })
  expect(await findOperation(store.reader, randomUUID())).toBeUndefined()
})

test('nodes are listed while they live, with what they run', async () => {
  await journal.heartbeat('node-x', [])
  expect(await listNodes(store.reader)).toMatchObject([{ id: 'node-x', operations: 0 }])
  await sql`update operation set state = 'aborted', ended_at = now() where state = 'queued'`.execute(store.reader)
  const id = await submit()
  const [claim] = await journal.claim('node-x', { max: 1, background: 0 })
  expect(await buryNode(store, 'node-x')).toBe(1)
  expect(await findOperation(store.reader, id)).toMatchObject({ abandoned: true })
  const [next] = await journal.claim('node-y', { max: 1, background: 0 })
  expect(next?.id).toBe(id)
  expect(next?.fence).toBeGreaterThan(claim?.fence ?? Number.POSITIVE_INFINITY)
  await journal.heartbeat('node-y', [])
  await journal.leave('node-y')
  expect(await listNodes(store.reader)).toEqual([])
})
