import type { Jobs } from '../jobs/jobs.ts'
import type { PluginHost } from '../plugin-host/plugin-host.ts'
import type { Store, Tx } from '../store/store.ts'

/** What a caller may do at most; each command lists the roles that may call it. */
export const ROLES = ['admin', 'domain-admin', 'user', 'read-only-admin'] as const
/** A name in `ROLES`. */
export type Role = (typeof ROLES)[number]

/** Who asks, as authentication found it. The integration port asks as the root administrator. */
export interface Caller {
  readonly principalId: string
  readonly username: string
  readonly accountId: string
  readonly accountName: string
  readonly domainId: string
  readonly domainPath: string
  readonly role: Role
}

/** What every operation works with. */
export interface System {
  readonly store: Store
  readonly jobs: Jobs<Tx>
  readonly plugins: PluginHost
  /** Id of this installation: the ownership mark on back ends. */
  readonly installation: string
}

/** An operation that was submitted: the entity it is about exists already where the command creates one. */
export interface Submitted {
  readonly operation: string
  readonly id: string
}
