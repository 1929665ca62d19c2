import type { Jobs } from '../jobs/jobs.ts'
import type { PluginHost } from '../plugin-host/plugin-host.ts'
import type { Store, Tx } from '../store/store.ts'

/** What sagas work with. */
export interface SagaDeps {
  readonly store: Store
  readonly plugins: PluginHost
  /** Called when a saga submits or awaits other operations: the runner is made after its sagas. */
  readonly jobs: () => Pick<Jobs<Tx>, 'submit' | 'ended'>
}
