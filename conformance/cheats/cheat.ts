import {
  type Call,
  type Exposure,
  type FailureCode,
  HYPERVISOR_CAPABILITIES,
  type HypervisorAdapter,
  PluginError,
  STORAGE_CAPABILITIES,
  type StorageProvider,
} from '@moorage/contract'
import type { ArchiveBench } from '../archive/subject.ts'
import type { HypervisorBench } from '../hypervisor/subject.ts'
import type { OpenDisk, StorageBench } from '../storage/subject.ts'

/** A plug-in that breaks one promise, and otherwise does what the honest one does that it is made from. */
export interface Cheat<Bench> {
  /** What it does wrong, as a sentence without a subject. Unique within a kit. */
  readonly name: string
  /** Names of cases that must fail with it. Where it is one name, no other case fails. */
  readonly caughtBy: readonly string[]
  /** The bench with the cheat in place of what was honest. Once per bench: what it remembers is of one case. */
  spoil(bench: Bench): Bench
}

/** A provider that the storage kit must reject. The honest one must have every facet. */
export type StorageCheat = Cheat<StorageBench>

/** An adapter that the hypervisor kit must reject. The honest one must have every facet. */
export type HypervisorCheat = Cheat<HypervisorBench>

/** A store that the archive kit must reject. */
export type ArchiveCheat = Cheat<ArchiveBench>

/** Methods in place of the honest ones, facet by facet; what is not named stays. */
export type Overrides<Plugin> = { readonly [Facet in keyof Plugin]?: Partial<Plugin[Facet]> }

/** A provider with every facet. */
export type FullProvider = Required<StorageProvider>
/** An adapter with every facet. */
export type FullAdapter = Required<HypervisorAdapter>

/** A cheat made of the methods that it changes; `stranger` is the honest provider under another mark. */
export function provider(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: FullProvider, stranger: FullProvider) => Overrides<FullProvider>,
): StorageCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      const honest = fullProvider(bench.provider)
      return { ...bench, provider: overridden(honest, change(honest, fullProvider(bench.stranger ?? honest))) }
    },
  }
}

/**
 * As `provider`, of every provider that the plug-in opens: `at` counts them, 0 is the one of the bench. What a cheat keeps
 * in the closure of `change` is of one of them, as what a plug-in keeps in memory is of one controller.
 */
export function everyProvider(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: FullProvider, at: number) => Overrides<FullProvider>,
): StorageCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      let count = 0
      const spoiled = (plugin: StorageProvider) => {
        const honest = fullProvider(plugin)
        return overridden(honest, change(honest, count++))
      }
      const provider = spoiled(bench.provider)
      if (!bench.plugin) return { ...bench, provider }
      const { plugin, endpoint } = bench.plugin
      const open = async (at: typeof endpoint) => spoiled(await plugin.open(at))
      return { ...bench, provider, plugin: { endpoint, plugin: { ...plugin, open } } }
    },
  }
}

/** As `everyProvider`, of adapters. */
export function everyAdapter(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: FullAdapter, at: number) => Overrides<FullAdapter>,
): HypervisorCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      let count = 0
      const spoiled = (plugin: HypervisorAdapter) => {
        const honest = fullAdapter(plugin)
        return overridden(honest, change(honest, count++))
      }
      const adapter = spoiled(bench.adapter)
      if (!bench.plugin) return { ...bench, adapter }
      const { plugin, endpoint } = bench.plugin
      const open = async (at: typeof endpoint) => spoiled(await plugin.open(at))
      return { ...bench, adapter, plugin: { endpoint, plugin: { ...plugin, open } } }
    },
  }
}

/** A cheat in how bytes travel, made from the session of an honest initiator. */
export function dataPath(
  name: string,
  caughtBy: string | readonly string[],
  change: (bench: StorageBench) => Pick<StorageBench, 'provider' | 'connect'>,
): StorageCheat {
  return { name, caughtBy: [caughtBy].flat(), spoil: (bench) => ({ ...bench, ...change(bench) }) }
}

/** A cheat of the plug-in itself: what it says of itself, and what `open` does. */
export function storagePlugin(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: NonNullable<StorageBench['plugin']>['plugin']) => object,
): StorageCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      if (!bench.plugin) return bench
      return {
        ...bench,
        plugin: { ...bench.plugin, plugin: { ...bench.plugin.plugin, ...change(bench.plugin.plugin) } },
      }
    },
  }
}

/** As `provider`, of an adapter. */
export function adapter(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: FullAdapter, stranger: FullAdapter) => Overrides<FullAdapter>,
): HypervisorCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      const honest = fullAdapter(bench.adapter)
      return { ...bench, adapter: overridden(honest, change(honest, fullAdapter(bench.stranger ?? honest))) }
    },
  }
}

/** A cheat that makes its provider as a whole. */
export function wholeProvider(cheat: {
  readonly name: string
  readonly caughtBy: readonly string[]
  make(honest: FullProvider): StorageProvider
}): StorageCheat {
  const { name, caughtBy } = cheat
  return { name, caughtBy, spoil: (bench) => ({ ...bench, provider: cheat.make(fullProvider(bench.provider)) }) }
}

/** A cheat that makes its adapter as a whole; where the bench has a second host, that one cheats too. */
export function wholeAdapter(cheat: {
  readonly name: string
  readonly caughtBy: readonly string[]
  make(honest: FullAdapter): HypervisorAdapter
}): HypervisorCheat {
  const { name, caughtBy } = cheat
  return {
    name,
    caughtBy,
    spoil(bench) {
      const { peer } = bench
      const adapter = cheat.make(fullAdapter(bench.adapter))
      return { ...bench, adapter, ...(peer && { peer: { ...peer, adapter: cheat.make(fullAdapter(peer.adapter)) } }) }
    },
  }
}

/** As `storagePlugin`, of a plug-in for hypervisors. */
export function hypervisorPlugin(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: NonNullable<HypervisorBench['plugin']>['plugin']) => object,
): HypervisorCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      if (!bench.plugin) return bench
      return {
        ...bench,
        plugin: { ...bench.plugin, plugin: { ...bench.plugin.plugin, ...change(bench.plugin.plugin) } },
      }
    },
  }
}

/** A session with some of its methods changed. */
export function session(honest: OpenDisk, change: Partial<OpenDisk>): OpenDisk {
  return {
    write: (offset, bytes) => honest.write(offset, bytes),
    read: (offset, length) => honest.read(offset, length),
    close: () => honest.close(),
    ...change,
  }
}

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

/** Whether the time of a call was up before it began. */
export function isLate(call: Call): boolean {
  return call.deadline <= Date.now()
}

/** Runs, and does something else instead where that is refused with the code. */
export async function despite<Result>(
  code: FailureCode,
  run: () => Promise<Result>,
  instead: (error: PluginError) => Promise<Result> | Result,
): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof PluginError && error.code === code) return instead(error)
    throw error
  }
}

/** Runs, and where a fence refuses it runs all the same. */
export function evading<Result>(run: (call: Call) => Promise<Result>, call: Call): Promise<Result> {
  return despite(
    'FENCED',
    () => run(call),
    () => run(unfenced(call)),
  )
}

/** Does the work, however late it is, and then says that nothing was done. */
export async function denying<Result>(
  run: (call: Call) => Promise<Result>,
  over: (call: Call) => boolean,
  call: Call,
): Promise<Result> {
  if (!over(call)) return run(call)
  await run(unhurried(call))
  throw new PluginError('TIMEOUT', 'too late', 'none')
}

/** An error that is not the one of the contract. */
export function wrong(code: FailureCode, effect: 'none' | 'possible' = 'none'): PluginError {
  return new PluginError(code, 'as the cheat has it', effect)
}

function overridden<Plugin extends object>(honest: Plugin, change: Overrides<Plugin>): Plugin {
  const facets = Object.entries(change).map(([name, methods]) => {
    const facet: unknown = Reflect.get(honest, name)
    return [name, { ...(facet as object), ...(methods as object) }] as const // Facets and limits are objects.
  })
  return { ...honest, ...Object.fromEntries(facets) }
}

function fullProvider(plugin: StorageProvider): FullProvider {
  for (const name of STORAGE_CAPABILITIES) if (!plugin[name]) throw new Error(`the honest provider lacks ${name}`)
  return plugin as FullProvider // Every optional member was just looked at.
}

function fullAdapter(plugin: HypervisorAdapter): FullAdapter {
  for (const name of HYPERVISOR_CAPABILITIES) if (!plugin[name]) throw new Error(`the honest adapter lacks ${name}`)
  return plugin as FullAdapter // Every optional member was just looked at.
}

/** A source and a consumer as one word. */
export function accessKey({ source, consumer }: Pick<Exposure, 'source' | 'consumer'>): string {
  return `${source.kind} ${source.id} ${consumer.id}`
}
