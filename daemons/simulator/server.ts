import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'
import { type Call, PluginError } from '@moorage/contract'
import { type Method, moverClaims, wireServer } from '@moorage/wire'
import { ARRAY_METHODS, arrayClaims, type ArrayMethod } from './array/methods.ts'
import { arrayRequest, defineArray } from './array/array.ts'
import { Calls } from './calls.ts'
import { type Fields, fields } from './check.ts'
import { CONSOLE_METHODS } from './console.ts'
import { Faults } from './faults.ts'
import { claim } from './fences.ts'
import { defineHost, hostRequest } from './host/host.ts'
import { HOST_METHODS, type HostMethod } from './host/methods.ts'
import { IO_METHODS } from './io.ts'
import { fetchFor } from './mover/jobs.ts'
import { inspectMovers, MOVER_METHODS } from './mover/methods.ts'
import type { MoverRequest } from './mover/mover.ts'
import type { Store } from './store.ts'

/** What a simulator needs to serve. */
export interface SimulatorOptions {
  readonly store: Store
  readonly user: string
  readonly password: string
  /** Told of errors that are bugs of the simulator. */
  onBug(error: unknown): void
}

/** Answers at once: every method of the simulated world runs to its end within one turn of the event loop. */
type Handler = (args: Fields, call: Call) => { readonly claim: () => void; readonly run: () => unknown }

/**
 * The simulator's HTTP server, not yet listening: arrays under `array/`, hosts under `host/`, the data path under `io/`,
 * `arrays/define`, `hosts/define`, `console/`, `faults/` and `calls/`, and a mover where a mover's own daemon has its
 * methods; faults and calls know these under `mover/`. Each call is one transaction; faults strike everything but `faults/`
 * and `calls/`.
 */
export function simulatorServer(options: SimulatorOptions): ReturnType<typeof wireServer> {
  const lines = new AsyncLocalStorage<Socket>()
  const calls = new Calls()
  const faults = new Faults()
  const server = wireServer({
    methods: { ...worldMethods(options.store, { lines, calls, faults }), ...controlMethods(calls, faults) },
    user: options.user,
    password: options.password,
    onBug: (error) => options.onBug(error),
  })
  server.addHook('preHandler', (request, _reply, done) => lines.run(request.raw.socket, done))
  server.addHook('onClose', () => {
    faults.clear()
  })
  return server
}

interface World {
  readonly lines: AsyncLocalStorage<Socket>
  readonly calls: Calls
  readonly faults: Faults
}

function worldMethods(store: Store, world: World): Record<string, Method> {
  const plain = (run: (store: Store, args: Fields) => unknown): Handler => {
    return (args) => ({ claim: () => undefined, run: () => run(store, args) })
  }
  const handlers = new Map<string, Handler>([
    ['arrays/define', plain(defineArray)],
    ['hosts/define', plain(defineHost)],
    ['movers/inspect', plain(inspectMovers)],
    ...Object.entries({ ...IO_METHODS, ...CONSOLE_METHODS }).map(([name, run]) => [name, plain(run)] as const),
    ...Object.entries(ARRAY_METHODS).map(([name, method]) => [`array/${name}`, arrayHandler(store, method)] as const),
    ...Object.entries(HOST_METHODS).map(([name, method]) => [`host/${name}`, hostHandler(store, method)] as const),
  ])
  const movers = Object.entries(MOVER_METHODS).map(([path, run]) => {
    return [
      path,
      served(`mover/${path}`, { store, world, handler: moverHandler({ store, world, path }, run) }),
    ] as const
  })
  const others = [...handlers].map(([name, handler]) => [name, served(name, { store, world, handler })] as const)
  return Object.fromEntries([...others, ...movers])
}

function moverHandler(
  { store, world, path }: { readonly store: Store; readonly world: World; readonly path: string },
  run: (request: MoverRequest) => unknown,
): Handler {
  return (args, call) => ({
    claim: () => {
      const claims = moverClaims(path, args)
      claim(
        store,
        claims.map((object) => ({ object: `mover/${object}`, number: call.fence, raises: true })),
      )
    },
    run: () => run({ store, args, call, befalls: (task) => world.faults.befalls('mover/work', fields(task, 'task')) }),
  })
}

function arrayHandler(store: Store, method: ArrayMethod): Handler {
  return (args, call) => ({
    claim: () => claim(store, arrayClaims(method, arrayRequest(store, args, call))),
    run: () => method.run(arrayRequest(store, args, call)),
  })
}

function hostHandler(store: Store, method: HostMethod): Handler {
  return (args, call) => ({
    claim: () => claim(store, method.claims?.(hostRequest(store, args, call)) ?? []),
    run: () => method.run(hostRequest(store, args, call)),
  })
}

function served(
  name: string,
  { store, world, handler }: { readonly store: Store; readonly world: World; readonly handler: Handler },
): Method {
  return async (args: Fields, call: Call) => {
    const ended = world.calls.begin(name, args, call)
    const socket = world.lines.getStore()
    if (!socket) throw new Error('a call came without its line')
    // What comes from elsewhere is waited for before, not in the transaction.
    if (name === 'mover/jobs/get') await fetchFor(store, args)
    const once = handler(args, call)
    // Claims are committed apart, so that they stay when the call is refused later on.
    const real = () => {
      store.transaction(once.claim)
      return store.transaction(once.run)
    }
    try {
      const run = { real, pretended: () => store.pretend(once.run) }
      const result = await world.faults.around({ method: name, args, call, socket }, run)
      ended('ok')
      return result
    } catch (error) {
      ended(error instanceof PluginError ? error.code : 'bug')
      throw error
    }
  }
}

function controlMethods(calls: Calls, faults: Faults): Record<string, Method> {
  return {
    'faults/arm': async (args: Fields) => faults.arm(args),
    'faults/list': async () => faults.list(),
    'faults/clear': async () => faults.clear(),
    'faults/release': async (args: Fields) => faults.release(args),
    'calls/list': async (args: Fields) => calls.list(args),
    'calls/clear': async () => calls.clear(),
  }
}
