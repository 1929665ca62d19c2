import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Connection } from '@moorage/contract'
import { freePort } from '@moorage/wire/testing'
import { pause } from '../deadline.ts'

const run = promisify(execFile)
const CHAP = { user: 'tenant', secret: 'twelve-chars-or-more' }
const START_TIMEOUT_MS = 10_000

/** A plain tgtd of one test. Volumes are files, numbered from 1, each behind a target of its own with CHAP and one initiator. */
export class TestTarget {
  readonly #directory: string
  readonly #portal: string
  readonly #initiator: string
  readonly #volumes: number[] = []
  #daemon: ChildProcess | undefined

  constructor(options: { readonly directory: string; readonly portal: string; readonly initiator: string }) {
    this.#directory = options.directory
    this.#portal = options.portal
    this.#initiator = options.initiator
  }

  /** Makes an empty volume, shows it, and gives its number. */
  async add(bytes: number): Promise<number> {
    const volume = this.#volumes.length + 1
    await writeFile(this.file(volume), '')
    await truncate(this.file(volume), bytes)
    this.#volumes.push(volume)
    await this.#addTarget(volume)
    await this.#addLun(volume)
    return volume
  }

  /** File behind a volume. */
  file(volume: number): string {
    return join(this.#directory, `volume${volume}`)
  }

  /** How the admitted initiator reaches a volume. */
  connection(volume: number): Extract<Connection, { via: 'iscsi' }> {
    return { via: 'iscsi', portal: this.#portal, iqn: iqnOf(volume), lun: 1, initiator: this.#initiator, chap: CHAP }
  }

  /** Admits another initiator to a volume, and says how it reaches it. */
  async admit(volume: number, initiator: string): Promise<Extract<Connection, { via: 'iscsi' }>> {
    await this.#tgtadm(`--mode target --op bind --tid ${volume} -Q ${initiator}`)
    return { ...this.connection(volume), initiator }
  }

  /** Initiator names of the sessions that tgtd has now, with one volume or with all. */
  async sessions(volume?: number): Promise<readonly string[]> {
    const targets = volume === undefined ? this.#volumes : [volume]
    const listings = await Promise.all(targets.map((tid) => this.#tgtadm(`--mode conn --op show --tid ${tid}`)))
    return listings.flatMap((listing) => [...listing.matchAll(/Initiator: (\S+)/g)].map((found) => found[1] ?? ''))
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

  /** Starts it, on the same address and with the same volumes as before; `luns: false` shows targets without LUNs. */
  async start(how: { readonly luns: boolean } = { luns: true }): Promise<void> {
    const args = ['-f', '-t', '1', '--iscsi', `portal=${this.#portal}`]
    this.#daemon = spawn('tgtd', args, { env: this.#environment(), stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(join(this.#directory, 'tgtd.log'), { flags: 'a' })
    this.#daemon.stdout?.pipe(log, { end: false })
    this.#daemon.stderr?.pipe(log, { end: false })
    await answering(() => this.#tgtadm('--mode sys --op show'))
    await this.#tgtadm(`--mode account --op new --user ${CHAP.user} --password ${CHAP.secret}`)
    for (const volume of this.#volumes) {
      await this.#addTarget(volume)
      if (how.luns) await this.#addLun(volume)
    }
  }

  /** Adds the LUNs after a start without. */
  async addLuns(): Promise<void> {
    for (const volume of this.#volumes) await this.#addLun(volume)
  }

  /** Grows the file and shows the LUN anew, since tgtd cannot resize. */
  async grow(volume: number, bytes: number): Promise<void> {
    await truncate(this.file(volume), bytes)
    await this.#tgtadm(`--mode logicalunit --op delete --tid ${volume} --lun 1`)
    await this.#addLun(volume)
  }

  /** Ends tgtd and removes its files. */
  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#directory, { recursive: true })
  }

  async #addTarget(tid: number): Promise<void> {
    await this.#tgtadm(`--mode target --op new --tid ${tid} -T ${iqnOf(tid)}`)
    await this.#tgtadm(`--mode account --op bind --tid ${tid} --user ${CHAP.user}`)
    await this.#tgtadm(`--mode target --op bind --tid ${tid} -Q ${this.#initiator}`)
  }

  async #addLun(tid: number): Promise<void> {
    await this.#tgtadm(`--mode logicalunit --op new --tid ${tid} --lun 1 -b ${this.file(tid)}`)
    await this.#tgtadm(`--mode logicalunit --op update --tid ${tid} --lun 1 --params thin_provisioning=1`)
  }

  async #tgtadm(words: string): Promise<string> {
    const { stdout } = await run('tgtadm', ['--lld', 'iscsi', ...words.split(' ')], { env: this.#environment() })
    return stdout
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, TGT_IPC_SOCKET: join(this.#directory, 's') }
  }
}

function iqnOf(volume: number): string {
  return `iqn.2026-01.moorage.test:volume${volume}`
}

/** Starts tgtd with volumes of these sizes for one initiator. */
export async function startTarget(options: {
  readonly initiator: string
  readonly bytes: readonly number[]
}): Promise<TestTarget> {
  const directory = await mkdtemp(join(tmpdir(), 'tgtd-'))
  const portal = `127.0.0.1:${await freePort()}`
  const target = new TestTarget({ directory, portal, initiator: options.initiator })
  await target.start()
  for (const bytes of options.bytes) await target.add(bytes)
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
