import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Connection } from '@moorage/contract'
import { pause } from '../deadline.ts'

const run = promisify(execFile)
const CHAP = { user: 'tenant', secret: 'twelve-chars-or-more' }
const IQN = 'iqn.2026-01.moorage.test:array'
const START_TIMEOUT_MS = 10_000

/** A plain tgtd of one test, with one target whose LUNs are files, CHAP and an initiator list. */
export class TestTarget {
  readonly #directory: string
  readonly #portal: string
  readonly #initiator: string
  readonly #luns: readonly number[]
  #daemon: ChildProcess | undefined

  constructor(options: { directory: string; portal: string; initiator: string; luns: readonly number[] }) {
    this.#directory = options.directory
    this.#portal = options.portal
    this.#initiator = options.initiator
    this.#luns = options.luns
  }

  /** File behind LUN 1, 2, ... */
  file(lun: number): string {
    return join(this.#directory, `lun${lun}`)
  }

  /** How the admitted initiator reaches a LUN. */
  connection(lun: number): Extract<Connection, { via: 'iscsi' }> {
    return { via: 'iscsi', portal: this.#portal, iqn: IQN, lun, initiator: this.#initiator, chap: CHAP }
  }

  /** Initiator names of the sessions that tgtd has now. */
  async sessions(): Promise<readonly string[]> {
    const listing = await this.#tgtadm('--mode conn --op show --tid 1')
    return [...listing.matchAll(/Initiator: (\S+)/g)].map((found) => found[1] ?? '')
  }

  /** SIGKILLs tgtd. */
  async kill(): Promise<void> {
    const daemon = this.#daemon
    this.#daemon = undefined
    if (!daemon || daemon.exitCode !== null) return
    const exit = once(daemon, 'exit')
    daemon.kill('SIGKILL')
    await exit
  }

  /** Starts it, on the same address as before; `luns: false` leaves the target without LUNs. */
  async start(how: { readonly luns: boolean } = { luns: true }): Promise<void> {
    const args = ['-f', '-t', '1', '--iscsi', `portal=${this.#portal}`]
    this.#daemon = spawn('tgtd', args, { env: this.#environment(), stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(join(this.#directory, 'tgtd.log'), { flags: 'a' })
    this.#daemon.stdout?.pipe(log, { end: false })
    this.#daemon.stderr?.pipe(log, { end: false })
    await answering(() => this.#tgtadm('--mode sys --op show'))
    await this.#tgtadm(`--mode target --op new --tid 1 -T ${IQN}`)
    await this.#tgtadm(`--mode account --op new --user ${CHAP.user} --password ${CHAP.secret}`)
    await this.#tgtadm(`--mode account --op bind --tid 1 --user ${CHAP.user}`)
    if (how.luns) await this.addLuns()
    await this.#tgtadm(`--mode target --op bind --tid 1 -Q ${this.#initiator}`)
  }

  /** Adds the LUNs to a target that was started without. */
  async addLuns(): Promise<void> {
    for (const lun of this.#luns) await this.#addLun(lun)
  }

  /** Grows the file and shows the LUN anew, since tgtd cannot resize. */
  async grow(lun: number, bytes: number): Promise<void> {
    await truncate(this.file(lun), bytes)
    await this.#tgtadm(`--mode logicalunit --op delete --tid 1 --lun ${lun}`)
    await this.#addLun(lun)
  }

  /** Ends tgtd and removes its files. */
  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#directory, { recursive: true })
  }

  async #addLun(lun: number): Promise<void> {
    await this.#tgtadm(`--mode logicalunit --op new --tid 1 --lun ${lun} -b ${this.file(lun)}`)
    await this.#tgtadm(`--mode logicalunit --op update --tid 1 --lun ${lun} --params thin_provisioning=1`)
  }

  async #tgtadm(words: string): Promise<string> {
    const { stdout } = await run('tgtadm', ['--lld', 'iscsi', ...words.split(' ')], { env: this.#environment() })
    return stdout
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, TGT_IPC_SOCKET: join(this.#directory, 's') }
  }
}

/** Starts tgtd with LUNs of these sizes for one initiator. */
export async function startTarget(options: {
  readonly initiator: string
  readonly bytes: readonly number[]
}): Promise<TestTarget> {
  const directory = await mkdtemp(join(tmpdir(), 'tgtd-'))
  const portal = `127.0.0.1:${await freePort()}`
  const luns = options.bytes.map((_, index) => index + 1)
  const target = new TestTarget({ directory, portal, initiator: options.initiator, luns })
  for (const lun of luns) {
    await writeFile(target.file(lun), '')
    await truncate(target.file(lun), options.bytes[lun - 1])
  }
  await target.start()
  return target
}

async function answering(ask: () => Promise<unknown>): Promise<void> {
  const until = Date.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (Date.now() > until) throw error
      await pause(10)
    }
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address === 'object' && address) return address.port
  throw new Error('no free port')
}
