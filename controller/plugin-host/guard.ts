import { asPluginError, type Call, PluginError } from '@moorage/contract'
import type { CallRecord } from '../jobs/saga.ts'
import { inSpan } from '../telemetry/trace.ts'
import { checkAnswer } from './answers.ts'
import type { CallLog, CallObserver } from './plugin-host.ts'

/** Whose calls are guarded, and where they are logged. */
export interface Guarded {
  /** `pool:ID` or `host:ID`. */
  readonly target: string
  /** Name of the plug-in. */
  readonly plugin: string
  readonly log: CallLog
  readonly observe?: CallObserver
}

/**
 * The same provider or adapter, of which every method of the named facets ends by its deadline, throws `PluginError` only,
 * answers what it was asked, and leaves a record in the log.
 */
export function guard<Facets extends object>(facets: Facets, names: readonly string[], by: Guarded): Facets {
  const guarded = new Proxy(STAND_IN, {
    get(_standIn, name) {
      const facet: unknown = Reflect.get(facets, name)
      return typeof name === 'string' && names.includes(name) && isObject(facet) ? guardFacet(facet, name, by) : facet
    },
  })
  // Every property is answered from `facets`, and a wrapped method has the signature of the one it wraps.
  return guarded as Facets
}

/** A proxy of a frozen object may not answer anything but the object's own members, so nobody's object is proxied. */
const STAND_IN = {}

function guardFacet(facet: object, facetName: string, by: Guarded): object {
  return new Proxy(STAND_IN, {
    get(_standIn, name) {
      const member: unknown = Reflect.get(facet, name)
      if (typeof member !== 'function' || typeof name !== 'string') return member
      const run = async (args: readonly unknown[]): Promise<unknown> => await Reflect.apply(member, facet, args)
      return async (...args: readonly unknown[]) => guardCall(() => run(args), `${facetName}.${name}`, { args, by })
    },
  })
}

async function guardCall(
  run: () => Promise<unknown>,
  method: string,
  options: { readonly args: readonly unknown[]; readonly by: Guarded },
): Promise<unknown> {
  const { args, by } = options
  const call = args.at(-1)
  if (!isCall(call)) throw new TypeError(`${method} is called without a Call`)
  const began = Date.now()
  const record = { target: by.target, method, key: call.key, fence: call.fence, began }
  const end = (outcome: string, more: Pick<CallRecord, 'effect' | 'message'> = {}) => {
    const ms = Date.now() - began
    by.log({ ...record, ms, outcome, ...more })
    by.observe?.({ plugin: by.plugin, method, outcome }, ms / 1000)
  }
  const { plugin, target } = by
  const work = { name: `${plugin} ${method}`, kind: 'client', fields: { plugin, method, target } } as const
  return await inSpan(work, async () => {
    try {
      const answer = await inTime(run, method, call)
      checkAnswer(method, answer, args)
      end('ok')
      return answer
    } catch (thrown) {
      const error = asPluginError(thrown)
      const { code, effect, message } = error
      end(code, { effect, message })
      throw error
    }
  })
}

/** A promise that never settles must not hold a step: at the deadline the caller goes on, the effect unknown to it. */
async function inTime(run: () => Promise<unknown>, method: string, call: Call): Promise<unknown> {
  const left = call.deadline - Date.now()
  if (left <= 0 || call.signal.aborted) throw new PluginError('TIMEOUT', `${method}: no time left to begin`, 'none')
  const { promise: late, reject } = Promise.withResolvers<never>()
  const giveUp = () => reject(new PluginError('TIMEOUT', `${method}: no answer within the deadline`, 'possible'))
  const timer = setTimeout(giveUp, left)
  call.signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([run(), late])
  } finally {
    clearTimeout(timer)
    call.signal.removeEventListener('abort', giveUp)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isCall(value: unknown): value is Call {
  return isObject(value) && 'deadline' in value && 'signal' in value && 'key' in value && 'fence' in value
}
