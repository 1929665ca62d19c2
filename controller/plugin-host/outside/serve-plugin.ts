import {
  type Effect,
  type Endpoint,
  type FailureCode,
  FAILURES,
  type HypervisorPlugin,
  type StoragePlugin,
} from '@moorage/contract'
import { FACETS } from '../facets.ts'
import type { Frames } from './frames.ts'
import type { Reply, Request, Shape } from './messages.ts'

type Opened = Readonly<Record<string, unknown>>

/** Answers what the controller asks of a plug-in in this process. Says first what the plug-in is. */
export function servePlugin(
  plugin: StoragePlugin | HypervisorPlugin,
  frames: Frames,
): (message: Readonly<Record<string, unknown>>) => void {
  const opened = new Map<number, Opened>()
  const running = new Map<number, AbortController>()
  const send = (reply: Reply) => frames.send(reply)
  const open = (handle: number, endpoint: Endpoint): Shape => {
    // Read by the names of facets only; a provider may be an instance of a class.
    const bound = plugin.open(endpoint) as object as Opened
    opened.set(handle, bound)
    return shapeOf(bound, FACETS[plugin.kind])
  }
  const { open: _, ...manifest } = plugin
  send({ kind: 'ready', manifest })
  return (message) => {
    const request = message as unknown as Request // The controller is trusted with what it sends.
    if (request.kind === 'ping') send({ kind: 'pong' })
    else if (request.kind === 'cancel') running.get(request.id)?.abort()
    else if (request.kind === 'close') opened.delete(request.handle)
    else if (request.kind === 'open') {
      void reply(send, request.id, async () => open(request.handle, request.endpoint))
    } else {
      const controller = new AbortController()
      running.set(request.id, controller)
      const work = async () => invoke(opened.get(request.handle), request, controller.signal)
      void reply(send, request.id, work).finally(() => running.delete(request.id))
    }
  }
}

async function invoke(
  bound: Opened | undefined,
  request: Extract<Request, { readonly kind: 'call' }>,
  signal: AbortSignal,
): Promise<unknown> {
  const facet = bound?.[request.facet]
  const method: unknown = isObject(facet) ? Reflect.get(facet, request.method) : undefined
  if (typeof method !== 'function') throw new TypeError(`there is no ${request.facet}.${request.method}`)
  const answer: unknown = await Reflect.apply(method, facet, [
    ...request.args.map(([value]) => value),
    { ...request.call, signal },
  ])
  if (!isPlain(answer)) throw new TypeError(`${request.facet}.${request.method} answered what is no plain data`)
  return answer
}

async function reply(send: (reply: Reply) => void, id: number, work: () => Promise<unknown>): Promise<void> {
  try {
    send({ kind: 'answer', id, value: await work() })
  } catch (thrown) {
    send({ kind: 'failure', id, ...failureOf(thrown) })
  }
}

/**
 * Code, message and effect of what was thrown. Causes stay here: nobody knows what a client library keeps in its errors. A
 * `PluginError` is known by its members, since a package may bring a copy of the contract of its own.
 */
function failureOf(thrown: unknown): {
  readonly code: FailureCode
  readonly message: string
  readonly effect: Effect
} {
  if (thrown instanceof Error && thrown.name === 'PluginError' && 'code' in thrown && 'effect' in thrown) {
    const { code, effect, message } = thrown
    if (isCode(code) && (effect === 'none' || effect === 'possible')) return { code, message: cut(message), effect }
  }
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  return { code: 'INTERNAL', message: cut(`unexpected: ${text}`), effect: 'possible' }
}

const LONGEST_MESSAGE = 10_000

function cut(text: string): string {
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}...` : text
}

function isCode(code: unknown): code is FailureCode {
  return typeof code === 'string' && Object.hasOwn(FAILURES, code)
}

function shapeOf(bound: Opened, facetNames: readonly string[]): Shape {
  const facets = facetNames.flatMap((name) => {
    const facet = bound[name]
    return isObject(facet) ? [[name, facetShape(facet)] as const] : []
  })
  const data = Object.fromEntries(['limits', 'accepts'].flatMap((name) => (name in bound ? [[name, bound[name]]] : [])))
  return { data, facets: Object.fromEntries(facets) }
}

function facetShape(facet: object): Shape['facets'][string] {
  const members = namesOf(facet).map((name): readonly [string, unknown] => [name, Reflect.get(facet, name)])
  return {
    methods: members.flatMap(([name, value]) => (typeof value === 'function' ? [name] : [])),
    data: Object.fromEntries(members.filter(([, value]) => typeof value !== 'function' && isPlain(value))),
  }
}

/** Names of members, of the classes that it is an instance of included. */
function namesOf(facet: object): readonly string[] {
  const prototype: unknown = Object.getPrototypeOf(facet)
  const inherited = isObject(prototype) && prototype !== Object.prototype ? namesOf(prototype) : []
  return [...new Set([...Object.getOwnPropertyNames(facet), ...inherited])].filter((name) => name !== 'constructor')
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
