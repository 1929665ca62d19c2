import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Endpoint } from '@moorage/contract'
import { wireClient } from '@moorage/wire'

export { bootDisk } from './testing/boot-disk.ts'
export { startTarget, type TestTarget } from './testing/target.ts'

/** A host daemon of one test, in a process of its own. */
export interface TestHostd {
  readonly url: string
  readonly user: string
  readonly password: string
  readonly initiator: string
  /** For the plug-in's `open`. */
  readonly endpoint: Endpoint
  readonly data: string
  /** The daemon's process now. */
  readonly pid: number
  /** Ends the daemon by the signal; machines run on. Resolves when it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts the daemon anew on the same data, address and credentials. */
  restart(): Promise<void>
  /** What the daemon has logged so far, one JSON object per line. */
  logs(): Promise<string>
  /** Stops all machines, ends the daemon, removes its directory. */
  stop(): Promise<void>
}

const MAIN = join(import.meta.dirname, 'main.ts')
const GUEST_BUILDER = join(import.meta.dirname, '../../lab/guest/build.ts')
const GUEST_CACHE = join(import.meta.dirname, '../../node_modules/.cache/moorage/images')
const READY_TIMEOUT_MS = 20_000
const SHUTDOWN_MS = 60_000

/** Name of the boot image in the directory that `guestImages` gives. */
export const GUEST_IMAGE = 'guest'

/** A directory with the lab's guest as image `guest`, built on first use and kept between runs; for `startHostd`. */
export async function guestImages(): Promise<string> {
  await promisify(execFile)(process.execPath, [GUEST_BUILDER, '--out', join(GUEST_CACHE, GUEST_IMAGE)])
  return GUEST_CACHE
}

/**
 * Starts a host daemon on a free port of 127.0.0.1 with data in a temporary directory. `images`: without it, machines have
 * no guests. `owner`: the ownership mark in `endpoint`.
 */
export async function startHostd(
  options: { readonly images?: string; readonly owner?: string } = {},
): Promise<TestHostd> {
  const data = await mkdtemp(join(tmpdir(), 'hostd-'))
  const credentials = { user: 'hostd', password: 'hostd-test-password' }
  const file = join(data, 'credentials.json')
  await writeFile(file, JSON.stringify(credentials), { mode: 0o600 })
  const initiator = `iqn.2026-01.moorage.test:${data.slice(-6).toLowerCase()}`
  const images = options.images === undefined ? [] : ['--images', options.images]
  const start = async (listen: string) => {
    const args = [MAIN, '--data', data, '--listen', listen, '--credentials', file, '--initiator', initiator, ...images]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.pipe(createWriteStream(join(data, 'hostd.log'), { flags: 'a' }))
    return { child, url: await readyUrl(data, child) }
  }
  let current = await start('127.0.0.1:0')
  const { url } = current
  const kill = (signal: NodeJS.Signals) => ended(current.child, signal)
  const owner = options.owner ?? 'test'
  return {
    url,
    ...credentials,
    initiator,
    endpoint: { url: url.replace('http:', 'qemu:'), settings: credentials, owner },
    data,
    get pid() {
      return current.child.pid ?? 0
    },
    kill,
    restart: async () => {
      current = await start(url.replace('http://', ''))
    },
    logs: () => readFile(join(data, 'hostd.log'), 'utf8'),
    stop: async () => {
      if (current.child.exitCode !== null || current.child.signalCode !== null)
        current = await start(url.replace('http://', ''))
      const call = {
        key: 'stop',
        fence: 0,
        deadline: Date.now() + SHUTDOWN_MS,
        signal: AbortSignal.timeout(SHUTDOWN_MS),
      }
      await wireClient({ url, ...credentials })('host/shutdown', {}, call)
      await kill('SIGTERM')
      await rm(data, { recursive: true })
    },
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}

/** The address that this very process wrote when it was ready. */
async function readyUrl(data: string, child: ChildProcess): Promise<string> {
  const until = Date.now() + READY_TIMEOUT_MS
  while (Date.now() < until && child.exitCode === null) {
    const text = await readFile(join(data, 'ready.json'), 'utf8').catch(() => '{}')
    const ready = JSON.parse(text) as { readonly pid?: number; readonly url?: string } // hostd writes it whole or not at all.
    if (ready.pid === child.pid && ready.url !== undefined) return ready.url
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
  child.kill('SIGKILL')
  const log = await readFile(join(data, 'hostd.log'), 'utf8').catch(() => '')
  throw new Error(`hostd did not become ready: ${log.slice(-2000)}`)
}
