import { randomUUID } from 'node:crypto'
import { simulatorHypervisor } from '@moorage/hypervisor-simulator'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import { simulatorStorage } from '@moorage/storage-simulator'
import { movers } from './cli/movers.ts'
import { createApiServer } from './api/server.ts'
import type { Role, System } from './operations/context.ts'
import { type Runner, startRunner } from './jobs/runner.ts'
import { ensureBootstrap } from './operations/bootstrap.ts'
import { createPluginHost, type PluginHostOptions } from './plugin-host/create.ts'
import { describeFailure } from './sagas/calls.ts'
import { createSagas } from './sagas/registry.ts'
import { createJournal } from './store/journal.ts'
import { registrationLoader } from './store/registrations.ts'
import type { Tx } from './store/store.ts'
import type { Logger } from './telemetry/logger.ts'
import { type TestStore, testStore } from './store/testing.ts'
import { type TestClient, testClient, type TestKeys, textOf } from './testing-client.ts'

/** A whole controller inside the test's process: API over HTTP, durable operations, a real simulator beside it. */
export interface TestController {
  /** Ends in `/client/api`. */
  readonly url: string
  /** Keys of the administrator. */
  readonly keys: TestKeys
  /** The administrator. */
  readonly api: TestClient
  readonly system: System
  readonly store: TestStore
  readonly simulator: TestSimulator
  /** A user of a new account, in the root domain unless told, with keys. */
  user(options?: { readonly role?: Role; readonly domain?: string }): Promise<TestClient>
  /** Ends everything; throws when the simulator did not end cleanly. */
  stop(): Promise<void>
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const LEASE_MS = 10_000
const ENDED_MS = 30_000

/** Starts a controller on ports of its own, in about half a second. Nothing is registered with it yet: see `makeGround`. */
export async function startController(
  options: {
    readonly simulator?: TestSimulator
    readonly log?: Logger
    /** Beside the simulator's. */
    readonly plugins?: Partial<Pick<PluginHostOptions, 'storage' | 'hypervisors' | 'archives'>>
  } = {},
): Promise<TestController> {
  const log = options.log ?? SILENT
  const simulator = options.simulator ?? (await startSimulator())
  const store = await testStore()
  const plugins = createPluginHost({
    storage: [simulatorStorage, ...(options.plugins?.storage ?? [])],
    hypervisors: [simulatorHypervisor, ...(options.plugins?.hypervisors ?? [])],
    archives: options.plugins?.archives ?? [],
    movers: movers(store),
    load: registrationLoader(store),
    owner: store.installation,
  })
  const running: { runner?: Runner<Tx> } = {}
  const jobs = () => {
    if (running.runner === undefined) throw new Error('a saga ran before its runner was there')
    return running.runner
  }
  const runner = await startRunner<Tx>({
    journal: createJournal({ store, leaseMs: LEASE_MS, log }),
    sagas: createSagas({ store, plugins, jobs }),
    node: `test-${randomUUID()}`,
    leaseMs: LEASE_MS,
    describe: describeFailure,
    log,
  })
  running.runner = runner
  const system = { store, jobs: runner, plugins, installation: store.installation }
  const keys = await ensureBootstrap(store, { password: randomUUID() })
  const server = await createApiServer({
    system,
    listen: { host: '127.0.0.1', port: 0 },
    log,
  })
  const url = `${server.url}/client/api`
  const ended = (operation: string) => runner.ended(operation, ENDED_MS)
  const api = testClient({ url, keys, ended })
  return {
    url,
    keys,
    api,
    system,
    store,
    simulator,
    user: async (who = {}) => testClient({ url, keys: await newUser(api, who), ended }),
    async stop() {
      await server.close()
      await runner.stop()
      await store.close()
      if (options.simulator === undefined) await simulator.stop()
    },
  }
}

const ACCOUNT_TYPES = { user: 0, admin: 1, 'domain-admin': 2, 'read-only-admin': 4 } as const satisfies Record<
  Role,
  number
>

async function newUser(api: TestClient, who: { readonly role?: Role; readonly domain?: string }): Promise<TestKeys> {
  const username = `user-${randomUUID().slice(0, 8)}`
  await api.run('createAccount', {
    accounttype: ACCOUNT_TYPES[who.role ?? 'user'],
    username,
    account: username,
    password: randomUUID(),
    firstname: 'Some',
    lastname: 'One',
    email: `${username}@example.com`,
    domainid: who.domain,
  })
  const [user] = await api.list('listUsers', { username, listall: true })
  const made = await api.run('registerUserKeys', { id: textOf(user ?? {}, 'id') })
  return { apiKey: textOf(made, 'apikey'), secretKey: textOf(made, 'secretkey') }
}

/** What most tests need to be there: ids. */
export interface Ground {
  readonly zone: string
  readonly pod: string
  readonly cluster: string
  readonly hosts: readonly [string, string]
  /** Managed, zone-wide, with 100,000 IOPS. */
  readonly pool: string
  /** Customized size, minimum 100, maximum 1,000 IOPS. */
  readonly offering: string
  /** 1 CPU, 128 MiB. */
  readonly service: string
  readonly template: string
}

/** Registers a zone with two simulated hosts and a pool, and makes offerings and a template. `name` tells grounds apart. */
export async function makeGround({ api, simulator }: TestController, name = 'one'): Promise<Ground> {
  const made = async (command: string, params: Parameters<TestClient['run']>[1]) =>
    textOf(await api.run(command, params), 'id')
  const zone = await made('createZone', { name: `zone-${name}`, networktype: 'Basic' })
  const pod = await made('createPod', {
    name: `pod-${name}`,
    zoneid: zone,
    gateway: '127.0.0.1',
    netmask: '255.0.0.0',
    startip: '127.0.0.2',
  })
  const inPod = { zoneid: zone, podid: pod }
  const cluster = await made('addCluster', {
    ...inPod,
    clustername: `cluster-${name}`,
    clustertype: 'CloudManaged',
    hypervisor: 'Simulator',
  })
  const { user: username, password } = simulator
  const host = (which: string) =>
    made('addHost', {
      ...inPod,
      clusterid: cluster,
      hypervisor: 'Simulator',
      url: simulator.hostEndpoint(`host-${name}-${which}`).url,
      username,
      password,
    })
  return {
    zone,
    pod,
    cluster,
    hosts: [await host('a'), await host('b')],
    pool: await made('createStoragePool', { ...poolParams(simulator, `array-${name}`), zoneid: zone }),
    offering: await made('createDiskOffering', {
      name: `disk-${name}`,
      displaytext: 'any size',
      customized: true,
      miniops: 100,
      maxiops: 1000,
    }),
    service: await made('createServiceOffering', {
      name: `small-${name}`,
      displaytext: 'small',
      cpunumber: 1,
      cpuspeed: 1000,
      memory: 128,
    }),
    template: await made('registerTemplate', {
      name: `guest-${name}`,
      displaytext: 'a guest',
      url: 'guest',
      format: 'RAW',
      hypervisor: 'Simulator',
      zoneid: zone,
    }),
  }
}

/** Adds the archive `vault` in a directory, and a mover that gets there; answers the archive's id. The plug-in is the caller's to load. */
export async function addArchive(
  { api, simulator }: Pick<TestController, 'api' | 'simulator'>,
  { zone: zoneid, folder }: { readonly zone: string; readonly folder: string },
): Promise<string> {
  const { url, settings } = simulator.moverEndpoint()
  const { user: username = '', password = '' } = settings
  const store = { name: 'vault', url: `file://${folder}`, zoneid, provider: 'directory' }
  const id = textOf(await api.run('addImageStore', store), 'id')
  await api.run('addMover', { name: 'porter', zoneid, url, username, password })
  return id
}

/** Parameters of `createStoragePool` for a simulated array, but for the zone. */
export function poolParams(simulator: TestSimulator, array: string) {
  return {
    name: array,
    provider: 'simulator',
    scope: 'zone',
    managed: true,
    capacityiops: 100_000,
    url: simulator.storageEndpoint(array).url,
    'details[0].user': simulator.user,
    'details[0].password': simulator.password,
  }
}
