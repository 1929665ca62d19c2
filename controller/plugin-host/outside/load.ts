import {
  type Call,
  type Endpoint,
  type HypervisorAdapter,
  type HypervisorPlugin,
  type Loaded,
  PluginError,
  type StoragePlugin,
  type StorageProvider,
} from '@moorage/contract'
import { isDeepStrictEqual } from 'node:util'
import { MANDATORY } from '../facets.ts'
import { Keeper, type KeeperOptions } from './keeper.ts'
import type { Life } from './life.ts'
import type { Manifest } from './manifest.ts'
import type { Shape } from './messages.ts'
import type { PluginSpec } from './spec.ts'

/** A plug-in in a process of its own. */
export interface OutsidePlugin {
  readonly plugin: Loaded<StoragePlugin> | Loaded<HypervisorPlugin>
  /** The process that lives now; `undefined` between two. */
  pid(): number | undefined
  /** Ends the process, and resolves when it is gone. */
  close(): Promise<void>
}

/**
 * Loads a plug-in into a process of its own, in which it is confined, watched and, when it ends, started again; see
 * ADR 0029. What it answers is as unchecked as that of a plug-in in this process. Throws, naming the path, when
 * what is there is no plug-in of this contract.
 */
export async function loadOutside(spec: PluginSpec, options: KeeperOptions): Promise<OutsidePlugin> {
  const keeper = await Keeper.start(spec, options)
  const { manifest } = keeper
  const closed = new FinalizationRegistry<() => void>((close) => close())
  let handles = 0
  const open = async (endpoint: Endpoint): Promise<object> => {
    const bound = new Bound(keeper, (handles += 1), endpoint)
    const facade = facadeOf(await bound.open(), bound)
    closed.register(facade, () => bound.close())
    return facade
  }
  return {
    plugin: pluginOf(manifest, open),
    pid: () => livePid(keeper),
    close: () => keeper.close(),
  }
}

function pluginOf(
  manifest: Manifest,
  open: (endpoint: Endpoint) => Promise<object>,
): Loaded<StoragePlugin> | Loaded<HypervisorPlugin> {
  if (manifest.kind === 'storage') {
    // It has the facets and methods of the provider that the plug-in opened.
    return { ...manifest, open: async (endpoint) => (await open(endpoint)) as StorageProvider }
  }
  // Likewise of the adapter.
  return { ...manifest, open: async (endpoint) => (await open(endpoint)) as HypervisorAdapter }
}

function livePid(keeper: Keeper): number | undefined {
  try {
    return keeper.life.pid
  } catch {
    return undefined
  }
}

/** One pool or host in whichever process lives: opened again in each new one before its first call. */
class Bound {
  readonly #keeper: Keeper
  readonly #handle: number
  readonly #endpoint: Endpoint
  readonly #openIn = new WeakMap<Life, Promise<Shape>>()
  #shape: Shape | undefined

  constructor(keeper: Keeper, handle: number, endpoint: Endpoint) {
    this.#keeper = keeper
    this.#handle = handle
    this.#endpoint = endpoint
  }

  /** Opens it where the plug-in lives now. Throws what the plug-in's `open` throws. */
  async open(): Promise<Shape> {
    return this.#openedIn(this.#keeper.life)
  }

  async call(facet: string, method: string, args: readonly unknown[]): Promise<unknown> {
    const { key, deadline, fence, signal } = args.at(-1) as Call // The last argument of every method of the contract.
    const what = `${facet}.${method}`
    const { life } = this.#keeper
    await this.#openedIn(life)
    const rest = args.slice(0, -1).map((each) => (each === undefined ? ([] as const) : ([each] as const)))
    const asked = { kind: 'call', handle: this.#handle, facet, method, args: rest } as const
    return life.request({ ...asked, call: { key, deadline, fence } }, { what, deadline, signal })
  }

  close(): void {
    try {
      this.#keeper.life.tell({ kind: 'close', handle: this.#handle })
    } catch {
      // What does not live has nothing open.
    }
  }

  async #openedIn(life: Life): Promise<Shape> {
    const before = this.#openIn.get(life)
    if (before) return before
    const opening = this.#open(life)
    this.#openIn.set(life, opening)
    try {
      return await opening
    } catch (error) {
      this.#openIn.delete(life)
      throw error
    }
  }

  async #open(life: Life): Promise<Shape> {
    const { manifest, timing } = this.#keeper
    for (const { name, type } of manifest.settings) {
      if (type === 'secret') life.keepSecret(this.#endpoint.settings[name] ?? '')
    }
    const deadline = Date.now() + timing.openMs
    const asked = { kind: 'open', handle: this.#handle, endpoint: this.#endpoint } as const
    const answer = life.request(asked, { what: 'open', deadline })
    const shape = shapeFrom(await inTime(withoutEffect(answer), timing.openMs), manifest.kind)
    this.#shape ??= shape
    if (!isDeepStrictEqual(shape, this.#shape)) {
      throw new PluginError('UNAVAILABLE', 'it opens with other facets than before: start the controller again', 'none')
    }
    return shape
  }
}

/** Opening makes no I/O: whatever became of it, nothing has changed. */
async function withoutEffect(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    throw error instanceof PluginError ? new PluginError(error.code, error.message, 'none') : error
  }
}

async function inTime(answer: Promise<unknown>, ms: number): Promise<unknown> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new PluginError('UNAVAILABLE', `it did not open within ${ms} ms`, 'none')), ms)
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

function shapeFrom(answer: unknown, kind: keyof typeof MANDATORY): Shape {
  const { data, facets } = (answer ?? {}) as Partial<Shape> // Looked at below.
  const faults = MANDATORY[kind]
    .filter((name) => !Array.isArray(facets?.[name]?.methods))
    .map((name) => `facet ${name}`)
  const counts = kind === 'storage' ? ['minVolumeBytes', 'maxVolumeBytes', 'granularityBytes'] : ['maxDisksPerVm']
  const limits = (data?.['limits'] ?? {}) as Readonly<Record<string, unknown>> // Looked at here.
  faults.push(...counts.filter((name) => !Number.isSafeInteger(limits[name])).map((name) => `limits.${name}`))
  if (kind === 'hypervisor' && !Array.isArray(data?.['accepts'])) faults.push('accepts')
  if (faults.length > 0) throw new PluginError('INTERNAL', `it opened without ${faults.join(', ')}`, 'none')
  return answer as Shape // Its mandatory parts were just looked at; the rest is found missing where it is used.
}

/** An object with the facets of a shape, whose methods are calls. */
function facadeOf(shape: Shape, bound: Bound): object {
  const facets = Object.entries(shape.facets).map(([name, { methods, data }]) => {
    const calls = methods.map((method) => {
      return [method, async (...args: readonly unknown[]) => bound.call(name, method, args)] as const
    })
    return [name, { ...data, ...Object.fromEntries(calls) }] as const
  })
  return { ...shape.data, ...Object.fromEntries(facets) }
}
