import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LostLease } from '../jobs/journal.ts'
import type { Claim, Journal, Submission } from '../jobs/journal.ts'
import { LANES } from '../jobs/saga.ts'
import type { Lane } from '../jobs/saga.ts'
import { createJournal } from './journal.ts'
import type { Tx } from './store.ts'
import type { TestStore } from './testing.ts'
import { testStore } from './testing.ts'

const ALL = { max: 100, background: 100 }
const nothing = () => Promise.resolve()

let store: TestStore
let journal: Journal<Tx>
beforeAll(async () => {
  store = await testStore()
  journal = createJournal({ store, leaseMs: 60_000, log: { info: () => {}, warn: () => {}, error: () => {} } })
})
afterAll(() => store.close())
beforeEach(clear)

async function clear(): Promise<void> {
  await sql`truncate operation, operation_lock, operation_wait, operation_step, operation_log, configuration`.execute(
    store.reader,
  )
}

async function submit(more: Partial<Submission> = {}): Promise<string> {
  const id = randomUUID()
  const head = { id, saga: 's', version: 1, lane: 'access' as const, input: {}, resources: [], account: '', user: '' }
  await store.transact((tx) => journal.submit(tx, { ...head, command: 'c', ...more }, 'first'))
  return id
}

function expire(id: string): Promise<unknown> {
  return store.reader
    .updateTable('operation')
    .set({ leaseUntil: new Date(0) })
    .where('id', '=', id)
    .execute()
}

async function claimOne(node = 'a'): Promise<Claim> {
  const [claim] = await journal.claim(node, { max: 1, background: 1 })
  if (!claim) throw new Error('there was nothing to claim')
  return claim
}

/** Ends an operation of one step. */
async function end(claim: Claim): Promise<void> {
  await journal.commitLast(claim, { name: 'first', ordinal: 0, calls: [] }, { record: nothing, succeeded: nothing })
}

/** An operation in the model: what the journal must agree with. */
interface Modelled {
  readonly id: string
  readonly resources: readonly string[]
  readonly lane: Lane
  state: 'queued' | 'running' | 'ended'
  claim?: Claim
}

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('submit' as const),
      resources: fc.uniqueArray(fc.constantFrom('r1', 'r2', 'r3', 'r4'), { maxLength: 3 }),
      lane: fc.constantFrom(...LANES),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('claim' as const), max: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), which: fc.nat() }) },
)
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never

function runnable(model: readonly Modelled[]): readonly Modelled[] {
  return model.filter((one, at) => {
    if (one.state !== 'queued') return false
    return !model.some((other, before) => {
      const shares = other.resources.some((name) => one.resources.includes(name))
      return shares && (other.state === 'running' || (other.state === 'queued' && before < at))
    })
  })
}

/** Does the action on the journal and on the model, and compares. */
async function act(what: Action, model: Modelled[], seen: { fence: number }): Promise<void> {
  const running = model.filter(({ state }) => state === 'running')
  if (what.kind === 'submit') {
    const id = await submit({ resources: what.resources, lane: what.lane })
    model.push({ id, resources: what.resources, lane: what.lane, state: 'queued' })
  } else if (what.kind === 'claim') {
    const expected = runnable(model).toSorted((a, b) => LANES.indexOf(a.lane) - LANES.indexOf(b.lane))
    const claims = await journal.claim('a', { max: what.max, background: what.max })
    expect(claims.map(({ id }) => id)).toEqual(expected.slice(0, what.max).map(({ id }) => id))
    for (const claim of claims) {
      expect(claim.fence).toBeGreaterThan(seen.fence)
      Object.assign(model.find(({ id }) => id === claim.id) ?? {}, { state: 'running', claim })
    }
    seen.fence = Math.max(seen.fence, ...claims.map(({ fence }) => fence))
  } else {
    const one = running[what.which % Math.max(1, running.length)]
    if (!one?.claim) return
    if (what.kind === 'finish') {
      await end(one.claim)
      one.state = 'ended'
    } else await takeOver(one, one.claim, seen)
  }
}

async function takeOver(one: Modelled, before: Claim, seen: { fence: number }): Promise<void> {
  await expire(one.id)
  const claims = await journal.claim('b', { max: 1, background: 0 })
  expect(claims).toMatchObject([{ id: one.id, firstRun: false }])
  await expect(end(before)).rejects.toThrow(LostLease)
  expect(claims[0]?.fence).toBeGreaterThan(seen.fence)
  if (claims[0]) one.claim = claims[0]
  seen.fence = claims[0]?.fence ?? seen.fence
}

describe('claiming', () => {
  test('agrees with a model of locks, lines, lanes and fences, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        await clear()
        const model: Modelled[] = []
        const seen = { fence: 0 }
        for (const what of actions) await act(what, model, seen)
        const held = await store.reader.selectFrom('operationLock').selectAll().execute()
        const expected = model.filter(({ state }) => state === 'running').flatMap(({ resources }) => resources)
        expect(held.map(({ resource }) => resource).toSorted()).toEqual(expected.toSorted())
        const waits = await store.reader.selectFrom('operationWait').selectAll().execute()
        const queued = model.filter(({ state }) => state === 'queued').flatMap(({ resources }) => resources)
        expect(waits.map(({ resource }) => resource).toSorted()).toEqual(queued.toSorted())
      }),
      { numRuns: 40 },
    )
  }, 60_000)

  test('gives each operation to one node and each resource to one operation when many nodes claim at once', async () => {
    for (let i = 0; i < 60; i += 1) await submit({ resources: [`r${i % 20}`, `s${i % 7}`] })
    const nodes = Array.from({ length: 8 }, (_, at) => journal.claim(`n${at}`, { max: 10, background: 0 }))
    const ids = (await Promise.all(nodes)).flat().map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThan(0)
    const locks = await store.reader.selectFrom('operationLock').select('operationId').execute()
    expect(locks).toHaveLength(2 * ids.length)
    const running = await store.reader.selectFrom('operation').select('id').where('state', '=', 'running').execute()
    expect(running.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  })

  test('favours the account with the fewest operations at work', async () => {
    const [greedy, modest] = [randomUUID(), randomUUID()]
    const theirs: string[] = []
    for (let i = 0; i < 6; i += 1) theirs.push(await submit({ account: greedy }))
    const mine = [await submit({ account: modest }), await submit({ account: modest })]
    const order = (await journal.claim('a', { max: 4, background: 0 })).map(({ id }) => id)
    expect(order).toEqual([theirs[0], mine[0], theirs[1], mine[1]])
    const newcomer = await submit({ account: randomUUID() })
    expect((await claimOne()).id).toBe(newcomer)
  })

  test('keeps the lanes after the first within their share', async () => {
    const motion = [await submit({ lane: 'motion' }), await submit({ lane: 'housekeeping' })]
    const access = await submit()
    const claims = await journal.claim('a', { max: 10, background: 1 })
    expect(claims.map(({ id }) => id)).toEqual([access, motion[0]])
  })
})

describe('a step', () => {
  test('is journaled together with what it records, or not at all', async () => {
    await submit()
    const claim = await claimOne()
    const record = async (tx: Tx) => {
      await tx.insertInto('configuration').values({ name: 'recorded', value: '1' }).execute()
      throw new Error('no')
    }
    const step = { name: 'first', ordinal: 0, calls: [] }
    await expect(journal.commitStep(claim, step, record)).rejects.toThrow('no')
    expect(await store.reader.selectFrom('configuration').selectAll().execute()).toEqual([])
    expect(await store.reader.selectFrom('operationStep').selectAll().execute()).toEqual([])
  })

  test('committed again after an answer was lost records once and answers the same', async () => {
    await submit()
    const claim = await claimOne()
    let records = 0
    const record = () => Promise.resolve({ at: (records += 1), not: undefined })
    const step = { name: 'first', ordinal: 0, calls: [], next: 'second' }
    expect(await journal.commitStep(claim, step, record)).toEqual({ at: 1 })
    expect(await journal.commitStep(claim, step, record)).toEqual({ at: 1 })
    expect(records).toBe(1)
  })

  test('that is the last ends the operation and releases its locks in the same transaction, once', async () => {
    const id = await submit({ resources: ['volume:1'] })
    const claim = await claimOne()
    const step = { name: 'first', ordinal: 0, calls: [] }
    const record = async (tx: Tx) => {
      await tx.insertInto('configuration').values({ name: 'recorded', value: '1' }).execute()
      return { at: 1, not: undefined }
    }
    const refuses = () => Promise.reject(new Error('no'))
    await expect(journal.commitLast(claim, step, { record, succeeded: refuses })).rejects.toThrow('no')
    expect(await store.reader.selectFrom('configuration').selectAll().execute()).toEqual([])
    expect(await store.reader.selectFrom('operationStep').selectAll().execute()).toEqual([])
    expect(await journal.endedAmong([id])).toEqual([])
    const results: unknown[] = []
    const succeeded = async (_tx: Tx, result: unknown) => void results.push(result)
    await journal.commitLast(claim, step, { record, succeeded })
    await journal.commitLast(claim, step, { record: refuses, succeeded: refuses })
    expect(results).toEqual([{ at: 1 }])
    expect(await journal.endedAmong([id])).toEqual([id])
    expect(await store.reader.selectFrom('operationLock').selectAll().execute()).toEqual([])
    expect(await store.reader.selectFrom('operationStep').select(['name', 'state', 'result']).execute()).toEqual([
      { name: 'first', state: 'done', result: { at: 1 } },
    ])
    const kinds = await store.reader.selectFrom('operationLog').select('kind').orderBy('seq').execute()
    expect(kinds.map(({ kind }) => kind)).toEqual(['submitted', 'claimed', 'step done', 'ended'])
  })

  test('is handed to the next node with its result, while the last node can write nothing any more', async () => {
    const id = await submit({ resources: ['volume:1'] })
    const before = await claimOne('a')
    await journal.commitStep(before, { name: 'first', ordinal: 0, calls: [], next: 'second' }, () =>
      Promise.resolve([1, 'x']),
    )
    await expire(id)
    const after = await claimOne('b')
    expect(after).toMatchObject({
      id,
      state: 'running',
      firstRun: false,
      steps: [{ name: 'first', state: 'done', result: [1, 'x'] }],
    })
    const step = { name: 'second', ordinal: 1, calls: [] }
    const writes = [
      () => journal.commitStep(before, step, () => Promise.reject(new Error('recorded'))),
      () =>
        journal.commitLast(before, step, { record: () => Promise.reject(new Error('recorded')), succeeded: nothing }),
      () => journal.noteRetry(before, { step: 'second', attempt: 1, why: '', inMs: 1, calls: [] }),
      () => journal.beginUndo(before, { code: 'X', text: '', step: 'second', mayHaveStarted: true }, []),
      () => journal.commitUndo(before, step, () => Promise.reject(new Error('recorded'))),
      () => journal.finish(before, { state: 'failed' }, () => Promise.reject(new Error('recorded'))),
    ]
    for (const write of writes) await expect(write()).rejects.toThrow(LostLease)
    await journal.release(before, { inMs: 0, why: 'late' })
    expect(await journal.heartbeat('a', [before])).toMatchObject({ lost: [id] })
    expect(await journal.heartbeat('b', [after])).toMatchObject({ lost: [] })
  })
})

describe('undoing', () => {
  test('is taken over with its failure, its steps, and the step that may have started', async () => {
    const id = await submit()
    const claim = await claimOne()
    await journal.commitStep(claim, { name: 'first', ordinal: 0, calls: [] }, () => Promise.resolve(1))
    const failure = { code: 'NO_CAPACITY', text: 'full', internal: 'pool x' }
    await journal.beginUndo(claim, { ...failure, step: 'second', mayHaveStarted: true }, [])
    await expire(id)
    const next = await claimOne('b')
    expect(next).toMatchObject({ state: 'undoing', failure, undoFrom: 'second' })
    await journal.commitUndo(next, { name: 'second', ordinal: 1, calls: [] }, nothing)
    await journal.commitUndo(next, { name: 'second', ordinal: 1, calls: [] }, () =>
      Promise.reject(new Error('unrecorded twice')),
    )
    await expire(id)
    expect((await claimOne('c')).steps).toMatchObject([
      { name: 'first', state: 'done' },
      { name: 'second', state: 'undone' },
    ])
  })
})

describe('asking', () => {
  test('to abort is told with the next heartbeat, and means nothing once the operation undoes or has ended', async () => {
    const id = await submit()
    const claim = await claimOne()
    await journal.askAbort(id)
    expect(await journal.heartbeat('a', [claim])).toMatchObject({ abortAsked: [id] })
    await journal.finish(claim, { state: 'aborted' }, nothing)
    await journal.askAbort(id)
    const other = await submit()
    const undoing = await claimOne()
    await journal.beginUndo(undoing, { code: 'X', text: '', step: 'first', mayHaveStarted: false }, [])
    await journal.askAbort(other)
    expect(await journal.heartbeat('a', [undoing])).toMatchObject({ abortAsked: [] })
    expect(await journal.endedAmong([id, other, randomUUID()])).toEqual([id])
  })

  test('to retry is told with the next heartbeat', async () => {
    const id = await submit()
    const claim = await claimOne()
    await journal.noteRetry(claim, { step: 'first', attempt: 3, why: 'busy', inMs: 60_000, calls: [] })
    expect(await journal.heartbeat('a', [claim])).toMatchObject({ retryNow: [] })
    await journal.askRetry(id)
    expect(await journal.heartbeat('a', [claim])).toMatchObject({ retryNow: [id] })
  })
})

test('hints reach who listens until it stops', async () => {
  const heard: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = await journal.listen((what) => {
    heard.push(what)
    resolve()
  })
  const again = setInterval(() => journal.hint('asked'), 20)
  await promise
  clearInterval(again)
  await stop()
  expect(heard).toContain('asked')
  expect((await journal.claim('a', ALL)).length).toBe(0)
})
