import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createJournal } from '../store/journal.ts'
import type { Tx } from '../store/store.ts'
import type { TestStore } from '../store/testing.ts'
import { TEST_MASTER_KEY, testStore } from '../store/testing.ts'
import { openCrashArray } from './testing/crash-array.ts'
import type { CrashArray } from './testing/crash-array.ts'
import { crashSaga, PARTS } from './testing/crash-saga.ts'
import { saga } from './saga.ts'
import { begin, operation, story, submission, testRunner, until } from './testing/runner.ts'

const LEASE_MS = 700
const VOLUMES = 12
const WORKERS = 3

let dir: string
let store: TestStore
let array: CrashArray
const workers: ChildProcess[] = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'moorage-crash-'))
  store = await testStore()
  array = openCrashArray(join(dir, 'array.sqlite'))
})
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => kill(worker)))
  array.close()
  await store.close()
  rmSync(dir, { recursive: true })
})

function startWorker(isolation: string): ChildProcess {
  const args = [join(import.meta.dirname, 'testing/crash-worker.ts'), store.url, TEST_MASTER_KEY.toString('hex')]
  const worker = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', ...args, join(dir, 'array.sqlite'), String(LEASE_MS)],
    {
      stdio: ['pipe', 'ignore', 'inherit'],
      env: { ...process.env, MOORAGE_TEST_ISOLATION: isolation },
    },
  )
  workers.push(worker)
  return worker
}

async function kill(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return
  worker.kill('SIGKILL')
  await once(worker, 'exit')
}

async function submitAll(count: number): Promise<void> {
  const journal = createJournal({ store, leaseMs: LEASE_MS, log: { info: () => {}, warn: () => {}, error: () => {} } })
  const definition = crashSaga(array)
  for (let i = 0; i < count; i += 1) {
    const volume = `volume:${i % VOLUMES}`
    const what = submission(definition, { volume, fails: i % 7 === 3 }, { resources: [volume, `operation:${i}`] })
    await store.transact((tx) => journal.submit(tx, what, 'begun'))
  }
}

async function open(): Promise<number> {
  const { rows } = await sql<{ open: number }>`select count(*) as open from operation where ended_at is null`.execute(
    store.reader,
  )
  return rows[0]?.open ?? 0
}

/** After so long the workers are left in peace: where a start takes as long as the time between kills, nothing would end. */
const HARASS_MS = 30_000

/** Kills, pauses and replaces workers at random until everything has ended; answers what was done. */
async function harass(isolation: string, withinMs: number): Promise<{ kills: number; pauses: number }> {
  for (let i = 0; i < WORKERS; i += 1) startWorker(isolation)
  const done = { kills: 0, pauses: 0 }
  const until = Date.now() + withinMs
  const inPeace = Date.now() + HARASS_MS
  const waking: Promise<unknown>[] = []
  while ((await open()) > 0) {
    if (Date.now() > until) throw new Error(`${await open()} operations have not ended after ${withinMs} ms`)
    await pause(200 + Math.random() * 300)
    if (Date.now() > inPeace) continue
    const at = Math.floor(Math.random() * workers.length)
    const worker = workers[at]
    if (!worker) continue
    if (Math.random() < 0.35) {
      // Long enough for another to take its operations over; then it wakes up inside whatever it was doing.
      worker.kill('SIGSTOP')
      done.pauses += 1
      waking.push(pause(LEASE_MS * (1.2 + Math.random())).then(() => worker.kill('SIGCONT')))
    } else {
      workers.splice(at, 1)
      await kill(worker)
      done.kills += 1
      startWorker(isolation)
    }
  }
  await Promise.all(waking)
  return done
}

/** What must hold once all has ended, whatever was killed when. */
async function check(count: number): Promise<void> {
  const rows = await store.reader.selectFrom('operation').select(['id', 'state', 'input']).orderBy('seq').execute()
  expect(rows).toHaveLength(count)
  const whole = new Set<string>()
  for (const { id, state, input } of rows) {
    // The input that submitAll gave.
    const { fails } = input as { readonly fails: boolean }
    expect(state).toBe(fails ? 'failed' : 'succeeded')
    for (const part of fails ? [] : PARTS) whole.add(`${id} ${part}`)
  }
  const objects = array.objects().map(({ operation, part }) => `${operation} ${part}`)
  expect(objects.toSorted()).toEqual([...whole].toSorted())
  const made = await store.reader.selectFrom('configuration').select(['name', 'scope']).execute()
  const ends = rows.map(({ id, state }) => `${id} ${state === 'failed' ? 'failed' : 'begun'}`)
  expect(made.map(({ name, scope }) => `${name} ${scope}`).toSorted()).toEqual([...whole, ...ends].toSorted())
  expect(await store.reader.selectFrom('operationLock').selectAll().execute()).toEqual([])
  expect(await store.reader.selectFrom('operationWait').selectAll().execute()).toEqual([])
  checkOrder(rows.map(({ id }) => id))
}

/** On each volume, operations follow each other in the order of submission and never mix. */
function checkOrder(submitted: readonly string[]): void {
  for (const [volume, calls] of Map.groupBy(array.history(), ({ volume }) => volume)) {
    const order = calls.map(({ operation }) => operation).filter((id, at, all) => id !== all[at - 1])
    expect({ volume, order }).toEqual({ volume, order: submitted.filter((id) => order.includes(id)) })
  }
}

describe('operations whose controllers are killed and paused at random', () => {
  for (const { isolation, count } of [
    { isolation: 'read committed', count: 400 },
    { isolation: 'serializable', count: 200 },
  ]) {
    test(`all end, with nothing lost, left over, doubled or out of order: ${isolation}`, async () => {
      await submitAll(count)
      const done = await harass(isolation, 150_000)
      await check(count)
      const { rows } = await sql<{ takeovers: number }>`select sum(takeovers) as takeovers from operation`.execute(
        store.reader,
      )
      expect(done.kills).toBeGreaterThan(3)
      expect(rows[0]?.takeovers ?? 0).toBeGreaterThan(0)
      process.stdout.write(
        `${count} operations, ${done.kills} kills, ${done.pauses} pauses, ${rows[0]?.takeovers} takeovers, ${array.history().length} calls, ${array.refused()} refused by fence\n`,
      )
    }, 200_000)
  }
})

test('a controller that wakes up inside a call after it was taken over changes nothing and says nothing', async () => {
  const { promise: gate, resolve: wakeUp } = Promise.withResolvers<void>()
  const { promise: refused, resolve: sawRefusal } = Promise.withResolvers<unknown>()
  const sagaOf = (sleeps: boolean) =>
    saga<object, Tx>({ name: 'asleep', version: 1, lane: 'access' })
      .step('make', {
        run: async (_seen, { operation, call }) => {
          if (sleeps) await gate
          try {
            array.make({ operation, volume: 'v', part: sleeps ? 'late' : 'volume', fence: call.fence })
          } catch (error) {
            sawRefusal(error)
            throw error
          }
        },
        undo: async () => {},
      })
      .build()
  const sleeper = await testRunner(store, [sagaOf(true)], { leaseMs: 60_000 })
  const id = await begin(store, sleeper, submission(sagaOf(true), {}, { resources: ['v'] }))
  await until('it runs', async () => (await operation(store, id)).state === 'running')
  const { fence } = await operation(store, id)
  await store.reader
    .updateTable('operation')
    .set({ leaseUntil: new Date(0) })
    .where('id', '=', id)
    .execute()
  const other = await testRunner(store, [sagaOf(false)], { leaseMs: 60_000 })
  expect(await other.ended(id, 60_000)).toBe(true)
  wakeUp()
  expect(await refused).toMatchObject({ code: 'FENCED', effect: 'none' })
  await Promise.all([sleeper.stop(), other.stop()])
  expect(array.objects()).toEqual([{ operation: id, part: 'volume' }])
  expect(await story(store, id)).toEqual(['submitted', 'claimed make', 'taken over make', 'step done make', 'ended'])
  expect((await operation(store, id)).fence).toBeGreaterThan(fence)
})
