import type {
  Call,
  Endpoint,
  HostReport,
  HypervisorAdapter,
  HypervisorCapability,
  HypervisorPlugin,
  PoolReport,
  StorageCapability,
  StoragePlugin,
  StorageProvider,
} from '@moorage/contract'
import type { CallRecord } from '../jobs/saga.ts'

/** Where plug-in calls are logged. */
export type CallLog = (record: CallRecord) => void

/** A registered pool, opened: every call is logged, bounded by its deadline, and throws `PluginError` only. */
export interface OpenPool {
  readonly id: string
  readonly plugin: StoragePlugin
  /** Derived from the facets that are there. */
  readonly can: ReadonlySet<StorageCapability>
  /** The guarded provider, writing to `log`. */
  provider(log: CallLog): StorageProvider
}

/** A registered host, opened likewise. */
export interface OpenHost {
  readonly id: string
  readonly plugin: HypervisorPlugin
  readonly can: ReadonlySet<HypervisorCapability>
  adapter(log: CallLog): HypervisorAdapter
}

/** Loads, checks and guards plug-ins. */
export interface PluginHost {
  readonly storage: ReadonlyMap<string, StoragePlugin>
  readonly hypervisors: ReadonlyMap<string, HypervisorPlugin>
  /** Opens a registered pool; cached until its registration changes. Throws `Refusal` `NOT_FOUND`. */
  pool(id: string): Promise<OpenPool>
  /** Opens a registered host; cached until its registration changes. Throws `Refusal` `NOT_FOUND`. */
  host(id: string): Promise<OpenHost>
  /** Asks an array what it is, before it is registered. */
  probePool(plugin: string, endpoint: Endpoint, call: Call): Promise<PoolReport>
  /** Asks a host what it is, before it is registered. */
  probeHost(plugin: string, endpoint: Endpoint, call: Call): Promise<HostReport>
}
