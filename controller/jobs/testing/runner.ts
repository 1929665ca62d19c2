import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createJournal } from '../../store/journal.ts'
import type { Tx } from '../../store/store.ts'
import type { TestStore } from '../../store/testing.ts'
import type { Submission } from '../journal.ts'
import { startRunner } from '../runner.ts'
import type { Runner, RunnerOptions } from '../runner.ts'
import type { SagaDefinition } from '../saga.ts'

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

/** A runner on a test store with short times; every option can be overridden. */
export function testRunner(
  store: TestStore,
  sagas: readonly SagaDefinition<Tx>[],
  options: Partial<RunnerOptions<Tx>> = {},
): Promise<Runner<Tx>> {
  const leaseMs = options.leaseMs ?? 2_000
  return startRunner<Tx>({
    journal: createJournal({ store, leaseMs, log: QUIET }),
    sagas: new Map(sagas.map((saga) => [saga.name, saga])),
    node: `test-${randomUUID()}`,
    leaseMs,
    pollMs: 50,
    describe: (error) => ({ code: 'INTERNAL', text: 'It failed.', internal: String(error) }),
    log: QUIET,
    ...options,
  })
}

/** A submission of a saga with some input. */
export function submission(saga: SagaDefinition<Tx>, input: unknown, more: Partial<Submission> = {}): Submission {
  const { name, version, lane } = saga
  const head = {
    id: randomUUID(),
    saga: name,
    version,
    lane,
    input,
    resources: [],
    account: '',
    user: '',
    command: name,
  }
  return { ...head, ...more }
}

/** Submits; answers the operation's id. */
export async function begin(store: TestStore, runner: Runner<Tx>, what: Submission): Promise<string> {
  await store.transact((tx) => runner.submit(tx, what))
  return what.id
}

/** Looks until `look` answers something, at most `withinMs`; throws then. */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | undefined | false>,
  withinMs = 10_000,
): Promise<Found> {
  const end = Date.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`${what}: not within ${withinMs} ms`)
    await pause(5)
  }
}

/** The row of an operation. */
export function operation(store: TestStore, id: string) {
  return store.reader.selectFrom('operation').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

/** The kinds of an operation's log entries in order, each with its step. */
export async function story(store: TestStore, id: string): Promise<readonly string[]> {
  const rows = await store.reader
    .selectFrom('operationLog')
    .select(['kind', 'step'])
    .where('operationId', '=', id)
    .orderBy('seq')
    .execute()
  return rows.map(({ kind, step }) => (step ? `${kind} ${step}` : kind))
}
