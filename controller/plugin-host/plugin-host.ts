import type {
  ArchivePlugin,
  ArchiveReport,
  Call,
  Endpoint,
  HostReport,
  HypervisorAdapter,
  HypervisorCapability,
  HypervisorPlugin,
  Loaded,
  Mover,
  MoverReport,
  PoolReport,
  StorageCapability,
  StoragePlugin,
  StorageProvider,
} from '@moorage/contract'
import type { CallRecord } from '../jobs/saga.ts'

/** Where plug-in calls are logged. */
export type CallLog = (record: CallRecord) => void

/** Hears of every call of a plug-in, for metrics. `outcome`: `ok` or the failure code. */
export type CallObserver = (
  of: { readonly plugin: string; readonly method: string; readonly outcome: string },
  seconds: number,
) => void

/** A pool, host or mover as it was registered, secrets in clear. */
export interface Registration {
  readonly id: string
  /** Name of the plug-in. */
  readonly plugin: string
  readonly url: string
  readonly settings: Readonly<Record<string, string>>
  /** Of a host: it was given up, see `givenUp`. */
  readonly lost?: boolean
  /** Changes whenever plug-in, url or settings do. */
  readonly version: string
}

/** Reads registrations. Throws `Refusal` `NOT_FOUND` for what is not registered. */
export interface RegistrationLoader {
  pool(id: string): Promise<Registration>
  host(id: string): Promise<Registration>
}

/** A registered pool, opened: every call is logged, bounded by its deadline, and throws `PluginError` only. */
export interface OpenPool {
  readonly id: string
  readonly plugin: Loaded<StoragePlugin>
  /** Derived from the facets that are there. */
  readonly can: ReadonlySet<StorageCapability>
  readonly limits: StorageProvider['limits']
  /** The guarded provider, writing to `log`. */
  provider(log: CallLog): StorageProvider
}

/** A registered host, opened likewise. */
export interface OpenHost {
  readonly id: string
  readonly plugin: Loaded<HypervisorPlugin>
  readonly can: ReadonlySet<HypervisorCapability>
  readonly accepts: HypervisorAdapter['accepts']
  readonly limits: HypervisorAdapter['limits']
  adapter(log: CallLog): HypervisorAdapter
}

/** A registered mover, opened likewise. */
export interface OpenMover {
  readonly id: string
  mover(log: CallLog): Mover
}

/** Loads, checks and guards plug-ins. */
export interface PluginHost {
  /** Id of this installation: the ownership mark handed to every plug-in. */
  readonly owner: string
  readonly storage: ReadonlyMap<string, Loaded<StoragePlugin>>
  readonly hypervisors: ReadonlyMap<string, Loaded<HypervisorPlugin>>
  readonly archives: ReadonlyMap<string, ArchivePlugin>
  /** Opens a registered pool; cached until its registration changes. Throws `Refusal` `NOT_FOUND`. */
  pool(id: string): Promise<OpenPool>
  /** Opens a registered host; cached until its registration changes. Throws `Refusal` `NOT_FOUND`. */
  host(id: string): Promise<OpenHost>
  /**
   * As `pool`, of a registration already read: for those who hold a transaction and may wait for nothing else. No I/O to
   * the array; a plug-in in a process of its own is asked once, and given a few seconds at most.
   */
  openPool(registration: Registration): Promise<OpenPool>
  /** As `host`, of a registration already read, likewise. */
  openHost(registration: Registration): Promise<OpenHost>
  /** Asks an array what it is, before it is registered. */
  probePool(plugin: string, endpoint: Endpoint, call: Call): Promise<PoolReport>
  /** Asks a host what it is, before it is registered. */
  probeHost(plugin: string, endpoint: Endpoint, call: Call): Promise<HostReport>
  /** Asks a store what it is and keeps, before it is registered and from time to time. Nothing is moved by a controller. */
  probeArchive(plugin: string, endpoint: Endpoint, call: Call): Promise<ArchiveReport>
  /** Opens a registered mover; cached until its registration changes. Throws `Refusal` `NOT_FOUND`. */
  mover(id: string): Promise<OpenMover>
  /** Asks a mover what it is. */
  probeMover(endpoint: Endpoint, call: Call): Promise<MoverReport>
}
