import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Claim, Journal, Submission } from '../jobs/journal.ts'
import { createJournal } from './journal.ts'
import type { Tx } from './store.ts'
import type { TestStore } from './testing.ts'
import { testStore } from './testing.ts'

/** Where everything is serializable, nothing is claimed as it is submitted. */
const CLAIMS = process.env['MOORAGE_TEST_ISOLATION'] !== 'serializable'
const ALL = { max: 100, background: 100 }

let store: TestStore
let journal: Journal<Tx>
beforeAll(async () => {
  store = await testStore()
  journal = createJournal({ store, leaseMs: 60_000, log: { info: () => {}, warn: () => {}, error: () => {} } })
})
afterAll(() => store.close())
beforeEach(async () => {
  await sql`truncate operation, operation_lock, operation_wait, operation_step, operation_log`.execute(store.reader)
})

function submission(resources: readonly string[]): Submission {
  const head = { id: randomUUID(), saga: 's', version: 1, lane: 'access', input: { x: [1] }, account: '' } as const
  return { ...head, resources, user: '', command: 'c' }
}

/** What the submitting node was told, in order; a claim, or that the operation waits. */
type Told = (Claim | undefined)[]

function submit(tx: Tx, what: Submission, told: Told): Promise<void> {
  const committed = (claim: Claim | undefined) => told.push(claim)
  return journal.submitAndClaim(tx, what, { step: 'first', node: 'here', committed })
}

async function locks(): Promise<readonly string[]> {
  const rows = await store.reader.selectFrom('operationLock').select('resource').orderBy('resource').execute()
  return rows.map(({ resource }) => resource)
}

describe('an operation that is submitted', () => {
  test('is taken up in the same transaction where nothing stands in its way', async () => {
    const told: Told = []
    const what = submission(['a', 'b', 'a'])
    await store.transact((tx) => submit(tx, what, told))
    if (!CLAIMS) return expect(told).toEqual([undefined])
    expect(told).toMatchObject([{ id: what.id, state: 'running', input: { x: [1] }, steps: [], firstRun: true }])
    expect(await locks()).toEqual(['a', 'b'])
    expect(await journal.claim('there', ALL)).toEqual([])
    expect(
      await journal.heartbeat(
        'here',
        told.flatMap((claim) => claim ?? []),
      ),
    ).toMatchObject({ lost: [] })
    const log = await store.reader.selectFrom('operationLog').select(['kind', 'node', 'fence']).orderBy('seq').execute()
    expect(log).toMatchObject([{ kind: 'submitted' }, { kind: 'claimed', node: 'here', fence: told[0]?.fence }])
  })

  test('waits where a lock is held, and where somebody is in line for one, and takes none of the others', async () => {
    const told: Told = []
    await store.transact((tx) => journal.submit(tx, submission(['a']), 'first'))
    const [first] = await journal.claim('there', ALL)
    await store.transact((tx) => submit(tx, submission(['a', 'b']), told))
    await store.transact((tx) => submit(tx, submission(['b', 'c']), told))
    expect(told).toEqual([undefined, undefined])
    expect(await locks()).toEqual(['a'])
    if (!first) throw new Error('nothing was claimed')
    const nothing = () => Promise.resolve()
    await journal.commitLast(first, { name: 'first', ordinal: 0, calls: [] }, { record: nothing, succeeded: nothing })
    expect(await journal.claim('there', ALL)).toHaveLength(1)
    expect(await locks()).toEqual(['a', 'b'])
  })

  test('waits where the node did not offer to run it', async () => {
    const told: Told = []
    await store.transact((tx) =>
      journal.submitAndClaim(tx, submission(['a']), { step: 'first', committed: (c) => told.push(c) }),
    )
    expect(told).toEqual([undefined])
    expect(await journal.claim('there', ALL)).toHaveLength(1)
  })

  test('is told of when its transaction has committed, and never when it was rolled back', async () => {
    const told: Told = []
    await store.transact(async (tx) => {
      await submit(tx, submission(['a']), told)
      expect(told).toEqual([])
    })
    expect(told).toHaveLength(1)
    const failing = store.transact(async (tx) => {
      await submit(tx, submission(['b']), told)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(told).toHaveLength(1)
    expect(await locks()).toEqual(CLAIMS ? ['a'] : [])
  })

  test('again, under the same id, changes nothing', async () => {
    const told: Told = []
    const what = submission(['a'])
    await store.transact((tx) => submit(tx, what, told))
    await store.transact((tx) => submit(tx, what, told))
    expect(told).toHaveLength(1)
  })

  test('in a transaction whose end nobody tells is left for whoever claims it', async () => {
    const told: Told = []
    await store.reader.transaction().execute((tx) => submit(tx, submission(['a']), told))
    expect(told).toEqual([])
    expect(await journal.claim('there', ALL)).toHaveLength(1)
  })

  test('by many at once on one resource is run by one at a time, each under a higher fence', async () => {
    const told: Told = []
    await Promise.all(Array.from({ length: 20 }, () => store.transact((tx) => submit(tx, submission(['a']), told))))
    let [running] = [
      ...told.filter((claim) => claim !== undefined),
      ...(CLAIMS ? [] : await journal.claim('here', ALL)),
    ]
    expect(told.filter((claim) => claim !== undefined)).toHaveLength(CLAIMS ? 1 : 0)
    let fence = 0
    for (let left = 20; left > 0; left -= 1) {
      expect(await locks()).toEqual(['a'])
      if (!running) throw new Error('none runs')
      expect(running.fence).toBeGreaterThan(fence)
      fence = running.fence
      const nothing = () => Promise.resolve()
      await journal.commitLast(
        running,
        { name: 'first', ordinal: 0, calls: [] },
        { record: nothing, succeeded: nothing },
      )
      ;[running] = await journal.claim('here', ALL)
    }
    expect(await locks()).toEqual([])
  })
})
