import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import { FAILURES, type FailureCode, PluginError } from '@moorage/contract'
import { type Frames, framesOver } from './frames.ts'
import { checkManifest, type Manifest } from './manifest.ts'
import type { Request } from './messages.ts'
import { type Output, readOutput } from './output.ts'
import { nodeOptions, OVERHEAD_MIB, type PluginSpec } from './spec.ts'

/** How patient the controller is with the process of a plug-in. */
export interface Timing {
  /** Until it has said what it is. */
  readonly startMs: number
  /** Between two pings. */
  readonly pingMs: number
  /** Pings without an answer after which it is ended: its event loop is blocked. */
  readonly pingsMissed: number
  /** Until it has opened a pool or host. */
  readonly openMs: number
  /** The first wait before it is started again; it doubles up to `longestBackoffMs`. */
  readonly backoffMs: number
  readonly longestBackoffMs: number
  /** A process that lived this long did not die of starting. */
  readonly stableMs: number
}

/** What the process says for people. */
export interface PluginLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

type Asking = Extract<Request, { readonly id: number }>
/** A request to which its number is yet to be given. */
export type Asked = Asking extends infer Each ? (Each extends Asking ? Omit<Each, 'id'> : never) : never

interface Pending {
  readonly what: string
  readonly deadline: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: PluginError) => void
}

const MAX_IN_FLIGHT = 1024
/** Calls that nobody waits for any more, and that were never answered. */
const MAX_FORGOTTEN = 256
/** Pings without an answer after which it is asked nothing new. */
const PINGS_SILENT = 2
const CLOSE_MS = 2_000
const SHORTEST_SECRET = 4
const LAST_WORDS_MS = 200

const PROGRAM = join(import.meta.dirname, `child${extname(import.meta.filename)}`)
const REQUIRE = createRequire(import.meta.url)
/** What our own program in the process of a plug-in reads: itself, and the contract, where it lies and where it is linked. */
const OWN = [
  import.meta.dirname,
  join(import.meta.dirname, `../facets${extname(import.meta.filename)}`),
  dirname(REQUIRE.resolve('@moorage/contract')),
  ...(REQUIRE.resolve.paths('@moorage/contract') ?? [])
    .map((modules) => join(modules, '@moorage/contract'))
    .filter((folder) => existsSync(folder)),
]
/** What programs need of the environment. Ours has secrets. */
const PASSED = ['PATH', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS']

/** One process of a plug-in, from its start to its end, whichever way that comes. */
export class Life {
  /** Resolves with the reason when the process is gone; every request has been rejected by then. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  readonly #channel: Duplex
  readonly #frames: Frames
  readonly #outputs: readonly Output[]
  readonly #spec: PluginSpec
  readonly #pending = new Map<number, Pending>()
  readonly #ready = Promise.withResolvers<Manifest>()
  readonly #secrets = new Set<string>()
  #last = 0
  #unanswered = 0
  #verdict: string | undefined
  #over = false

  private constructor(spec: PluginSpec, log: PluginLog) {
    this.#spec = spec
    const env = Object.fromEntries(PASSED.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
    // The kernel ends it with its controller: a plug-in that is blocked would not notice that the channel is gone.
    const argv = ['--pdeathsig', 'KILL', '--', process.execPath, ...nodeOptions(spec, OWN), PROGRAM, spec.path]
    this.#child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], cwd: '/', env })
    const [, out, err, channel] = this.#child.stdio
    this.#channel = channel as Duplex // A pipe above the third descriptor is a socket pair.
    this.#outputs = [out, err].map((stream) =>
      // Both are pipes, from which is read.
      readOutput(stream as Readable, (line) =>
        log.info({ plugin: spec.path, line: this.hide(line) }, 'a plug-in says'),
      ),
    )
    this.#channel.on('error', () => {})
    this.#frames = framesOver(this.#channel, {
      message: (message) => this.#heard(message),
      broken: (why) => this.kill(`it sent ${why}`),
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(this.#end(`it could not be started: ${error.message}`)))
      this.#child.on('exit', (code, signal) => resolve(this.#end(`it ended with ${signal ?? `exit code ${code}`}`)))
    })
  }

  /** Starts a process and hears what its plug-in is. Throws when it is none, and when that takes too long. */
  static async begin(
    spec: PluginSpec,
    options: { readonly timing: Timing; readonly log: PluginLog },
  ): Promise<{ readonly life: Life; readonly manifest: Manifest }> {
    const life = new Life(spec, options.log)
    const late = setTimeout(() => life.kill('it did not say what it is in time'), options.timing.startMs)
    try {
      const manifest = await life.#ready.promise
      const watch = setInterval(() => life.#tick(options.timing), options.timing.pingMs)
      void life.ended.then(() => clearInterval(watch))
      return { life, manifest }
    } catch (error) {
      life.kill('it is no plug-in')
      await life.ended
      throw error
    } finally {
      clearTimeout(late)
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** False once it is ended, and while it does not answer pings. */
  get answers(): boolean {
    return !this.#over && this.#verdict === undefined && this.#unanswered < PINGS_SILENT
  }

  /** A text from the process without the secrets that were sent to it. */
  hide(text: string): string {
    return [...this.#secrets].reduce((shown, secret) => shown.replaceAll(secret, '[redacted]'), text)
  }

  /** A text that it must not show from now on. One of few characters would be found in every word: it is not looked for. */
  keepSecret(text: string): void {
    if (text.length >= SHORTEST_SECRET) this.#secrets.add(text)
  }

  /** Tells it something that has no answer. */
  tell(message: Request): void {
    if (!this.#over) this.#frames.send(message)
  }

  /**
   * Asks, and waits for as long as the process lives. Rejects with `PluginError`: effect `none` when nothing was sent, and
   * `possible` when the process ended before it answered.
   */
  async request(
    asked: Asked,
    options: { readonly what: string; readonly deadline: number; readonly signal?: AbortSignal },
  ): Promise<unknown> {
    const { what, deadline, signal } = options
    if (!this.answers) throw new PluginError('UNAVAILABLE', `${what}: the plug-in does not answer`, 'none')
    if (this.#pending.size >= MAX_IN_FLIGHT) {
      throw new PluginError('BUSY', `${what}: the plug-in has ${MAX_IN_FLIGHT} calls to answer`, 'none')
    }
    if (signal?.aborted === true) throw new PluginError('TIMEOUT', `${what}: given up before it began`, 'none')
    const id = (this.#last += 1)
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    try {
      this.#frames.send({ ...asked, id })
    } catch (error) {
      throw new PluginError('INVALID', `${what}: ${error instanceof Error ? error.message : ''}`, 'none')
    }
    this.#pending.set(id, { what, deadline, resolve, reject })
    const cancel = () => this.tell({ kind: 'cancel', id })
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  /** Ends it at once. The first reason given is the one that is told. */
  kill(why: string): void {
    this.#verdict ??= why
    this.#child.kill('SIGKILL')
  }

  /** Lets it end by itself, for a moment; then ends it. Resolves when it is gone. */
  async close(): Promise<void> {
    this.#verdict ??= 'the controller stops'
    this.#channel.end()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS)
    await this.ended
    clearTimeout(late)
  }

  #tick({ pingsMissed }: Timing): void {
    for (const output of this.#outputs) output.refill()
    if (this.#over) return
    if (this.#unanswered >= pingsMissed) return this.kill(`it did not answer ${pingsMissed} pings`)
    const mib = residentMib(this.pid)
    if (mib > this.#spec.memoryMib + OVERHEAD_MIB) return this.kill(`it holds ${mib} MiB of memory`)
    const now = Date.now()
    const forgotten = [...this.#pending.values()].filter(({ deadline }) => deadline < now).length
    if (forgotten > MAX_FORGOTTEN) return this.kill(`it left ${forgotten} calls without an answer`)
    this.#unanswered += 1
    this.tell({ kind: 'ping' })
  }

  #heard(message: Readonly<Record<string, unknown>>): void {
    // What came along with the message for which it is being ended is not believed either.
    if (this.#verdict !== undefined) return
    const { kind, id } = message
    if (kind === 'ready') return this.#introduced(message['manifest'])
    if (kind === 'unfit') return this.#ready.reject(new Error(String(message['why'])))
    if (kind === 'pong' && this.#unanswered > 0) {
      this.#unanswered -= 1
      return
    }
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined
    // Whoever answers what was not asked may answer anything: nothing of it can be believed any more.
    if (!pending || typeof id !== 'number') return this.kill(`it sent ${String(kind)}, which nobody had asked for`)
    this.#pending.delete(id)
    if (kind === 'answer') pending.resolve(message['value'])
    else pending.reject(this.#failure(message, pending.what))
  }

  #introduced(manifest: unknown): void {
    try {
      if (typeof manifest !== 'object' || manifest === null) throw new Error('it did not say what it is')
      this.#ready.resolve(checkManifest(manifest))
    } catch (error) {
      this.#ready.reject(error)
    }
  }

  #failure(message: Readonly<Record<string, unknown>>, what: string): PluginError {
    const { kind, code, effect, message: text } = message
    const known = kind === 'failure' && typeof code === 'string' && Object.hasOwn(FAILURES, code)
    if (!known || typeof text !== 'string' || (effect !== 'none' && effect !== 'possible')) {
      return new PluginError('INTERNAL', `${what}: the plug-in answered what is no answer`, 'possible')
    }
    return new PluginError(code as FailureCode, this.hide(text), effect) // A key of `FAILURES`, as was just seen.
  }

  #end(how: string): string {
    const why = this.#verdict ?? how
    this.#over = true
    this.#ready.reject(new Error(why))
    // Nobody waits for it any more once it has introduced itself.
    this.#ready.promise.catch(() => {})
    for (const [id, { what, reject }] of this.#pending) {
      this.#pending.delete(id)
      reject(new PluginError('UNAVAILABLE', `${what}: the process of the plug-in is gone: ${why}`, 'possible'))
    }
    for (const output of this.#outputs) output.refill()
    this.#channel.destroy()
    // Its last words are still on the way; a program that it started may hold the pipes open for good.
    setTimeout(() => [this.#child.stdout, this.#child.stderr].forEach((stream) => stream?.destroy()), LAST_WORDS_MS)
    return why
  }
}

/** Memory of a process that is in RAM. 0 for one that is gone. */
function residentMib(pid: number): number {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Math.round(Number(kib ?? 0) / 1024)
  } catch {
    return 0
  }
}
