import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Endpoint } from '@moorage/contract'
import { freePort } from '@moorage/wire/testing'
import { mounts } from './engine/mounts.ts'

export { bench, BENCH_INITIATOR, openDisk, startLoad } from './initiator.ts'
export { SAN_LIMITS } from './qos/limits.ts'

/** A SAN of a test: its own process, in a directory and on ports of its own. Needs root. */
export interface TestSan {
  readonly data: string
  readonly url: string
  readonly user: string
  readonly password: string
  /** `host:port`. */
  readonly portal: string
  /** For the `linux-san` plug-in. */
  readonly endpoint: Endpoint
  /** Pids of the daemons as they are now. */
  daemons(): Promise<{ readonly san: number; readonly tgtd: number; readonly qsd: number }>
  /** Kills the SAN daemon alone with SIGKILL; what serves goes on. */
  kill(): Promise<void>
  /** Ends the SAN with SIGTERM; the data stays. Throws when it does not end with 0, or leaves a process or a mount. */
  terminate(): Promise<void>
  /** Starts the SAN anew over the same data. */
  start(): Promise<void>
  /** Terminates it and removes the directory. */
  stop(): Promise<void>
}

const START_MS = 30_000
const STOP_MS = 30_000

/** Starts a SAN of a test and waits until it serves. `iops` and `poolBytes` as on its command line. */
export async function startTestSan(
  options: { readonly iops?: number; readonly poolBytes?: number } = {},
): Promise<TestSan> {
  const { iops = 10_000, poolBytes = 64 * 1024 ** 3 } = options
  const data = await mkdtemp(join(tmpdir(), 'san-'))
  const portal = `127.0.0.1:${await freePort()}`
  const listen = `127.0.0.1:${await freePort()}`
  const [user, password] = ['tester', randomBytes(12).toString('base64url')]
  const credentials = join(data, 'credentials')
  await writeFile(credentials, JSON.stringify({ user, password }), { mode: 0o600 })
  const limits = ['--iops', String(iops), '--pool-bytes', String(poolBytes)]
  const places = ['--data', data, '--listen', listen, '--portal', portal, '--credentials', credentials]
  const process = new SanProcess(data, [...places, ...limits])
  try {
    await process.start()
  } catch (error) {
    await rm(data, { recursive: true })
    throw error
  }
  const endpoint = { url: `linux-san://${listen}/pool1`, settings: { user, password }, owner: randomUUID() }
  return {
    data,
    url: `http://${listen}`,
    user,
    password,
    portal,
    endpoint,
    daemons: () => process.daemons(),
    kill: () => process.end('SIGKILL'),
    terminate: () => process.terminate(),
    start: () => process.start(),
    stop: async () => {
      await process.terminate()
      await rm(data, { recursive: true })
    },
  }
}

class SanProcess {
  readonly #data: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  constructor(data: string, args: readonly string[]) {
    this.#data = data
    this.#args = args
  }

  async start(): Promise<void> {
    const log = await open(join(this.#data, 'san.log'), 'a', 0o600)
    const main = fileURLToPath(new URL('main.ts', import.meta.url))
    const child = spawn(process.execPath, [main, ...this.#args], { stdio: ['ignore', 'ignore', log.fd] })
    await log.close()
    this.#child = child
    const deadline = Date.now() + START_MS
    while (!(await this.#isReady(child.pid))) {
      if (child.exitCode !== null) throw new Error(`the SAN ended at its start:\n${await this.#logTail()}`)
      if (Date.now() > deadline) {
        child.kill('SIGKILL')
        throw new Error(`the SAN does not serve after ${START_MS} ms:\n${await this.#logTail()}`)
      }
      await pause(10)
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    child.kill(signal)
    await ended
    clearTimeout(killer)
  }

  async terminate(): Promise<void> {
    const running = this.#child?.exitCode === null && this.#child.signalCode === null
    // One that was killed left its daemons running: only a new one takes them down in order.
    if (!running) await this.start()
    await this.end('SIGTERM')
    const { exitCode, signalCode } = this.#child ?? {}
    if (exitCode !== 0) throw new Error(`the SAN ended with ${exitCode ?? signalCode}:\n${await this.#logTail()}`)
    const left = [...(await this.#processes()).map(({ text }) => text), ...(await this.#mounts())]
    if (left.length > 0) throw new Error(`the SAN left behind ${left.length}, as ${left[0]}\n${await this.#logTail()}`)
  }

  async daemons(): Promise<{ readonly san: number; readonly tgtd: number; readonly qsd: number }> {
    const san = this.#child?.pid
    if (san === undefined) throw new Error('the SAN daemon does not run')
    // One that died is on its way back. Never a number that stands for no process: 0 would be whoever kills it.
    for (const until = Date.now() + START_MS; Date.now() < until; await pause(50)) {
      const all = await this.#processes()
      const pidOf = (name: string) => all.find(({ text }) => text.includes(name))?.pid
      const [tgtd, qsd] = [pidOf('tgtd '), pidOf('qemu-storage-daemon ')]
      if (tgtd !== undefined && qsd !== undefined) return { san, tgtd, qsd }
    }
    throw new Error('tgtd and qemu-storage-daemon do not both run')
  }

  async #isReady(pid: number | undefined): Promise<boolean> {
    const text = await readFile(join(this.#data, 'ready.json'), 'utf8').catch(() => '')
    return text !== '' && (JSON.parse(text) as { pid: number }).pid === pid // Written by the daemon.
  }

  async #processes(): Promise<readonly { readonly pid: number; readonly text: string }[]> {
    const found: { pid: number; text: string }[] = []
    for (const name of await readdir('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid)) continue
      const text = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
      if (text.includes(`${this.#data}/`)) found.push({ pid, text })
    }
    return found
  }

  async #mounts(): Promise<readonly string[]> {
    return (await mounts()).map(({ point }) => point).filter((point) => point.startsWith(`${this.#data}/`))
  }

  async #logTail(): Promise<string> {
    return (await readFile(join(this.#data, 'san.log'), 'utf8').catch(() => '')).split('\n').slice(-20).join('\n')
  }
}
