import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import { createJournal } from '../store/journal.ts'
import { queueDepth } from '../store/operations.ts'
import type { Tx } from '../store/store.ts'
import type { TestStore } from '../store/testing.ts'
import { testStore } from '../store/testing.ts'
import type { Lane } from './saga.ts'
import { saga } from './saga.ts'
import { begin, operation, submission, testRunner } from './testing/runner.ts'

const MANY = 1_000
const FEWER = 200
const CONCURRENCY = 8

let store: TestStore
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())
beforeEach(async () => {
  await sql`truncate operation, operation_lock, operation_wait, operation_step, operation_log`.execute(store.reader)
})

/** Counts who has ended, in order; `account` and lane say who. */
function counting(lane: Lane, ended: string[]) {
  return saga<{ readonly who: string }, Tx>({ name: `counted-${lane}`, version: 1, lane })
    .step('work', {
      run: async ({ input }) => void ended.push(input.who),
      undo: async () => {},
    })
    .build()
}

/** Leaves operations of one account in the queue, as a controller that nobody replaced would. */
async function backlog(lane: Lane, count: number): Promise<void> {
  const account = randomUUID()
  const journal = createJournal({ store, leaseMs: 2_000, log: { info: () => {}, warn: () => {}, error: () => {} } })
  const definition = counting(lane, [])
  await store.transact(async (tx) => {
    for (let at = 0; at < count; at += 1) {
      await journal.submit(tx, submission(definition, { who: 'many' }, { account }), 'work')
    }
  })
}

test(`an account with ${MANY} operations in the queue does not delay the only one of another`, async () => {
  const ended: string[] = []
  await backlog('access', MANY)
  const definition = counting('access', ended)
  const runner = await testRunner(store, [definition], { concurrency: CONCURRENCY })
  const id = await begin(store, runner, submission(definition, { who: 'one' }, { account: randomUUID() }))
  expect(await runner.ended(id, 30_000)).toBe(true)
  await runner.stop()
  // Those at work, those of the look that was under way, and those of the look that found it.
  expect(ended.indexOf('one')).toBeGreaterThanOrEqual(0)
  expect(ended.indexOf('one')).toBeLessThan(4 * CONCURRENCY)
})

test(`an attachment does not wait for ${FEWER} operations of housekeeping, nor those of motion`, async () => {
  const ended: string[] = []
  await backlog('housekeeping', FEWER)
  const sagas = (['access', 'motion', 'housekeeping'] as const).map((lane) => counting(lane, ended))
  const runner = await testRunner(store, sagas, { concurrency: CONCURRENCY })
  const ids: string[] = []
  for (const definition of sagas.slice(0, 2).toReversed()) {
    ids.push(await begin(store, runner, submission(definition, { who: definition.lane }, { account: randomUUID() })))
  }
  for (const id of ids) expect(await runner.ended(id, 30_000)).toBe(true)
  await runner.stop()
  for (const lane of ['access', 'motion']) expect(ended.indexOf(lane)).toBeLessThan(4 * CONCURRENCY)
})

test('how long operations have waited is told, per lane and for each', async () => {
  await backlog('motion', CONCURRENCY)
  await sql`update operation set created_at = now() - interval '90 seconds'`.execute(store.reader)
  const motion = (await queueDepth(store.reader)).find(({ lane }) => lane === 'motion')
  expect(motion).toMatchObject({ queued: CONCURRENCY, running: 0 })
  expect(motion?.oldestSeconds).toBeGreaterThanOrEqual(90)
  const runner = await testRunner(store, [counting('motion', [])], { concurrency: CONCURRENCY })
  const { rows } = await sql<{ id: string }>`select id from operation order by seq limit 1`.execute(store.reader)
  const first = rows[0]?.id ?? ''
  expect(await runner.ended(first, 30_000)).toBe(true)
  await runner.stop()
  const { createdAt, startedAt } = await operation(store, first)
  expect((startedAt?.getTime() ?? 0) - createdAt.getTime()).toBeGreaterThanOrEqual(90_000)
})
