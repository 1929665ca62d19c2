import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ArchivePlugin, HypervisorPlugin, Loaded, StoragePlugin } from '@moorage/contract'
import { createMetricsServer } from '../api/probes.ts'
import { type ApiServer, createApiServer, type Tls } from '../api/server.ts'
import { startRunner } from '../jobs/runner.ts'
import type { Runner } from '../jobs/runner.ts'
import { createAuditor } from '../operations/audit.ts'
import type { System } from '../operations/context.ts'
import { createPluginHost } from '../plugin-host/create.ts'
import { loadOutside } from '../plugin-host/outside/load.ts'
import type { PluginSpec } from '../plugin-host/outside/spec.ts'
import { startReconcilers } from '../reconcilers/start.ts'
import { describeFailure } from '../sagas/calls.ts'
import { createSagas } from '../sagas/registry.ts'
import { unsealedCount } from '../store/audit-chain.ts'
import { createJournal } from '../store/journal.ts'
import type { OpenedStore } from '../store/open.ts'
import { buryNode, listNodes, queueDepth } from '../store/operations.ts'
import { controllersAlive, findingSamples, hostSamples, poolSamples } from '../store/queries/health.ts'
import { registrationLoader } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type LeaseWatch, watchLeases } from '../telemetry/lease-watch.ts'
import { createMetrics, type JobsMetrics, type Metrics } from '../telemetry/metrics.ts'
import { ensureAdministrator } from './admin.ts'
import { type Asked, type ListenAddress, type TlsFiles, UsageError } from './arguments.ts'
import { openData } from './data.ts'
import { movers } from './movers.ts'
import { hasDied, nodeIdentity } from './node-identity.ts'
import { seedSimulator } from './seed.ts'
import { ensureSimulator } from './simulator-daemon.ts'

/** The plug-ins of a controller: those that ship with it, which main.ts alone knows, and those that its command line adds. */
export interface Plugins {
  readonly storage: readonly Loaded<StoragePlugin>[]
  readonly hypervisors: readonly Loaded<HypervisorPlugin>[]
  readonly archives: readonly ArchivePlugin[]
}

/** How long a node may be silent before others take its operations over. */
const LEASE_MS = 10_000
/** How long requests in progress may take to end when the controller stops. */
const LAST_REQUESTS_MS = 5_000

/**
 * Runs a controller until SIGTERM or SIGINT, then stops it in the order in which nothing is pulled away under another.
 * `DIR/ready.json` ({pid, url, integrationUrl, metricsUrl, node, installation}, mode 0600) is there exactly while it serves. Throws when it cannot
 * start; what was started by then is stopped.
 */
export async function serve(
  asked: Extract<Asked, { readonly command: 'serve' }>,
  shipped: Plugins,
  log: Logger,
): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const plugins = await withOutside(stack, shipped, { specs: asked.plugins, log })
  const { dir, store } = await openData(asked.data, { log, create: true })
  stack.defer(() => store.close())
  await ensureAdministrator(store, { data: dir, passwordFile: asked.adminPasswordFile })
  const node = nodeIdentity()
  await buryDeadNodes(store, log)
  const { system, metrics, leases } = await startWork(stack, { store, plugins, log, node })
  const { listen, integrationListen } = asked
  const server = await createApiServer({
    system,
    listen,
    ...(integrationListen ? { integrationListen } : {}),
    log: log.child({ part: 'api' }),
    observe: metrics.request,
    auditor: createAuditor({ node, log, observe: metrics.audited }),
    leases,
    ...(asked.tls === undefined ? {} : { tls: readTls(asked.tls) }),
    ...(asked.origins.length === 0 ? {} : { origins: asked.origins }),
  })
  if (asked.tls !== undefined) renewOnHangup(stack, { files: asked.tls, server, log })
  stack.defer(() => closeWithin(server.close(), log))
  const metricsUrl = await serveMetrics(stack, asked.metricsListen, { system, leases, registry: metrics.registry })
  if (asked.seed === 'simulator') await seed(system, dir, log)
  const { url, integrationUrl } = server
  const stop = stopSignal()
  announce(dir, { pid: process.pid, url, integrationUrl, metricsUrl, node, installation: store.installation })
  stack.defer(() => withdraw(dir))
  log.info({ url, integrationUrl, metricsUrl, data: dir, installation: store.installation }, 'serving')
  log.info({ signal: await stop }, 'stopping')
}

/** Throws `UsageError` that names the flag; what is in the files is checked by who serves with it. */
function readTls(files: TlsFiles): Tls {
  const read = (flag: string, path: string) => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      throw new UsageError(`--${flag}: cannot be read: ${error instanceof Error ? error.message : ''}`, {
        cause: error,
      })
    }
  }
  return { cert: read('tls-certificate', files.certificate), key: read('tls-key', files.key) }
}

/** Certificates are renewed while controllers run; one that cannot be used is told in the log, and the old one stays. */
function renewOnHangup(
  stack: AsyncDisposableStack,
  { files, server, log }: { readonly files: TlsFiles; readonly server: ApiServer; readonly log: Logger },
): void {
  const renew = () => {
    try {
      server.renew(readTls(files))
      log.info({ certificate: files.certificate }, 'the certificate was read again')
    } catch (error) {
      log.error({ certificate: files.certificate, err: error }, 'the new certificate cannot be used: the old one stays')
    }
  }
  process.on('SIGHUP', renew)
  stack.defer(() => void process.off('SIGHUP', renew))
}

/** The plug-ins with those of the command line, each in a process of its own that ends with `stack`. */
async function withOutside(
  stack: AsyncDisposableStack,
  shipped: Plugins,
  { specs, log }: { readonly specs: readonly PluginSpec[]; readonly log: Logger },
): Promise<Plugins> {
  const loading = await Promise.allSettled(
    specs.map((spec) => loadOutside(spec, { log: log.child({ part: 'plugins' }) })),
  )
  const loaded = loading.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  for (const each of loaded) stack.defer(() => each.close())
  const failed = loading.find((each) => each.status === 'rejected')
  if (failed) throw failed.reason
  for (const { plugin } of loaded) log.info({ kind: plugin.kind, plugin: plugin.name }, 'a plug-in runs beside')
  const added = loaded.map(({ plugin }) => plugin)
  return {
    storage: [...shipped.storage, ...added.filter((plugin) => plugin.kind === 'storage')],
    hypervisors: [...shipped.hypervisors, ...added.filter((plugin) => plugin.kind === 'hypervisor')],
    archives: shipped.archives,
  }
}

async function startWork(
  stack: AsyncDisposableStack,
  {
    store,
    plugins,
    log,
    node,
  }: { readonly store: OpenedStore; readonly plugins: Plugins; readonly log: Logger; readonly node: string },
) {
  const metrics = createMetrics()
  const leases = watchLeases(LEASE_MS)
  metrics.onScrape(sources(store, leases))
  const host = createPluginHost({
    ...plugins,
    movers: movers(store),
    load: registrationLoader(store),
    owner: store.installation,
    observe: metrics.call,
  })
  const later: { runner?: Runner<Tx> } = {}
  const jobs = () => {
    if (!later.runner) throw new Error('a saga asked for the runner before it was made')
    return later.runner
  }
  const jobsLog = log.child({ part: 'jobs' })
  const runner = await startRunner<Tx>({
    journal: createJournal({ store, leaseMs: LEASE_MS, log: jobsLog }),
    sagas: createSagas({ store, plugins: host, jobs }),
    node,
    leaseMs: LEASE_MS,
    describe: describeFailure,
    log: jobsLog,
    observe: watching(metrics.jobs, leases),
  })
  later.runner = runner
  stack.defer(() => runner.stop())
  const reconcilers = startReconcilers({ store, plugins: host, jobs: runner, log: log.child({ part: 'reconcilers' }) })
  stack.defer(() => reconcilers.stop())
  const system: System = { store, jobs: runner, plugins: host, installation: store.installation }
  return { system, metrics, leases }
}

/** What `/metrics` shows of what is kept elsewhere than in this process. */
function sources(store: OpenedStore, leases: LeaseWatch): Parameters<Metrics['onScrape']>[0] {
  const { reader } = store
  return {
    queue: () => queueDepth(reader),
    pools: () => poolSamples(reader),
    hosts: () => hostSamples(reader),
    findings: () => findingSamples(reader),
    controllers: () => controllersAlive(reader, LEASE_MS),
    unsealed: () => unsealedCount(reader),
    connections: () => store.connections(),
    renewalAge: () => leases.ageSeconds(),
  }
}

/** The metrics, and the watch that `/readyz` asks. */
function watching(jobs: JobsMetrics, leases: LeaseWatch): JobsMetrics {
  return {
    ...jobs,
    renewed: (outcome) => {
      jobs.renewed(outcome)
      if (outcome === 'ok') leases.renewed()
    },
  }
}

async function serveMetrics(
  stack: AsyncDisposableStack,
  listen: ListenAddress | undefined,
  served: Omit<Parameters<typeof createMetricsServer>[0], 'listen'>,
): Promise<string | undefined> {
  if (listen === undefined) return undefined
  const { url, close } = await createMetricsServer({ ...served, listen })
  stack.defer(close)
  return url
}

/** After a crash the operations of the dead controller go on at once, not when its leases run out. */
async function buryDeadNodes(store: OpenedStore, log: Logger): Promise<void> {
  for (const { id } of await listNodes(store.reader)) {
    if (hasDied(id)) log.warn({ node: id, operations: await buryNode(store, id) }, 'a controller had died')
  }
}

async function seed(system: System, dir: string, log: Logger): Promise<void> {
  const simulator = await ensureSimulator(dir)
  log.info({ pid: simulator.pid, address: simulator.authority }, `simulator ${simulator.how}`)
  await seedSimulator(system, simulator)
}

function announce(dir: string, content: object): void {
  const path = join(dir, 'ready.json')
  writeFileSync(`${path}.new`, `${JSON.stringify(content)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** Unless another controller of this directory has announced itself since. */
function withdraw(dir: string): void {
  const path = join(dir, 'ready.json')
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (text.startsWith(`{"pid":${process.pid},`)) rmSync(path)
}

/** The first of the two signals; a second one ends the process at once, for who does not want to wait. */
function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      resolve(signal)
      process.once(signal, () => process.exit(1))
    })
  }
  return promise
}

async function closeWithin(closing: Promise<void>, log: Logger): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => resolve('late'), LAST_REQUESTS_MS)
  const late = (await Promise.race([closing, promise])) === 'late'
  clearTimeout(timer)
  if (late) log.warn({ ms: LAST_REQUESTS_MS }, 'requests were still in progress')
}
