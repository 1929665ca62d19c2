import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Call, Endpoint } from '@moorage/contract'
import { eventually, failureOf, isUnsettled } from './check.ts'
import { type Opened, withAuthority } from './plugin.ts'
import { NotApplicable } from './runner.ts'

const SOON_MS = 10_000

/** A call that is not answered ends when its time is up: how much may be missing at the end. */
const EARLY_MS = 50

/** Something that changes the back end, tried over a line that loses its answer. */
export interface LostChange<Bound> {
  readonly what: string
  run(bound: Bound, call: Call): Promise<unknown>
  /** Whether it has come about, seen over another line. */
  came(): Promise<boolean>
}

/** Fails unless a back end that takes connections and never answers ends a call in TIMEOUT when its time is up. */
export async function checkSilent<Bound extends object>(
  { plugin, endpoint }: Opened<Bound>,
  options: {
    readonly call: (options: CallTime) => Call
    readonly report: (bound: Bound, call: Call) => Promise<unknown>
  },
): Promise<void> {
  const line = await listening(() => undefined)
  try {
    const bound = await plugin.open({ ...endpoint, url: withAuthority(endpoint.url, line.authority) })
    const began = Date.now()
    const error = await failureOf(within(SOON_MS, options.report(bound, options.call({ withinMs: 300 }))))
    assert.equal(error?.code, 'TIMEOUT')
    assert.ok(Date.now() - began >= 300 - EARLY_MS, 'it gave up before the time was up')
  } finally {
    line.close()
  }
}

/** Fails unless a caller that gives up on a back end that never answers is free at once. */
export async function checkGivingUp<Bound extends object>(
  { plugin, endpoint }: Opened<Bound>,
  options: {
    readonly call: (options: CallTime) => Call
    readonly report: (bound: Bound, call: Call) => Promise<unknown>
  },
): Promise<void> {
  const giveUp = new AbortController()
  const line = await listening(() => giveUp.abort())
  try {
    const bound = await plugin.open({ ...endpoint, url: withAuthority(endpoint.url, line.authority) })
    const error = await failureOf(within(SOON_MS, options.report(bound, options.call({ signal: giveUp.signal }))))
    assert.equal(error?.code, 'TIMEOUT')
  } finally {
    line.close()
  }
}

interface CallTime {
  readonly withinMs?: number
  readonly signal?: AbortSignal
}

/**
 * Tries each change over a line that loses the answer to it. Fails when the plug-in says that there was no effect and there
 * was one, when the line is not made anew, or when asking again does not settle it.
 */
export async function checkLostAnswers<Bound extends object>(
  { plugin, endpoint }: Opened<Bound>,
  options: {
    readonly call: (options: CallTime) => Call
    readonly watch: (bound: Bound) => Bound
    readonly report: (bound: Bound, call: Call) => Promise<unknown>
    readonly changes: readonly LostChange<Bound>[]
  },
): Promise<void> {
  const { call, watch, report, changes } = options
  const line = await lossyLine(endpoint)
  try {
    const bound = watch(await plugin.open({ ...endpoint, url: withAuthority(endpoint.url, line.authority) }))
    for (const { what, run, came } of changes) {
      // Whoever logs in has done so before the answer of the change.
      await eventually('the line', SOON_MS, () => settles(report(bound, call({}))))
      line.lose()
      const error = await failureOf(within(SOON_MS, run(bound, call({ withinMs: 2000 }))))
      if (error) {
        assert.ok(['UNAVAILABLE', 'TIMEOUT'].includes(error.code), `${what}: ${error.code}`)
        if (error.effect === 'none') assert.equal(await came(), false, `${what} said that it had no effect`)
      }
      line.mend()
      await eventually(`${what} asked again`, SOON_MS, () => settles(run(bound, call({}))))
      assert.ok(await came(), `${what} has not come about`)
    }
  } finally {
    line.close()
  }
}

/** False for a failure after which one may ask again; other failures are thrown. */
async function settles(work: Promise<unknown>): Promise<boolean> {
  const error = await failureOf(work)
  if (error && !isUnsettled(error)) throw error
  return error === undefined
}

async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `no end within ${ms} ms` })), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

interface Line {
  /** `host:port` in place of the back end's own. */
  readonly authority: string
  close(): void
}

/** A listener that takes whatever comes. */
async function listening(came: (socket: Socket) => void): Promise<Line> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    came(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    authority: `127.0.0.1:${port}`,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

interface LossyLine extends Line {
  /** From now on no answer is passed on: where one comes, the line ends. */
  lose(): void
  mend(): void
}

async function lossyLine(endpoint: Endpoint): Promise<LossyLine> {
  const at = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@]*@)?([^/:]+):(\d+)/i.exec(endpoint.url)
  if (!at) throw new NotApplicable('the url names no port')
  const [, host = '', port = ''] = at
  const state = { lossy: false }
  const far = new Set<Socket>()
  const line = await listening((near) => {
    const socket = connect(Number(port), host)
    far.add(socket)
    socket.on('error', () => near.destroy()).on('close', () => near.destroy())
    near.on('close', () => socket.destroy())
    near.pipe(socket)
    socket.on('data', (data) => {
      if (state.lossy) near.destroy()
      else near.write(data)
    })
  })
  return {
    authority: line.authority,
    lose: () => void (state.lossy = true),
    mend: () => void (state.lossy = false),
    close() {
      line.close()
      for (const socket of far) socket.destroy()
    },
  }
}
