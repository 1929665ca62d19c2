import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { CallRecord } from '../../daemons/simulator/calls.ts'
import type { Fault, Held } from '../../daemons/simulator/faults.ts'
import type { FaultControl, FaultOrder, TestSimulator } from '../../daemons/simulator/testing.ts'

/** A daemon that knows no faults, and what its methods are called before their path: `array`, `host`. */
export interface Behind {
  readonly side: string
  /** `http://HOST:PORT`. */
  readonly url: string
}

/** Stands before daemons, and lets go wrong on command what passes: the simulator's faults, for parts that have none. */
export interface HoldingProxy {
  /** Where each daemon is to be reached, in their order: `HOST:PORT`. */
  readonly addresses: readonly string[]
  readonly faults: FaultControl
  readonly calls: TestSimulator['calls']
  stop(): Promise<void>
}

const HELD_WITHIN_MS = 30_000

/** Starts one on ports of its own. Of the simulator's faults all but `stall` and `lie`, and no `match`. */
export async function startHoldingProxy(daemons: readonly Behind[]): Promise<HoldingProxy> {
  const desk = new Desk()
  const servers = daemons.map((daemon) =>
    http.createServer((request, response) => {
      // An exchange that fails has lost its caller, or its daemon: both ends see that on their line.
      exchange(desk, daemon, { request, response }).catch(() => response.destroy())
    }),
  )
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    addresses: servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`), // TCP servers that listen have one.
    faults: desk,
    calls: async ({ method, object: _object, limit = 1000 } = {}) => {
      const items = desk.records.filter((record) => method === undefined || record.method === method)
      const counts = Object.fromEntries(
        [...Map.groupBy(desk.records, (record) => record.method)].map(([name, { length }]) => [name, length]),
      )
      return { items: items.slice(-limit), counts }
    },
    stop: async () => {
      await desk.clear()
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
}

interface Exchange {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
}

interface Answer {
  readonly status: number
  readonly body: string
}

async function exchange(desk: Desk, { side, url }: Behind, { request, response }: Exchange): Promise<void> {
  const method = `${side}/${(request.url ?? '').replace(/^\/v1\//, '')}`
  const key = String(request.headers['idempotency-key'] ?? '')
  const record = desk.begin({ method, key, fence: Number(request.headers['x-fence']) })
  const body = await textOf(request)
  const fault = desk.take(method)
  if (fault?.kind === 'error-before') return send(response, refusal(fault, 'none'))
  if (fault?.kind === 'hold-before') await desk.hold({ method, key, phase: 'before' })
  const answer = await forward(`${url}${request.url ?? ''}`, request.headers, body)
  record.outcome = outcomeOf(answer)
  if (fault?.kind === 'hold-after') await desk.hold({ method, key, phase: 'after' })
  if (fault?.kind === 'lose-answer') return loseHalf(response)
  if (fault?.kind === 'timeout-after-effect') return
  send(response, fault?.kind === 'error-after' ? refusal(fault, 'possible') : answer)
}

/** On a line of its own, so that who asked may be gone. */
function forward(url: string, headers: http.IncomingHttpHeaders, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const passed = { ...headers, host: undefined, connection: undefined, 'content-length': Buffer.byteLength(body) }
    const known = Object.fromEntries(Object.entries(passed).filter(([, value]) => value !== undefined))
    const onward = http.request(url, { method: 'POST', headers: known }, (answer) => {
      textOf(answer).then((text) => resolve({ status: answer.statusCode ?? 0, body: text }), reject)
    })
    onward.on('error', reject)
    onward.end(body)
  })
}

function send(response: http.ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

/** Begins an answer and hangs up. */
function loseHalf(response: http.ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 4096 })
  response.write('{', () => response.destroy())
}

function refusal({ code }: Fault, effect: 'none' | 'possible'): Answer {
  return { status: 500, body: JSON.stringify({ error: { code, message: 'fault on command', effect } }) }
}

function outcomeOf({ status, body }: Answer): string {
  if (status === 200) return 'ok'
  const { error } = JSON.parse(body) as { readonly error?: { readonly code?: string } } // As wireServer answers.
  return error?.code ?? 'bug'
}

/** Armed faults, held calls, and what passed. */
class Desk implements FaultControl {
  readonly records: (CallRecord & { outcome: string })[] = []
  #armed: Fault[] = []
  #held: (Held & { readonly release: () => void })[] = []
  #ids = 0

  begin(call: Pick<CallRecord, 'method' | 'key' | 'fence'>): CallRecord & { outcome: string } {
    const record = { ...call, seq: this.records.length + 1, at: Date.now(), outcome: 'open' }
    this.records.push(record)
    return record
  }

  take(method: string): Fault | undefined {
    const fault = this.#armed.find((each) => each.method === method)
    this.#armed = this.#armed.filter((each) => each !== fault)
    return fault
  }

  hold(held: Omit<Held, 'id'>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held.push({ ...held, id: `held-${++this.#ids}`, release: resolve })
    return promise
  }

  async arm({ method, kind, code = 'UNAVAILABLE' }: FaultOrder): Promise<Fault> {
    const fault: Fault = { id: `fault-${++this.#ids}`, method, kind, code, count: 1 }
    this.#armed.push(fault)
    return fault
  }

  async list(): Promise<{ readonly armed: readonly Fault[]; readonly held: readonly Held[] }> {
    return { armed: this.#armed, held: this.#held }
  }

  async held(method: string): Promise<Held> {
    for (const until = Date.now() + HELD_WITHIN_MS; Date.now() < until; await pause(5)) {
      const found = this.#held.find((held) => held.method === method)
      if (found) return found
    }
    throw new Error(`no call of ${method} was held within ${HELD_WITHIN_MS} ms`)
  }

  async release(id?: string): Promise<number> {
    const released = this.#held.filter((held) => id === undefined || held.id === id)
    this.#held = this.#held.filter((held) => !released.includes(held))
    for (const held of released) held.release()
    return released.length
  }

  async clear(): Promise<void> {
    this.#armed = []
    await this.release()
  }
}
