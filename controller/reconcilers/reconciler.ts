import type { Call } from '@moorage/contract'
import type { Jobs } from '../jobs/jobs.ts'
import type { PluginHost } from '../plugin-host/plugin-host.ts'
import type { Store, Tx } from '../store/store.ts'

/** What a reconciler tells; a pino logger fits. */
export interface ReconcilerLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What reconcilers work with. */
export interface ReconcilerDeps {
  readonly store: Store
  readonly plugins: PluginHost
  readonly jobs: Pick<Jobs<Tx>, 'submit'>
  readonly log: ReconcilerLog
}

/** One turn of a reconciler. */
export interface Turn {
  /** Aborted when the controller stops: what fails from then on says nothing about back ends. */
  readonly signal: AbortSignal
  /** When it began, by `performance.now()`: nothing that it found is older. */
  readonly began: number
  /** A call to read from a back end, to be answered within seconds. Reconcilers change nothing there, so it holds no fence. */
  call(name: string): Call
  /** Asks for the next turn in so many milliseconds, unless it comes sooner anyway: what was found is to be looked at twice. */
  againIn(ms: number): void
}

/** Keeps one thing true: takes no input, may run at any time and on several controllers at once, changes what is off only. */
export interface Reconciler {
  readonly name: string
  readonly everyMs: number
  run(deps: ReconcilerDeps, turn: Turn): Promise<void>
}
