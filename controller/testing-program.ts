import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect } from 'vitest'
import { stopSimulator } from './cli/simulator-daemon.ts'
import { livePostmaster } from './store/postmaster.ts'

const MAIN = join(import.meta.dirname, 'main.ts')

/** A started program of the controller's command line. */
export interface Started {
  readonly child: ChildProcess
  /** What it has printed so far. */
  readonly out: () => string
  readonly err: () => string
  /** Sends the signal unless it has ended; answers the exit code, `null` when a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** A controller that serves, as it wrote into `ready.json`. */
export interface Serving {
  readonly pid: number
  readonly url: string
  readonly integrationUrl?: string
  readonly metricsUrl?: string
  readonly started: Started
}

/** Starts programs on a data directory that each test has to itself. */
export interface Programs {
  /** A directory of the test; removed after it. */
  readonly root: () => string
  /** Where the controllers of `serving` keep their data. */
  readonly data: () => string
  /** Runs the command line. */
  moorage(argv: readonly string[], env?: NodeJS.ProcessEnv): Started
  /** Starts a controller and waits until it serves; throws with what it printed when it does not within 30 seconds. */
  serving(...more: readonly string[]): Promise<Serving>
}

/** For a test file: hooks that end what its tests start, and fail the test that leaves a database running. */
export function usePrograms(): Programs {
  let root = ''
  const running: Started[] = []
  const data = () => join(root, 'data')
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'moorage-main-'))
  })
  afterEach(async () => {
    for (const one of running.splice(0)) await one.end('SIGTERM')
    if (existsSync(data())) await stopSimulator(data())
    expect(existsSync(join(data(), 'postgres')) ? livePostmaster(join(data(), 'postgres')) : undefined).toBeUndefined()
    rmSync(root, { recursive: true })
  })
  const moorage = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const started = start(argv, env)
    running.push(started)
    return started
  }
  const serving = (...more: readonly string[]) =>
    served(moorage(['serve', '--data', data(), '--listen', '127.0.0.1:0', ...more]), join(data(), 'ready.json'))
  return { root: () => root, data, moorage, serving }
}

/** Waits for the program to end; answers its exit code. */
export async function exitOf(started: Started): Promise<number | null> {
  if (started.child.exitCode === null) await once(started.child, 'exit')
  return started.child.exitCode
}

function start(argv: readonly string[], env: NodeJS.ProcessEnv): Started {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const [out, err]: Buffer[][] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out?.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err?.push(chunk))
  const exited = once(child, 'exit')
  return {
    child,
    out: () => Buffer.concat(out ?? []).toString(),
    err: () => Buffer.concat(err ?? []).toString(),
    end: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await exited
      return child.exitCode
    },
  }
}

async function served(started: Started, path: string): Promise<Serving> {
  for (const until = Date.now() + 30_000; Date.now() < until; await pause(20)) {
    if (started.child.exitCode !== null) break
    if (!existsSync(path)) continue
    // Written by the controller, renamed into place.
    const ready = JSON.parse(readFileSync(path, 'utf8')) as Omit<Serving, 'started'>
    if (ready.pid === started.child.pid) return { ...ready, started }
  }
  throw new Error(`the controller did not serve: ${started.out()} ${started.err()}`)
}
