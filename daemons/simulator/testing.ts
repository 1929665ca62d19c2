import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Call, Endpoint, FailureCode, MoverJob } from '@moorage/contract'
import { wireClient } from '@moorage/wire'
import type { CallRecord } from './calls.ts'
import type { Fault, FaultKind, Held } from './faults.ts'

const START_MS = 20_000

/** A fault to arm: as `Fault`, with `code` UNAVAILABLE and `count` 1 where absent. */
export interface FaultOrder {
  readonly method: string
  readonly kind: FaultKind
  readonly code?: FailureCode
  readonly count?: number
  /** Strikes only calls whose arguments contain this, at any depth: `{ spec: { id } }`. */
  readonly match?: object
}

/** Faults on command: see `FAULT_KINDS` for what each kind does. */
export interface FaultControl {
  arm(order: FaultOrder): Promise<Fault>
  list(): Promise<{ readonly armed: readonly Fault[]; readonly held: readonly Held[] }>
  /** Waits until a call is held inside the simulator, at most 10 s. */
  held(method: string): Promise<Held>
  /** Lets one held call go, or all; answers how many. */
  release(held?: string): Promise<number>
  /** Disarms everything and lets every held call go. */
  clear(): Promise<void>
}

/** What a mover has not put away. */
export interface MoverHoldings {
  readonly jobs: readonly MoverJob[]
  /** Jobs that may still write into an archive: collections wait for them. */
  readonly writers: readonly string[]
}

/** A simulator in a process of its own. */
export interface TestSimulator {
  /** `http://127.0.0.1:PORT`; another one after `restart`. */
  readonly url: string
  readonly user: string
  readonly password: string
  readonly folder: string
  readonly pid: number
  readonly faults: FaultControl
  /** Endpoint of an array for `simulatorStorage.open`; the array comes into being with the first call. */
  storageEndpoint(array: string, owner?: string): Endpoint
  /** Endpoint of a host for `simulatorHypervisor.open`; the host comes into being with the first call. */
  hostEndpoint(host: string, owner?: string): Endpoint
  /** Endpoint of its mover, as of a mover's own daemon. */
  moverEndpoint(owner?: string): Endpoint
  moverHoldings(): Promise<MoverHoldings>
  /** Any method of the daemon, as `io/session` or `arrays/define`; throws `PluginError` only. */
  send<Result>(method: string, args: object): Promise<Result>
  /** The latest calls and the counts by method; see `calls/list`. */
  calls(filter?: { readonly method?: string; readonly object?: string; readonly limit?: number }): Promise<{
    readonly items: readonly CallRecord[]
    readonly counts: Readonly<Record<string, number>>
  }>
  /** Ends the process with SIGKILL and waits until it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same folder and the same port, after `kill` or instead of it. */
  restart(): Promise<void>
  /** Stops it with SIGTERM, checks that it ended cleanly, and removes the folder. */
  stop(): Promise<void>
}

/**
 * Starts a simulator on an ephemeral port of 127.0.0.1, in a temporary folder that `stop` removes. Takes about 0.3 s.
 * `owner` of endpoints is one made for this simulator unless another is given.
 */
export async function startSimulator(): Promise<TestSimulator> {
  const folder = mkdtempSync(path.join(tmpdir(), 'moorage-simulator-'))
  const credentials = { user: 'simulator', password: randomUUID() }
  const file = path.join(folder, 'credentials.json')
  writeFileSync(file, JSON.stringify(credentials), { mode: 0o600 })
  const installation = randomUUID()
  let running = await launch({ folder, file, listen: '127.0.0.1:0' })
  let client = wireClient({ url: running.url, ...credentials })
  const send = <Result>(method: string, args: object) => client<Result>(method, args, newCall())
  const endpoint = (name: string, owner = installation) => {
    return { url: `${running.url.replace(/^http/, 'simulator')}/${name}`, settings: credentials, owner }
  }
  return {
    get url() {
      return running.url
    },
    get pid() {
      return running.pid
    },
    ...credentials,
    folder,
    faults: faultControl(send),
    storageEndpoint: endpoint,
    hostEndpoint: endpoint,
    moverEndpoint: (owner = installation) => ({ url: running.url, settings: credentials, owner }),
    moverHoldings: () => send('movers/inspect', {}),
    send,
    calls: (filter = {}) => send('calls/list', filter),
    kill: () => end(running, 'SIGKILL').then(() => undefined),
    async restart() {
      await end(running, 'SIGKILL')
      running = await launch({ folder, file, listen: new URL(running.url).host })
      client = wireClient({ url: running.url, ...credentials })
    },
    async stop() {
      const killed = running.child.signalCode === 'SIGKILL'
      const code = await end(running, 'SIGTERM')
      rmSync(folder, { recursive: true, force: true })
      if (code !== 0 && !killed) throw new Error(`the simulator ended with ${code}: ${running.log()}`)
    },
  }
}

interface Running {
  readonly child: ChildProcess
  readonly pid: number
  readonly url: string
  log(): string
}

async function launch(options: { folder: string; file: string; listen: string }): Promise<Running> {
  const main = path.join(import.meta.dirname, 'main.ts')
  const data = path.join(options.folder, 'data')
  const ready = path.join(data, 'ready.json')
  rmSync(ready, { force: true })
  const args = [main, '--data', data, '--listen', options.listen, '--credentials', options.file]
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => lines.push(chunk))
  const log = () => Buffer.concat(lines).toString().slice(-4000)
  for (const until = Date.now() + START_MS; Date.now() < until; await pause(10)) {
    if (child.exitCode !== null) throw new Error(`the simulator ended with ${child.exitCode}: ${log()}`)
    const found = readReady(ready)
    if (found) return { child, ...found, log }
  }
  child.kill('SIGKILL')
  throw new Error(`the simulator did not serve within ${START_MS} ms: ${log()}`)
}

function readReady(file: string): { readonly pid: number; readonly url: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { pid: number; url: string } // Written by the daemon's main.
  } catch {
    return undefined
  }
}

async function end({ child }: Running, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
  return child.exitCode
}

function faultControl(send: TestSimulator['send']): FaultControl {
  const list: FaultControl['list'] = () => send('faults/list', {})
  return {
    arm: (order) => send('faults/arm', order),
    list,
    async held(method) {
      for (const until = Date.now() + 10_000; Date.now() < until; await pause(5)) {
        const found = (await list()).held.find((held) => held.method === method)
        if (found) return found
      }
      throw new Error(`no call of ${method} was held within 10 s`)
    },
    release: async (held) => (await send<{ released: number }>('faults/release', held ? { held } : {})).released,
    clear: async () => void (await send('faults/clear', {})),
  }
}

function newCall(): Call {
  return { key: randomUUID(), fence: 0, deadline: Date.now() + 30_000, signal: new AbortController().signal }
}
