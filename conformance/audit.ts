import { hash } from 'node:crypto'
import { inspect } from 'node:util'
import { FAILURES, PluginError } from '@moorage/contract'

/** What an audited plug-in did wrong while it was used, whether or not the case looked at it. */
export interface Audit {
  /** Breaches of rules that hold for every call; sentences. */
  readonly breaches: readonly string[]
  /** A text that no error may contain from now on, and no result but a connection. */
  keepSecret(text: string): void
  /** Looks at an error that did not come out of a watched call. */
  look(name: string, error: unknown): void
  /** The plug-in, watched. */
  watch<Plugin extends object>(plugin: Plugin): Plugin
}

/**
 * Watches every call through a provider or adapter: only `PluginError` may be thrown, its code and effect must be those of
 * the contract (`FENCED` has changed nothing), results must be plain data, arguments must stay as they were given, and no
 * secret that the plug-in was given or handed out may occur in an error, its causes included, nor in a result other than
 * a connection.
 */
export function newAudit(): Audit {
  const breaches: string[] = []
  const secrets = new Set<string>()
  const keepSecret = (text: string) => void (text.length > 0 && secrets.add(text))
  const look = (name: string, error: unknown) => void breaches.push(...breachesOfError(name, error, secrets))
  const ended: Ended = (name, outcome) => {
    if (outcome.tampered) breaches.push(`${name} changed what it was given`)
    if ('error' in outcome) look(name, outcome.error)
    else {
      if (isConnection(outcome.result)) collectSecrets(outcome.result, keepSecret)
      else if (shows(outcome.result, secrets)) breaches.push(`${name} showed a secret in its answer`)
      if (!isPlain(outcome.result)) breaches.push(`${name} answered something that is not plain data`)
    }
  }
  return { breaches, keepSecret, look, watch: (plugin) => watched(plugin, '', ended) }
}

type Outcome = ({ readonly result: unknown } | { readonly error: unknown }) & { readonly tampered: boolean }
type Ended = (name: string, outcome: Outcome) => void

function watched<Target extends object>(target: Target, path: string, ended: Ended): Target {
  return new Proxy(target, {
    get(from, property): unknown {
      const value: unknown = Reflect.get(from, property, from)
      const name = path === '' ? String(property) : `${path}.${String(property)}`
      if (typeof value === 'function')
        return (...args: unknown[]) => call({ run: (): unknown => Reflect.apply(value, from, args), args, name }, ended)
      if (path === '' && property !== 'limits' && isFacet(value)) return watched(value, name, ended)
      return value
    },
  })
}

/** Limits and lists are data. A facet may be an instance of a class, so that its own properties tell nothing. */
function isFacet(value: unknown): value is object {
  return isObject(value) && !Array.isArray(value)
}

async function call(
  what: { readonly run: () => unknown; readonly args: readonly unknown[]; readonly name: string },
  ended: Ended,
): Promise<unknown> {
  const { run, args, name } = what
  const given = marksOf(args)
  try {
    const result = await run()
    ended(name, { result, tampered: marksOf(args) !== given })
    return result
  } catch (error) {
    ended(name, { error, tampered: marksOf(args) !== given })
    throw error
  }
}

/** A text that is another one when what was given is changed. */
function marksOf(args: readonly unknown[]): string {
  return JSON.stringify(args.map((each) => (each instanceof Uint8Array ? hash('sha256', each) : each)))
}

function breachesOfError(name: string, error: unknown, secrets: ReadonlySet<string>): readonly string[] {
  if (!(error instanceof PluginError)) return [`${name} threw ${inspect(error, { depth: 0 })}, which is no PluginError`]
  const breaches: string[] = []
  if (!Object.hasOwn(FAILURES, error.code)) breaches.push(`${name} threw a code that is not in the registry`)
  if (error.effect !== 'none' && error.effect !== 'possible') breaches.push(`${name} threw an error without an effect`)
  if (error.code === 'FENCED' && error.effect !== 'none')
    breaches.push(`${name} refused a fence and left open whether it had an effect`)
  if (error.message === '') breaches.push(`${name} threw an error without a message`)
  if (shows(error, secrets)) breaches.push(`${name} showed a secret in an error`)
  return breaches
}

/** True when a secret occurs anywhere in it, as it is or as it travels in urls and headers. */
function shows(value: unknown, secrets: ReadonlySet<string>): boolean {
  if (secrets.size === 0 || value === undefined || value instanceof Uint8Array) return false
  const shown = inspect(value, { depth: 8, showHidden: true, maxArrayLength: null, maxStringLength: null })
  const forms = [...secrets].flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('hex'),
  ])
  return forms.some((form) => shown.includes(form))
}

function isConnection(value: unknown): boolean {
  return isObject(value) && 'via' in value
}

function collectSecrets(value: unknown, keep: (text: string) => void): void {
  if (!isObject(value)) return
  for (const [name, part] of Object.entries(value)) {
    if ((name === 'secret' || name === 'key') && typeof part === 'string') keep(part)
    else collectSecrets(part, keep)
  }
}

/** Bytes, or what survives JSON. A member that is `undefined` is as good as absent; an item of a list would become `null`. */
function isPlain(value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (value instanceof Uint8Array) return true
  // `Array.from` shows the holes of a sparse list as `undefined`.
  if (Array.isArray(value)) return Array.from(value).every((item) => item !== undefined && isPlain(item))
  if (!isObject(value) || Object.getPrototypeOf(value) !== Object.prototype) return false
  return Object.getOwnPropertySymbols(value).length === 0 && Object.values(value).every(isPlain)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
