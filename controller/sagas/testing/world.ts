import { randomUUID } from 'node:crypto'
import type {
  HypervisorInventoryItem,
  HypervisorPlugin,
  InventoryItem,
  StorageLimits,
  StoragePlugin,
} from '@moorage/contract'
import { directoryArchive } from '@moorage/archive-directory'
import { simulatorHypervisor } from '@moorage/hypervisor-simulator'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import { simulatorStorage } from '@moorage/storage-simulator'
import { movers } from '../../cli/movers.ts'
import { type Runner, type RunnerOptions, startRunner } from '../../jobs/runner.ts'
import type { Failure } from '../../jobs/saga.ts'
import { createPluginHost } from '../../plugin-host/create.ts'
import type { PluginHost } from '../../plugin-host/plugin-host.ts'
import { createJournal } from '../../store/journal.ts'
import { registrationLoader } from '../../store/registrations.ts'
import type { Tx } from '../../store/store.ts'
import { type TestStore, testStore } from '../../store/testing.ts'
import { describeFailure } from '../calls.ts'
import { census } from '../census.ts'
import type { SagaHead } from '../head.ts'
import { createSagas } from '../registry.ts'
import { addHost, addPool, insertPlaces, type Places, probe } from './places.ts'
import { type Rows, rowsOf } from './rows.ts'
import { type Vault, vaultOf } from './vault.ts'
import { type Web, webOf } from './web.ts'
import { type Watch, watched, type Watched } from './watch.ts'

/** How an operation ended. */
export interface Ended {
  readonly id: string
  readonly state: string
  readonly failure: Failure | null
}

/** Arrays, hosts and a mover in processes of their own, with faults on command. */
export type BackEnds = Pick<
  TestSimulator,
  'faults' | 'calls' | 'send' | 'storageEndpoint' | 'hostEndpoint' | 'moverEndpoint' | 'moverHoldings' | 'stop'
>

/** What a world stands on. The same array under two names is one pool, the same host one host. */
export interface Parts {
  readonly backEnds: BackEnds
  readonly storage: StoragePlugin
  readonly hypervisor: HypervisorPlugin
  readonly arrays: { readonly fast: string; readonly slow: string }
  readonly hosts: { readonly one: string; readonly two: string }
  /** Where the mover archives to. */
  readonly archive: { readonly plugin: string; readonly url: string }
}

/** A small cloud on a simulator, unless it was started on other parts: one zone and cluster, hosts `one` and `two`, pools `fast` and `slow`, one account; a mover and an archive once they are asked for. */
export interface World extends Rows, Vault, Web {
  readonly store: TestStore
  /** Its arrays and hosts; most worlds stand on a simulator. */
  readonly simulator: BackEnds
  readonly plugins: PluginHost
  /** The ownership mark: who opens the same pools and hosts from another process needs it. */
  readonly owner: string
  /** The runner at work: another one after `takeOver`. */
  readonly runner: () => Runner<Tx>
  /** Stops the runner in the middle of whatever it does; another one goes on. */
  takeOver(): Promise<void>
  readonly zone: string
  readonly cluster: string
  readonly account: string
  readonly pools: { readonly fast: string; readonly slow: string }
  readonly hosts: { readonly one: string; readonly two: string }
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

/** What of a world can be told. `watch` stands beside its runners. */
export type WorldOptions = Partial<Pick<RunnerOptions<Tx>, 'patienceMs' | 'stepDeadlineMs'>> & {
  readonly watch?: Watch
  /** A simulator unless told. The end of the world is theirs. */
  readonly parts?: Parts
  /** Limits that its arrays say they have, beside their own. */
  readonly limits?: Partial<StorageLimits>
}

/** Stands beside a runner and does nothing. */
const UNWATCHED: Watched = {
  storage: (same) => same,
  hypervisor: (same) => same,
  movers: (same) => same,
  journal: (same) => same,
}

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

/** Starts one; takes about a second. `patienceMs` 0, unless told: a step that fails is not tried again. */
export async function startWorld({ watch, parts: given, limits, ...options }: WorldOptions = {}): Promise<World> {
  const beside = watch ? watched(watch) : UNWATCHED
  const [store, parts] = await Promise.all([testStore(), given ?? simulated()])
  const { backEnds: simulator, storage, hypervisor } = parts
  const owner = randomUUID()
  const plugins = createPluginHost({
    storage: [beside.storage(limits ? limited(storage, limits) : storage)],
    hypervisors: [beside.hypervisor(hypervisor)],
    archives: [directoryArchive],
    movers: beside.movers(movers(store)),
    load: registrationLoader(store),
    owner,
  })
  const places = await insertPlaces(store, hypervisor.hypervisor)
  const adding = { store, simulator, plugins, owner, ...places }
  const hosts = await underNames(parts.hosts, async (host) => addHost(adding, hypervisor, host))
  const pools = await underNames(parts.arrays, async (array, tags) => addPool(adding, storage, { array, tags }))
  const running: { runner?: Runner<Tx> } = {}
  const runner = () => {
    if (!running.runner) throw new Error('the runner is not there yet')
    return running.runner
  }
  const sagas = createSagas({ store, plugins, jobs: runner })
  running.runner = await begin({ store, sagas, beside }, options)
  const takeOver = async () => {
    await runner().stop({ graceMs: 0 })
    running.runner = await begin({ store, sagas, beside }, options)
  }
  const base = { store, simulator, plugins, owner, runner, ...places, pools, hosts }
  const working = work(base)
  const vault = vaultOf({ ...adding, archive: parts.archive })
  const { imageUrl, stopWeb } = webOf()
  const look = looks(base, working)
  const stop = async () => void (await Promise.all([look.stop(), stopWeb()]))
  return { ...base, takeOver, ...rowsOf(base), ...vault, ...working, ...look, imageUrl, stop }
}

async function simulated(): Promise<Parts> {
  return {
    backEnds: await startSimulator(),
    storage: simulatorStorage,
    hypervisor: simulatorHypervisor,
    arrays: { fast: 'fast', slow: 'slow' },
    hosts: { one: 'one', two: 'two' },
    archive: { plugin: 'directory', url: 'file:///archives/one' },
  }
}

/** Makes each thing once, whatever the number of its names, and tells the maker all of them. */
async function underNames<Names extends Readonly<Record<string, string>>>(
  names: Names,
  make: (thing: string, names: readonly string[]) => Promise<string>,
): Promise<Names> {
  const made = new Map<string, string>()
  for (const [thing, entries] of Map.groupBy(Object.entries(names), ([, thing]) => thing)) {
    const all = entries.map(([name]) => name)
    made.set(thing, await make(thing, all))
  }
  // The same names, each with the id of what was made for it.
  return Object.fromEntries(Object.entries(names).map(([name, thing]) => [name, made.get(thing) ?? ''])) as Names
}

function limited(plugin: StoragePlugin, limits: Partial<StorageLimits>): StoragePlugin {
  return {
    ...plugin,
    open: (endpoint) => {
      const provider = plugin.open(endpoint)
      return { ...provider, limits: { ...provider.limits, ...limits } }
    },
  }
}

async function begin(
  parts: { readonly store: TestStore; readonly sagas: RunnerOptions<Tx>['sagas']; readonly beside: Watched },
  options: Partial<RunnerOptions<Tx>>,
): Promise<Runner<Tx>> {
  const leaseMs = 10_000
  return startRunner<Tx>({
    journal: parts.beside.journal(createJournal({ store: parts.store, leaseMs, log: QUIET })),
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
  'store' | 'simulator' | 'plugins' | 'owner' | 'runner' | 'zone' | 'cluster' | 'account' | 'pools' | 'hosts'
> &
  Places

function work(world: Base): Pick<World, 'submit' | 'end' | 'run' | 'done'> {
  const { store, runner, account } = world
  const submit: World['submit'] = async (head, input) => {
    const id = randomUUID()
    await store.transact(async (tx) => {
      const submission = await head.submission(tx, input)
      await runner().submit(tx, { ...submission, id, account, user: '', command: head.name })
    })
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
  return { submit, end, run, done }
}

function looks(world: Base, { done }: Pick<World, 'done'>): Pick<World, 'findings' | 'arrays' | 'machines' | 'stop'> {
  const { store, simulator, plugins, runner, pools, hosts } = world
  return {
    findings: async () => {
      await done(census, {})
      const open = await store.reader.selectFrom('censusFinding').selectAll().where('state', '=', 'open').execute()
      return open.map(({ kind, place, object, detail }) => `${kind} ${place} ${object} ${detail}`)
    },
    arrays: async () => {
      const list = async (id: string) =>
        (await plugins.pool(id)).provider(() => {}).inventory.list(undefined, probe('list'))
      return (await Promise.all([...new Set(Object.values(pools))].map(list))).flatMap(({ items }) => items)
    },
    machines: async () => {
      const list = async (id: string) =>
        (await plugins.host(id)).adapter(() => {}).inventory.list(undefined, probe('list'))
      return (await Promise.all([...new Set(Object.values(hosts))].map(list))).flatMap(({ items }) => items)
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
