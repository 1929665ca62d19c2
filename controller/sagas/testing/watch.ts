import type { Call, HypervisorPlugin, Mover, StoragePlugin } from '@moorage/contract'
import { moverPath } from '../../cli/movers.ts'
import type { Claim, Journal } from '../../jobs/journal.ts'
import type { PluginHostOptions } from '../../plugin-host/create.ts'
import type { Tx } from '../../store/store.ts'

/** Whether an operation goes on or is being undone. */
export type Way = 'forward' | 'undo'

/** A plug-in is about to be called for a step. */
export interface CallMoment {
  readonly operation: string
  readonly step: string
  readonly way: Way
  /** Which call of the step on this way it is, from 0; a call that is made again keeps its number. */
  readonly nth: number
  /** As the simulator names it: `array/volumes/create`, `host/disks/attach`, `mover/jobs/submit`. */
  readonly method: string
  readonly key: string
}

/** Pseudo-steps of every saga: an operation turns to undo, and ends undone. */
export const TURN = 'turn'
/** See `TURN`. */
export const END = 'end'

/** The journal is about to be written. `step`: of the saga, or `TURN` or `END`, which are commits on the way `undo`. */
export interface CommitMoment {
  readonly operation: string
  readonly step: string
  readonly way: Way
  /** Whether the operation ends with it: well on the way `forward`, undone on the way `undo`. */
  readonly ends: boolean
}

/** Stands beside a runner: it may delay, change or end what the runner is about to do. */
export interface Watch {
  /** `go` makes the call, with `deadline` (epoch milliseconds) where given. */
  call(moment: CallMoment, go: (change?: { readonly deadline: number }) => Promise<unknown>): Promise<unknown>
  commit<Result>(moment: CommitMoment, go: () => Promise<Result>): Promise<Result>
  /** Whether the runner may take anything up now. */
  readonly valve: Valve
}

/** Lets a runner take operations up, or not. */
export interface Valve {
  open(): void
  isOpen(): boolean
  /** Resolves once nothing is being taken up any more. */
  shut(): Promise<void>
  /** Takes up what `go` takes up, or nothing. */
  pass<Claimed>(go: () => Promise<readonly Claimed[]>): Promise<readonly Claimed[]>
}

/** An open one. */
export function createValve(): Valve {
  let open = true
  const passing = new Set<Promise<unknown>>()
  return {
    isOpen: () => open,
    open: () => {
      open = true
    },
    shut: async () => {
      open = false
      await Promise.allSettled(passing)
    },
    pass: async (go) => {
      if (!open) return []
      const claiming = go()
      passing.add(claiming)
      return claiming.finally(() => passing.delete(claiming))
    },
  }
}

/** How a runner's plug-in host finds and reaches movers. */
export type Movers = NonNullable<PluginHostOptions['movers']>

/** What a watched runner is made of. */
export interface Watched {
  storage(plugin: StoragePlugin): StoragePlugin
  hypervisor(plugin: HypervisorPlugin): HypervisorPlugin
  movers(movers: Movers): Movers
  journal(journal: Journal<Tx>): Journal<Tx>
}

/** Puts a watch around plug-ins and journal of one runner. */
export function watched(watch: Watch): Watched {
  const ways = new Map<string, Way>()
  const numbers = new Map<string, string[]>()
  const moment = (method: string, call: Call): CallMoment | undefined => {
    const found = /^([0-9a-f-]{36})\/([^/]+)\//.exec(call.key)
    const [, operation, step] = found ?? []
    if (operation === undefined || step === undefined) return undefined
    const way = ways.get(operation) ?? 'forward'
    const of = `${operation}/${step}/${way}`
    const keys = numbers.get(of) ?? []
    numbers.set(of, keys)
    if (!keys.includes(call.key)) keys.push(call.key)
    return { operation, step, way, nth: keys.indexOf(call.key), method, key: call.key }
  }
  const around =
    (side: 'array' | 'host' | 'mover') => (method: string, call: Call, run: (call: Call) => Promise<unknown>) => {
      const at = moment(`${side}/${method}`, call)
      return at ? watch.call(at, (change) => run(changed(call, change))) : run(call)
    }
  return {
    storage: (plugin) => ({ ...plugin, open: (endpoint) => facetsAround(plugin.open(endpoint), around('array')) }),
    hypervisor: (plugin) => ({ ...plugin, open: (endpoint) => facetsAround(plugin.open(endpoint), around('host')) }),
    movers: (movers) => ({ ...movers, connect: (endpoint) => moverAround(movers.connect(endpoint), around('mover')) }),
    journal: (journal) => watchedJournal(journal, watch, ways),
  }
}

/** The deadline of a call may move while it runs, so it is asked for each time. */
function changed(call: Call, change: { readonly deadline: number } | undefined): Call {
  const { key, signal, fence } = call
  if (change) return { key, signal, fence, deadline: change.deadline }
  return call
}

type Around = (method: string, call: Call, run: (call: Call) => Promise<unknown>) => Promise<unknown>

/** The same mover, its methods called as its daemon has them. */
function moverAround<Methods extends object>(mover: Methods, around: Around): Methods {
  const entries = Object.entries(mover).map(([name, member]: [string, unknown]): [string, unknown] => {
    if (!isMethod(member)) return [name, member]
    const path = moverPath(name as keyof Mover) // The names of a mover's methods are those of `Mover`.
    return [name, throughAround(path, member, around)]
  })
  return Object.fromEntries(entries) as Methods // The same names, and methods with the signatures of those they call.
}

/** The same facets, each of whose methods goes through `around`. */
function facetsAround<Facets extends object>(facets: Facets, around: Around): Facets {
  const entries = Object.entries(facets).map(([name, facet]: [string, unknown]) => {
    const isFacet = typeof facet === 'object' && facet !== null && Object.values(facet).some(isMethod)
    return [name, isFacet ? methodsAround(facet, name, around) : facet]
  })
  return Object.fromEntries(entries) as Facets // The same names, and methods with the signatures of those they call.
}

function methodsAround(facet: object, name: string, around: Around): object {
  const folder = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const entries = Object.entries(facet).map(([method, member]: [string, unknown]): [string, unknown] => {
    if (!isMethod(member)) return [method, member]
    return [method, throughAround(`${folder}/${method}`, member, around)]
  })
  return Object.fromEntries<unknown>(entries)
}

function throughAround(method: string, member: Method, around: Around): Method {
  return (...args) => {
    const call = args.at(-1) as Call // The last parameter of every method of the contract.
    return around(method, call, (other) => member(...args.slice(0, -1), other))
  }
}

type Method = (...args: readonly unknown[]) => Promise<unknown>

function isMethod(member: unknown): member is Method {
  return typeof member === 'function'
}

function watchedJournal(journal: Journal<Tx>, watch: Watch, ways: Map<string, Way>): Journal<Tx> {
  const known = (claims: readonly Claim[]) => {
    for (const { id, state } of claims) ways.set(id, state === 'undoing' ? 'undo' : 'forward')
    return claims
  }
  const at = (operation: string, step: string, more: { readonly way: Way; readonly ends?: true }) => ({
    operation,
    step,
    ends: false,
    ...more,
  })
  return {
    ...journal,
    submitAndClaim: (tx, submission, { node, committed, ...by }) =>
      journal.submitAndClaim(tx, submission, {
        ...by,
        ...(node !== undefined && watch.valve.isOpen() ? { node } : {}),
        committed: (claim) => {
          if (claim) known([claim])
          committed(claim)
        },
      }),
    claim: async (node, limit) => known(await watch.valve.pass(() => journal.claim(node, limit))),
    commitStep: (held, step, record) =>
      watch.commit(at(held.id, step.name, { way: 'forward' }), () => journal.commitStep(held, step, record)),
    commitLast: (held, step, work) =>
      watch.commit(at(held.id, step.name, { way: 'forward', ends: true }), () => journal.commitLast(held, step, work)),
    beginUndo: async (held, failure, calls) => {
      await watch.commit(at(held.id, TURN, { way: 'undo' }), () => journal.beginUndo(held, failure, calls))
      ways.set(held.id, 'undo')
    },
    commitUndo: (held, step, unrecord) =>
      watch.commit(at(held.id, step.name, { way: 'undo' }), () => journal.commitUndo(held, step, unrecord)),
    finish: (held, end, record) =>
      watch.commit(at(held.id, END, { way: 'undo', ends: true }), () => journal.finish(held, end, record)),
  }
}
