import { randomUUID } from 'node:crypto'
import type { Call, HypervisorInventoryItem, InventoryItem, Qos } from '@moorage/contract'
import { simulatorHypervisor } from '@moorage/hypervisor-simulator'
import { simulatorStorage } from '@moorage/storage-simulator'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import type { WantedTier } from '../domain/qos.ts'
import { GIB } from '../domain/size.ts'
import type { Failure } from '../jobs/saga.ts'
import { startRunner, type Runner, type RunnerOptions } from '../jobs/runner.ts'
import { createPluginHost } from '../plugin-host/create.ts'
import type { PluginHost } from '../plugin-host/plugin-host.ts'
import { insertHost } from '../store/hosts.ts'
import { createJournal } from '../store/journal.ts'
import { insertPool } from '../store/pools.ts'
import { registrationLoader, sealSettings } from '../store/registrations.ts'
import { insertSnapshot } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { type TestStore, testStore } from '../store/testing.ts'
import { insertVm } from '../store/vms.ts'
import { insertVolume, volumeById } from '../store/volumes.ts'
import { describeFailure } from './calls.ts'
import { census } from './census.ts'
import type { SagaHead } from './head.ts'
import { createSagas } from './registry.ts'

/** How an operation ended. */
export interface Ended {
  readonly id: string
  readonly state: string
  readonly failure: Failure | null
}

/** A small cloud on a simulator: one zone and cluster, hosts `one` and `two`, pools `fast` and `slow`, one account. */
export interface World {
  readonly store: TestStore
  readonly simulator: TestSimulator
  readonly plugins: PluginHost
  /** The runner at work: another one after `takeOver`. */
  readonly runner: () => Runner<Tx>
  /** Stops the runner in the middle of whatever it does; another one goes on. */
  takeOver(): Promise<void>
  readonly zone: string
  readonly cluster: string
  readonly account: string
  readonly pools: { readonly fast: string; readonly slow: string }
  readonly hosts: { readonly one: string; readonly two: string }
  /** Adds a row; answers its id. A volume is Allocated with 1 GiB, a VM Stopped, a snapshot Allocated, unless told. */
  volume(more?: {
    readonly bytes?: number
    readonly qos?: Qos
    readonly tier?: WantedTier
    readonly from?: string
    readonly tags?: readonly string[]
  }): Promise<string>
  vm(more?: { readonly memoryBytes?: number; readonly cluster?: string }): Promise<string>
  snapshot(volume: string): Promise<string>
  offering(terms: {
    readonly qos?: Qos
    readonly tier?: WantedTier
    readonly tags?: readonly string[]
  }): Promise<string>
  /** Submits without waiting; answers the operation. */
  submit<Input>(head: SagaHead<Input>, input: Input): Promise<string>
  /** Waits for the end of an operation, at most 30 s. */
  end(operation: string): Promise<Ended>
  run<Input>(head: SagaHead<Input>, input: Input): Promise<Ended>
  /** As `run`; throws unless it succeeds. */
  done<Input>(head: SagaHead<Input>, input: Input): Promise<void>
  /** Takes a census; answers its open findings as `kind place object`. */
  findings(): Promise<readonly string[]>
  /** What the arrays and hosts hold. */
  arrays(): Promise<readonly InventoryItem[]>
  machines(): Promise<readonly HypervisorInventoryItem[]>
  stop(): Promise<void>
}

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

/** Starts one; takes about a second. `patienceMs` 0, unless told: a step that fails is not tried again. */
export async function startWorld(
  options: Partial<Pick<RunnerOptions<Tx>, 'patienceMs' | 'stepDeadlineMs'>> = {},
): Promise<World> {
  const [store, simulator] = await Promise.all([testStore(), startSimulator()])
  const owner = randomUUID()
  const plugins = createPluginHost({
    storage: [simulatorStorage],
    hypervisors: [simulatorHypervisor],
    load: registrationLoader(store),
    owner,
  })
  const places = await insertPlaces(store)
  const hosts = {
    one: await addHost({ store, simulator, plugins, owner, ...places }, 'one'),
    two: await addHost({ store, simulator, plugins, owner, ...places }, 'two'),
  }
  const pools = {
    fast: await addPool({ store, simulator, plugins, owner, ...places }, 'fast'),
    slow: await addPool({ store, simulator, plugins, owner, ...places }, 'slow'),
  }
  const running: { runner?: Runner<Tx> } = {}
  const runner = () => {
    if (!running.runner) throw new Error('the runner is not there yet')
    return running.runner
  }
  const sagas = createSagas({ store, plugins, jobs: runner })
  running.runner = await begin({ store, sagas }, options)
  const takeOver = async () => {
    await runner().stop({ graceMs: 0 })
    running.runner = await begin({ store, sagas }, options)
  }
  const base = { store, simulator, plugins, runner, ...places, pools, hosts }
  return { ...base, takeOver, ...rows(base), ...work(base) }
}

async function begin(
  parts: { readonly store: TestStore; readonly sagas: RunnerOptions<Tx>['sagas'] },
  options: Partial<RunnerOptions<Tx>>,
): Promise<Runner<Tx>> {
  const leaseMs = 10_000
  return startRunner<Tx>({
    journal: createJournal({ store: parts.store, leaseMs, log: QUIET }),
    sagas: parts.sagas,
    node: `test-${randomUUID()}`,
    leaseMs,
    pollMs: 100,
    patienceMs: 0,
    stepDeadlineMs: 10_000,
    describe: describeFailure,
    log: QUIET,
    ...options,
  })
}

type Base = Pick<
  World,
  'store' | 'simulator' | 'plugins' | 'runner' | 'zone' | 'cluster' | 'account' | 'pools' | 'hosts'
> &
  Places

interface Places {
  readonly zone: string
  readonly pod: string
  readonly cluster: string
  readonly account: string
  readonly service: string
}

async function insertPlaces(store: TestStore): Promise<Places> {
  const [zone, pod, cluster, domain, account, service] = Array.from({ length: 6 }, () => randomUUID())
  if (!zone || !pod || !cluster || !domain || !account || !service) throw new Error('six ids were asked for')
  await store.transact(async (tx) => {
    await tx.insertInto('zone').values({ id: zone, name: 'zone' }).execute()
    await tx.insertInto('pod').values({ id: pod, zoneId: zone, name: 'pod' }).execute()
    await tx
      .insertInto('cluster')
      .values({ id: cluster, zoneId: zone, podId: pod, name: 'cluster', hypervisor: 'Simulator' })
      .execute()
    await tx.insertInto('domain').values({ id: domain, name: 'ROOT', path: '/' }).execute()
    await tx
      .insertInto('account')
      .values({ id: account, domainId: domain, name: 'tenant', role: 'user', chapAccount: 'tenant' })
      .execute()
    await tx
      .insertInto('offering')
      .values({
        id: service,
        kind: 'service',
        name: 'small',
        displayText: 'small',
        qos: {},
        qosTier: 'none',
        cpus: 1,
        memoryBytes: GIB,
      })
      .execute()
  })
  return { zone, pod, cluster, account, service }
}

type Adding = Places & Pick<World, 'store' | 'simulator' | 'plugins'> & { readonly owner: string }

function probe(name: string): Call {
  return { key: `probe/${name}`, deadline: Date.now() + 5_000, signal: new AbortController().signal, fence: 0 }
}

async function addHost(world: Adding, name: string): Promise<string> {
  const { store, simulator, plugins, owner, zone, pod, cluster } = world
  const id = randomUUID()
  const { url, settings } = simulator.hostEndpoint(name, owner)
  const { password = '', ...open } = settings
  const report = await plugins.probeHost('simulator', { url, settings, owner }, probe(name))
  await store.transact(async (tx) =>
    insertHost(tx, {
      ...report,
      id,
      zoneId: zone,
      podId: pod,
      clusterId: cluster,
      name,
      plugin: 'simulator',
      hypervisor: 'Simulator',
      url,
      settings: open,
      sealedSettings: sealSettings(store, { kind: 'host', id }, { password }),
    }),
  )
  return id
}

async function addPool(world: Adding, name: string): Promise<string> {
  const { store, simulator, plugins, owner, zone } = world
  const id = randomUUID()
  const { url, settings } = simulator.storageEndpoint(name, owner)
  const { password = '', ...open } = settings
  const { identity, totalBytes, usedBytes } = await plugins.probePool(
    'simulator',
    { url, settings, owner },
    probe(name),
  )
  await store.transact(async (tx) =>
    insertPool(tx, {
      id,
      zoneId: zone,
      scope: 'ZONE',
      name,
      provider: 'simulator',
      url,
      managed: true,
      settings: open,
      sealedSettings: sealSettings(store, { kind: 'pool', id }, { password }),
      identity,
      state: 'Up',
      tags: [name],
      totalBytes,
      usedBytes,
      capacityIops: 10_000,
    }),
  )
  return id
}

function rows(world: Base): Pick<World, 'volume' | 'vm' | 'snapshot' | 'offering'> {
  const { store, zone, account, service } = world
  const offering: World['offering'] = async ({ qos = {}, tier = 'none', tags = [] }) => {
    const id = randomUUID()
    await store.reader
      .insertInto('offering')
      .values({
        id,
        kind: 'disk',
        name: `disk-${id}`,
        displayText: 'disk',
        customized: true,
        qos,
        qosTier: tier,
        tags: [...tags],
      })
      .execute()
    return id
  }
  return {
    offering,
    volume: async ({ bytes = GIB, qos = {}, tier = 'any', from, tags } = {}) => {
      const id = randomUUID()
      const offeringId = tags ? await offering({ qos, tier, tags }) : null
      await store.transact(async (tx) =>
        insertVolume(tx, {
          id,
          accountId: account,
          zoneId: zone,
          name: `volume-${id}`,
          type: 'DATADISK',
          offeringId,
          bytes,
          qosTier: tier,
          qosRequested: qos,
          state: 'Allocated',
          ...(from === undefined ? {} : { sourceSnapshotId: from }),
        }),
      )
      return id
    },
    vm: async ({ memoryBytes = GIB } = {}) => {
      const id = randomUUID()
      const name = `vm-${id}`
      await store.transact(async (tx) =>
        insertVm(tx, {
          id,
          accountId: account,
          zoneId: zone,
          name,
          displayName: name,
          offeringId: service,
          hypervisor: 'Simulator',
          state: 'Stopped',
          cpus: 1,
          memoryBytes,
        }),
      )
      return id
    },
    snapshot: async (volume) => {
      const id = randomUUID()
      const { bytes } = (await volumeById(store.reader, volume)) ?? { bytes: 0 }
      await store.transact(async (tx) =>
        insertSnapshot(tx, {
          id,
          accountId: account,
          zoneId: zone,
          volumeId: volume,
          name: `snapshot-${id}`,
          state: 'Allocated',
          bytes,
        }),
      )
      return id
    },
  }
}

function work(
  world: Base,
): Pick<World, 'submit' | 'end' | 'run' | 'done' | 'findings' | 'arrays' | 'machines' | 'stop'> {
  const { store, simulator, plugins, runner, account, pools, hosts } = world
  const submit: World['submit'] = async (head, input) => {
    const id = randomUUID()
    await store.transact(async (tx) => {
      const submission = await head.submission(tx, input)
      await runner().submit(tx, { ...submission, id, account, user: '', command: head.name })
    })
    runner().wake()
    return id
  }
  const end: World['end'] = async (id) => {
    if (!(await runner().ended(id, 30_000))) throw new Error(`operation ${id} has not ended: ${await told(store, id)}`)
    const row = await store.reader
      .selectFrom('operation')
      .select(['state', 'failure'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    return { id, state: row.state, failure: row.failure as Failure | null } // Only the journal writes it, from a `Failure`.
  }
  const run: World['run'] = async (head, input) => end(await submit(head, input))
  const done: World['done'] = async (head, input) => {
    const { id, state, failure } = await run(head, input)
    if (state === 'succeeded') return
    throw new Error(`${head.name} ended ${state}: ${JSON.stringify(failure)}\n${await told(store, id)}`)
  }
  return {
    submit,
    end,
    run,
    done,
    findings: async () => {
      await done(census, {})
      const open = await store.reader.selectFrom('censusFinding').selectAll().where('state', '=', 'open').execute()
      return open.map(({ kind, place, object, detail }) => `${kind} ${place} ${object} ${detail}`)
    },
    arrays: async () => {
      const lists = await Promise.all(
        Object.values(pools).map(async (id) =>
          (await plugins.pool(id)).provider(() => {}).inventory.list(undefined, probe('list')),
        ),
      )
      return lists.flatMap(({ items }) => items)
    },
    machines: async () => {
      const lists = await Promise.all(
        Object.values(hosts).map(async (id) =>
          (await plugins.host(id)).adapter(() => {}).inventory.list(undefined, probe('list')),
        ),
      )
      return lists.flatMap(({ items }) => items)
    },
    stop: async () => {
      await simulator.faults.clear()
      await runner().stop()
      await Promise.all([simulator.stop(), store.close()])
    },
  }
}

/** The operation's log, for a failure that has to be understood. */
async function told(store: TestStore, id: string): Promise<string> {
  const log = await store.reader
    .selectFrom('operationLog')
    .selectAll()
    .where('operationId', '=', id)
    .orderBy('seq')
    .execute()
  return log.map(({ kind, step, detail }) => `${kind} ${step ?? ''} ${JSON.stringify(detail)}`).join('\n')
}
