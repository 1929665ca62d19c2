import {
  type ArchivePlugin,
  type Endpoint,
  HYPERVISOR_CAPABILITIES,
  type HypervisorAdapter,
  type HypervisorPlugin,
  type Loaded,
  type Mover,
  PluginError,
  STORAGE_CAPABILITIES,
  type StoragePlugin,
  type StorageProvider,
} from '@moorage/contract'
import { CONTRACT_VERSION, FACETS } from './facets.ts'
import { guard } from './guard.ts'
import { givenUp } from './lost.ts'
import type {
  CallLog,
  CallObserver,
  OpenHost,
  OpenMover,
  OpenPool,
  PluginHost,
  Registration,
  RegistrationLoader,
} from './plugin-host.ts'

/** What `createPluginHost` works with. */
export interface PluginHostOptions {
  readonly storage: readonly Loaded<StoragePlugin>[]
  readonly hypervisors: readonly Loaded<HypervisorPlugin>[]
  /** Absent: none. */
  readonly archives?: readonly ArchivePlugin[]
  /** How movers are found, and reached by url, `user` and `password`, without I/O. Absent: there are none. */
  readonly movers?: {
    load(id: string): Promise<Registration>
    connect(endpoint: Endpoint): Mover
  }
  readonly load: RegistrationLoader
  /** Id of this installation: the ownership mark handed to every plug-in. */
  readonly owner: string
  readonly observe?: CallObserver
}

/** Throws when two plug-ins share a name or one was written for another version of the contract. */
export function createPluginHost(options: PluginHostOptions): PluginHost {
  const { load, owner } = options
  const told = options.observe === undefined ? {} : { observe: options.observe }
  const storage = byName(options.storage)
  const hypervisors = byName(options.hypervisors)
  const pools = new Map<string, Cached<OpenPool>>()
  const hosts = new Map<string, Cached<OpenHost>>()
  const archives = byName(options.archives ?? [])
  const movers = new Map<string, Cached<OpenMover>>()
  const openPool = (registration: Registration) =>
    cached(pools, registration, async () => {
      const plugin = known(storage, registration.plugin)
      return poolOf(registration.id, plugin, { provider: await plugin.open(endpointOf(registration, owner)), ...told })
    })
  const openHost = (registration: Registration) =>
    cached(hosts, registration, async () => {
      const plugin = known(hypervisors, registration.plugin)
      return hostOf(registration.id, plugin, { adapter: await plugin.open(endpointOf(registration, owner)), ...told })
    })
  const openHostNow = async (registration: Registration) => {
    const open = await openHost(registration)
    return registration.lost === true ? { ...open, adapter: (log: CallLog) => givenUp(open.adapter(log)) } : open
  }
  return {
    owner,
    storage,
    hypervisors,
    openPool,
    openHost: openHostNow,
    pool: async (id) => openPool(await load.pool(id)),
    host: async (id) => openHostNow(await load.host(id)),
    archives,
    probeArchive: async (name, endpoint, call) => {
      const of = { target: 'probe', plugin: name, log: NOWHERE, ...told }
      return guard({ archive: known(archives, name).open(endpoint) }, ['archive'], of).archive.probe(call)
    },
    mover: async (id) => {
      const { load: loadMover, connect } = moversOf(options)
      const registration = await loadMover(id)
      const mover = () => connect(endpointOf(registration, owner))
      return cached(movers, registration, async () => moverOf(id, { mover: mover(), ...told }))
    },
    probeMover: async (endpoint, call) =>
      moverOf('probe', { mover: moversOf(options).connect(endpoint), ...told })
        .mover(NOWHERE)
        .report(call),
    probePool: async (name, endpoint, call) => {
      const plugin = known(storage, name)
      return poolOf('probe', plugin, { provider: await plugin.open(endpoint), ...told })
        .provider(NOWHERE)
        .pools.report(call)
    },
    probeHost: async (name, endpoint, call) => {
      const plugin = known(hypervisors, name)
      return hostOf('probe', plugin, { adapter: await plugin.open(endpoint), ...told })
        .adapter(NOWHERE)
        .hosts.report(call)
    },
  }
}

/** A probe belongs to no operation, so there is no operation's log for it. */
const NOWHERE: CallLog = () => {}

function endpointOf({ url, settings }: Registration, owner: string): Endpoint {
  return { url, settings, owner }
}

interface Observed {
  readonly observe?: CallObserver
}

function poolOf(
  id: string,
  plugin: Loaded<StoragePlugin>,
  { provider, ...told }: Observed & { readonly provider: StorageProvider },
): OpenPool {
  return {
    id,
    plugin,
    can: new Set(STORAGE_CAPABILITIES.filter((name) => provider[name] !== undefined)),
    limits: provider.limits,
    provider: (log) => guard(provider, FACETS.storage, { target: `pool:${id}`, plugin: plugin.name, log, ...told }),
  }
}

function hostOf(
  id: string,
  plugin: Loaded<HypervisorPlugin>,
  { adapter, ...told }: Observed & { readonly adapter: HypervisorAdapter },
): OpenHost {
  return {
    id,
    plugin,
    can: new Set(HYPERVISOR_CAPABILITIES.filter((name) => adapter[name] !== undefined)),
    accepts: adapter.accepts,
    limits: adapter.limits,
    adapter: (log) => guard(adapter, FACETS.hypervisor, { target: `host:${id}`, plugin: plugin.name, log, ...told }),
  }
}

function moversOf({ movers }: PluginHostOptions) {
  if (!movers) throw new PluginError('UNSUPPORTED', 'this controller knows no movers', 'none')
  return movers
}

function moverOf(id: string, { mover, ...told }: Observed & { readonly mover: Mover }): OpenMover {
  return {
    id,
    mover: (log) => guard({ mover }, ['mover'], { target: `mover:${id}`, plugin: 'mover', log, ...told }).mover,
  }
}

interface Cached<Open> {
  readonly version: string
  readonly open: Promise<Open>
}

/** What cannot be opened is tried anew by whoever asks next. */
async function cached<Open>(
  cache: Map<string, Cached<Open>>,
  registration: Registration,
  open: () => Promise<Open>,
): Promise<Open> {
  const hit = cache.get(registration.id)
  if (hit?.version === registration.version) return hit.open
  const made = { version: registration.version, open: open() }
  cache.set(registration.id, made)
  try {
    return await made.open
  } catch (error) {
    if (cache.get(registration.id) === made) cache.delete(registration.id)
    throw error
  }
}

function byName<Plugin extends { readonly name: string; readonly contract: number }>(
  plugins: readonly Plugin[],
): ReadonlyMap<string, Plugin> {
  const map = new Map<string, Plugin>()
  for (const plugin of plugins) {
    if (plugin.contract !== CONTRACT_VERSION) {
      throw new Error(`plug-in ${plugin.name} speaks contract ${plugin.contract}, this controller ${CONTRACT_VERSION}`)
    }
    if (map.has(plugin.name)) throw new Error(`two plug-ins are called ${plugin.name}`)
    map.set(plugin.name, plugin)
  }
  return map
}

function known<Plugin>(plugins: ReadonlyMap<string, Plugin>, name: string): Plugin {
  const plugin = plugins.get(name)
  if (!plugin) throw new PluginError('UNSUPPORTED', `no plug-in is called ${name}`, 'none')
  return plugin
}
