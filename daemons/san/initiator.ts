import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Call, Connection, HostId, Id } from '@moorage/contract'

/*
 * What tests use a SAN with: QEMU's iSCSI initiator (libiscsi), which knows nothing of us.
 */

/** How long a target may take to answer before it counts as gone. */
const PATIENCE_MS = 4000
/** What qemu-io says about a command ends its output, and is shorter than this. */
const ANSWER_CHARACTERS = 1000

/** An iSCSI connection. */
export type IscsiConnection = Extract<Connection, { via: 'iscsi' }>

/** How a program ended. */
export interface Ended {
  readonly status: number | null
  readonly output: string
}

/** A new id. */
export function newId<Kind extends string>(): Id<Kind> {
  return randomUUID() as Id<Kind> // randomUUID makes what the contract calls an id.
}

/** A host under a name of its own. */
export function newHost(): { readonly kind: 'host'; readonly id: HostId; readonly initiator: string } {
  const id = newId<'host'>()
  return { kind: 'host', id, initiator: `iqn.2026-01.test.moorage:${id}` }
}

let lastFence = 0

/** A call that is the newest of this process. */
export function newCall(options: Partial<Call> = {}): Call {
  lastFence += 1
  const { signal } = new AbortController()
  return { key: randomUUID(), deadline: Date.now() + 30_000, signal, fence: lastFence, ...options }
}

/** Reads a connection as an iSCSI one; throws when it is none. */
export function iscsi(connection: Connection): IscsiConnection {
  if (connection.via !== 'iscsi') throw new Error(`not iSCSI: ${connection.via}`)
  return connection
}

/** Waits until something holds; throws after the deadline. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, withinMs = 20_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await pause(20)
  }
}

/** Command-line arguments that make QEMU's tools log in; the CHAP secret is in a file that `dispose` removes. */
async function login(connection: IscsiConnection): Promise<{ readonly args: string[]; dispose(): Promise<void> }> {
  const { portal, iqn, lun, initiator, chap } = connection
  const image = [`driver=iscsi,transport=tcp,portal=${portal},target=${iqn},lun=${lun},initiator-name=${initiator}`]
  if (!chap) return { args: ['--image-opts', image.join(',')], dispose: async () => {} }
  const file = join(tmpdir(), `chap-${randomUUID()}`)
  await writeFile(file, chap.secret, { mode: 0o600 })
  image.push(`user=${chap.user},password-secret=chap`)
  const args = ['--object', `secret,id=chap,file=${file}`, '--image-opts', image.join(',')]
  return { args, dispose: () => rm(file, { force: true }) }
}

/** Runs one of QEMU's tools on a unit: `before` and `after` stand around the arguments that log in. */
export async function runQemu(
  tool: 'qemu-io' | 'qemu-img',
  connection: Connection,
  args: { readonly before?: readonly string[]; readonly after?: readonly string[] } = {},
): Promise<Ended> {
  const { before = [], after = [] } = args
  const session = await login(iscsi(connection))
  const child = spawn(tool, [...before, ...session.args, ...after], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  await session.dispose()
  return { status, output }
}

/** Runs commands of qemu-io on a unit, in a session of their own. Pattern checks that fail end with a status above 0. */
export async function qemuIo(
  connection: Connection,
  commands: readonly string[],
  mode: 'rw' | 'ro' = 'rw',
): Promise<Ended> {
  const before = mode === 'ro' ? ['-r'] : []
  const ended = await runQemu('qemu-io', connection, { before, after: commands.flatMap((command) => ['-c', command]) })
  return /Pattern verification failed/.test(ended.output) ? { ...ended, status: 1 } : ended
}

const openSessions = new Set<Session>()

/** Ends the sessions that a test which failed has left open. */
export async function closeSessions(): Promise<void> {
  await Promise.all([...openSessions].map((session) => session.close()))
}

/** A qemu-io that stays logged in. */
export class Session {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #dispose: () => Promise<void>
  readonly #ended: Promise<unknown>
  #output = ''

  private constructor(child: ChildProcessWithoutNullStreams, dispose: () => Promise<void>) {
    this.#child = child
    this.#dispose = dispose
    openSessions.add(this)
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    // One that has ended takes no more commands, which shows in its answers.
    child.stdin.on('error', () => {})
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()))
    }
  }

  /** Logs in and reads once. Throws when that fails. */
  static async open(connection: Connection, mode: 'rw' | 'ro' = 'rw'): Promise<Session> {
    const { args, dispose } = await login(iscsi(connection))
    const session = new Session(spawn('qemu-io', [...(mode === 'ro' ? ['-r'] : []), ...args]), dispose)
    const answer = await session.run('read 0 512')
    if (answer.startsWith('read 512/512')) return session
    await session.close()
    throw new Error(`no session: ${answer}`)
  }

  /** Runs one command and returns what it printed; `undefined` when it does not answer in time. */
  async tryRun(command: string, withinMs: number): Promise<string | undefined> {
    this.#output = ''
    this.#child.stdin.write(`${command}\n`)
    const deadline = Date.now() + withinMs
    while (Date.now() < deadline) {
      // Behind a dump, which may be long: looking through all of it each time takes longer than reading.
      const end = this.#output.slice(-ANSWER_CHARACTERS)
      const answer = /(wrote|read|discard) \d+\/\d+.*|[^\n]*(failed|error|cannot|can't|read-only)[^\n]*/i.exec(end)
      if (answer) return answer[0]
      if (this.#child.exitCode !== null) return `ended: ${this.#output}`
      await pause(1)
    }
    return undefined
  }

  /** Runs one command and returns what it printed. */
  async run(command: string, withinMs = 30_000): Promise<string> {
    const answer = await this.tryRun(command, withinMs)
    if (answer === undefined) throw new Error(`${command}: no answer within ${withinMs} ms: ${this.#output}`)
    return answer
  }

  /** Writes any bytes. Throws unless they were acknowledged in time. */
  async write(offset: number, bytes: Uint8Array, withinMs: number): Promise<void> {
    const file = join(tmpdir(), `bytes-${randomUUID()}`)
    await writeFile(file, bytes)
    const answer = await this.tryRun(`write -s ${file} ${offset} ${bytes.length}`, withinMs)
    await rm(file)
    if (!answer?.startsWith('wrote')) throw new Error(`write at ${offset}: ${answer ?? 'no answer'}`)
  }

  /** Reads bytes. Throws unless they came in time. */
  async read(offset: number, length: number, withinMs: number): Promise<Uint8Array> {
    const answer = await this.tryRun(`read -v ${offset} ${length}`, withinMs)
    if (!answer?.startsWith('read')) throw new Error(`read at ${offset}: ${answer ?? 'no answer'}`)
    // A dump of sixteen bytes a line: offset, colon, hexadecimal, then the same as text.
    const lines = this.#output.matchAll(/^[0-9a-f]{8,}: +((?:[0-9a-f]{2} ){1,16})/gm)
    return Buffer.concat([...lines].map(([, line = '']) => Buffer.from(line.replaceAll(' ', ''), 'hex')))
  }

  /** Ends it, the hard way: one that waits for a lost target would never leave by itself. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
    openSessions.delete(this)
    await this.#dispose()
  }
}

/** A load of 4 KiB requests, sixteen at a time, until it is stopped. */
export interface Load {
  stop(): Promise<void>
}

interface BenchOptions {
  readonly direction: 'read' | 'write'
  readonly size?: number
}

/**
 * qemu-img bench takes neither secrets nor initiator names: libiscsi reads the one from its environment, and QEMU logs in
 * under a name of its own, which the host of the exposure must bear.
 */
export const BENCH_INITIATOR = 'iqn.2008-11.org.linux-kvm'

function startBench(connection: Connection, count: number, { direction, size = 4096 }: BenchOptions) {
  const { portal, iqn, lun, chap } = iscsi(connection)
  const write = direction === 'write' ? ['-w'] : []
  const url = `iscsi://${portal}/${iqn}/${lun}`
  const args = ['bench', '-f', 'raw', ...write, '-c', String(count), '-d', '16', '-s', String(size), '-t', 'none', url]
  const env = { ...process.env, LIBISCSI_CHAP_USERNAME: chap?.user, LIBISCSI_CHAP_PASSWORD: chap?.secret }
  return spawn('qemu-img', args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Does `count` requests, sixteen at a time; returns the seconds it took by the initiator's own clock. */
export async function bench(connection: Connection, count: number, options: BenchOptions): Promise<number> {
  const child = startBench(connection, count, options)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const seconds = /completed in ([\d.]+) seconds/.exec(output)?.[1]
  if (status !== 0 || seconds === undefined) throw new Error(`qemu-img bench: ${output}`)
  return Number(seconds)
}

/** Starts a load. */
export function startLoad(connection: Connection, options: BenchOptions): Load {
  const child = startBench(connection, 1_000_000_000, options)
  const ended = new Promise((resolve) => child.once('close', resolve))
  for (const stream of [child.stdout, child.stderr]) stream.resume()
  return {
    stop: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** A unit as the conformance kit wants it: a session that gives up on a target that has gone. */
export async function openDisk(connection: Connection): Promise<{
  write(offset: number, bytes: Uint8Array): Promise<void>
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}> {
  const session = await Session.open(connection).catch(() => Session.open(connection, 'ro'))
  return {
    write: (offset, bytes) => session.write(offset, bytes, PATIENCE_MS),
    read: (offset, length) => session.read(offset, length, PATIENCE_MS),
    close: () => session.close(),
  }
}
