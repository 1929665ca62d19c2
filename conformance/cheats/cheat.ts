import type { Call, HypervisorAdapter, StorageProvider } from '@moorage/contract'

/** A plug-in that breaks one promise, and otherwise does what the honest one does that it is made from. */
export interface Cheat<Plugin> {
  /** What it does wrong, as a sentence without a subject. */
  readonly name: string
  /** Names of cases that must fail with it. */
  readonly caughtBy: readonly string[]
  /** A cheat per bench: what it remembers is of one case. */
  make(honest: Required<Plugin>): Plugin
}

/** A provider that the storage kit must reject. The honest one must have every facet. */
export type StorageCheat = Cheat<StorageProvider>

/** An adapter that the hypervisor kit must reject. The honest one must have every facet. */
export type HypervisorCheat = Cheat<HypervisorAdapter>

/** A call whose fence is above all others: what the back end remembers can never refuse it. */
export function unfenced(call: Call): Call {
  unfencedCalls += 1
  return { ...call, fence: Number.MAX_SAFE_INTEGER - 1_000_000_000 + unfencedCalls }
}

let unfencedCalls = 0

/** A call with time left, whatever its caller said. */
export function unhurried(call: Call): Call {
  return { ...call, deadline: Date.now() + 30_000, signal: new AbortController().signal }
}
