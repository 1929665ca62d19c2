import { inspect } from 'node:util'
import { FAILURES, PluginError } from '@moorage/contract'

/** What an audited plug-in did wrong while it was used, whether or not the case looked at it. */
export interface Audit {
  /** Breaches of rules that hold for every call; sentences. */
  readonly breaches: readonly string[]
  /** A text that no error may contain from now on. */
  keepSecret(text: string): void
  /** The plug-in, watched. */
  watch<Plugin extends object>(plugin: Plugin): Plugin
}

/**
 * Watches every call through a provider or adapter: only `PluginError` may be thrown, its code and effect must be those of
 * the contract, results must be plain data, and no secret that the plug-in handed out may occur in an error, its causes
 * included.
 */
export function newAudit(): Audit {
  const breaches: string[] = []
  const secrets = new Set<string>()
  const keepSecret = (text: string) => void (text.length > 0 && secrets.add(text))
  const ended = (name: string, outcome: { readonly result: unknown } | { readonly error: unknown }) => {
    if ('error' in outcome) breaches.push(...breachesOfError(name, outcome.error, secrets))
    else {
      collectSecrets(outcome.result, keepSecret)
      if (!isPlain(outcome.result)) breaches.push(`${name} answered something that is not plain data`)
    }
  }
  return { breaches, keepSecret, watch: (plugin) => watched(plugin, '', ended) }
}

type Ended = (name: string, outcome: { readonly result: unknown } | { readonly error: unknown }) => void

function watched<Target extends object>(target: Target, path: string, ended: Ended): Target {
  return new Proxy(target, {
    get(from, property): unknown {
      const value: unknown = Reflect.get(from, property, from)
      const name = path === '' ? String(property) : `${path}.${String(property)}`
      if (typeof value === 'function')
        return (...args: unknown[]) => call(() => Reflect.apply(value, from, args), name, ended)
      if (path === '' && property !== 'limits' && isFacet(value)) return watched(value, name, ended)
      return value
    },
  })
}

/** Limits and lists are data. A facet may be an instance of a class, so that its own properties tell nothing. */
function isFacet(value: unknown): value is object {
  return isObject(value) && !Array.isArray(value)
}

async function call(run: () => unknown, name: string, ended: Ended): Promise<unknown> {
  try {
    const result = await run()
    ended(name, { result })
    return result
  } catch (error) {
    ended(name, { error })
    throw error
  }
}

function breachesOfError(name: string, error: unknown, secrets: ReadonlySet<string>): readonly string[] {
  if (!(error instanceof PluginError)) return [`${name} threw ${inspect(error, { depth: 0 })}, which is no PluginError`]
  const breaches: string[] = []
  if (!Object.hasOwn(FAILURES, error.code)) breaches.push(`${name} threw a code that is not in the registry`)
  if (error.effect !== 'none' && error.effect !== 'possible') breaches.push(`${name} threw an error without an effect`)
  const shown = inspect(error, { depth: 8 })
  if ([...secrets].some((secret) => shown.includes(secret))) breaches.push(`${name} showed a secret in an error`)
  return breaches
}

function collectSecrets(value: unknown, keep: (text: string) => void): void {
  if (!isObject(value)) return
  for (const [name, part] of Object.entries(value)) {
    if ((name === 'secret' || name === 'key') && typeof part === 'string') keep(part)
    else collectSecrets(part, keep)
  }
}

function isPlain(value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isPlain)
  return isObject(value) && Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isPlain)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
