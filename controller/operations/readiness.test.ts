import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRunner, type Runner } from '../jobs/runner.ts'
import { createPluginHost } from '../plugin-host/create.ts'
import { createJournal } from '../store/journal.ts'
import { openStore, type OpenedStore } from '../store/open.ts'
import { registrationLoader } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { TEST_MASTER_KEY, testDatabase } from '../store/testing.ts'
import { watchLeases } from '../telemetry/lease-watch.ts'
import { readinessOf } from './readiness.ts'

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }
const LEASE_MS = 400
const leases = watchLeases(LEASE_MS)
const outcomes: string[] = []
let database: Awaited<ReturnType<typeof testDatabase>>
let store: OpenedStore
let runner: Runner<Tx>

beforeAll(async () => {
  database = await testDatabase()
  store = await openStore({ url: database.url, dataDir: '', masterKey: TEST_MASTER_KEY, log: SILENT, connections: 4 })
  runner = await startRunner<Tx>({
    journal: createJournal({ store, leaseMs: LEASE_MS, log: SILENT }),
    sagas: new Map(),
    node: 'readiness-test',
    leaseMs: LEASE_MS,
    describe: (error) => ({ code: 'INTERNAL', text: String(error) }),
    log: SILENT,
    observe: {
      step: () => {},
      ended: () => {},
      claimed: () => {},
      lost: () => {},
      renewed: (outcome) => {
        outcomes.push(outcome)
        if (outcome === 'ok') leases.renewed()
      },
    },
  })
})
afterAll(async () => {
  await runner.stop()
  await store.close()
})

test('a controller is ready while its database answers and its leases are renewed, and says what is wrong when not', async () => {
  const plugins = createPluginHost({ storage: [], hypervisors: [], load: registrationLoader(store), owner: 'x' })
  const system = { store, jobs: runner, plugins, installation: store.installation }
  const renewed: unknown = expect.stringMatching(/^renewed \d\.\d s ago$/)
  await expect
    .poll(() => readinessOf(system, leases), { timeout: 30_000 })
    .toEqual({ ready: true, database: 'answers', leases: renewed })
  await database.drop()
  await expect
    .poll(() => readinessOf(system, leases), { timeout: 30_000 })
    .toMatchObject({ ready: false, leases: expect.stringContaining('longer than the lease of 0.4 s') as string }) // A matcher has no type.
  expect(await readinessOf(system, leases)).toMatchObject({ database: 'does not answer within 2 s' })
  expect(await readinessOf(system, undefined)).toEqual({ ready: false, database: 'does not answer within 2 s' })
  expect(outcomes).toContain('failed')
})
