import { isDeepStrictEqual } from 'node:util'
import { PluginError } from '@moorage/contract'
import { Life, type PluginLog, type Timing } from './life.ts'
import type { Manifest } from './manifest.ts'
import type { PluginSpec } from './spec.ts'

/** What of the keeping of a plug-in can be told. */
export interface KeeperOptions {
  readonly log: PluginLog
  readonly timing?: Partial<Timing>
}

/** A plug-in's process is given seconds, so that a slow machine is not taken for a plug-in that hangs. */
const TIMING: Timing = {
  startMs: 30_000,
  pingMs: 1_000,
  pingsMissed: 10,
  openMs: 5_000,
  backoffMs: 200,
  longestBackoffMs: 30_000,
  stableMs: 60_000,
}

/** Keeps one plug-in running: a process that ends is followed by another, after a wait that grows. */
export class Keeper {
  readonly spec: PluginSpec
  readonly timing: Timing
  readonly manifest: Manifest
  readonly #log: PluginLog
  #life: Life | undefined
  /** Why there is no process now. */
  #why = ''
  #deaths = 0
  #closing = false
  #starting: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  private constructor(
    spec: PluginSpec,
    first: { readonly life: Life; readonly manifest: Manifest },
    options: { readonly log: PluginLog; readonly timing: Timing },
  ) {
    this.spec = spec
    this.timing = options.timing
    this.manifest = first.manifest
    this.#log = options.log
    this.#watch(first.life)
  }

  /** Starts it; throws, naming the path and the rule, when what is there is no plug-in of this contract. */
  static async start(spec: PluginSpec, { log, timing }: KeeperOptions): Promise<Keeper> {
    const whole = { ...TIMING, ...timing }
    try {
      return new Keeper(spec, await Life.begin(spec, { timing: whole, log }), { log, timing: whole })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`--plugin ${spec.path}: ${why}`, { cause: error })
    }
  }

  /** The process that lives now. Throws `UNAVAILABLE`, effect `none`, while there is none, or it does not answer. */
  get life(): Life {
    const { name } = this.manifest
    if (!this.#life)
      throw new PluginError('UNAVAILABLE', `plug-in ${name} is being started again: ${this.#why}`, 'none')
    if (!this.#life.answers) throw new PluginError('UNAVAILABLE', `plug-in ${name} does not answer`, 'none')
    return this.#life
  }

  /** Ends the process for good, and resolves when it is gone. */
  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    await this.#life?.close()
    await this.#starting
    await this.#life?.close()
  }

  #watch(life: Life): void {
    this.#life = life
    const born = performance.now()
    void life.ended.then((why) => {
      this.#life = undefined
      this.#why = why
      if (this.#closing) return
      this.#deaths = performance.now() - born > this.timing.stableMs ? 1 : this.#deaths + 1
      this.#startLater()
    })
  }

  #startLater(): void {
    const { backoffMs, longestBackoffMs } = this.timing
    const inMs = Math.min(longestBackoffMs, backoffMs * 2 ** Math.min(this.#deaths - 1, 30))
    this.#log.warn({ plugin: this.spec.path, why: this.#why, inMs }, 'a plug-in is started again')
    this.#timer = setTimeout(() => {
      this.#starting = this.#startAgain()
    }, inMs)
  }

  async #startAgain(): Promise<void> {
    try {
      const { life, manifest } = await Life.begin(this.spec, { timing: this.timing, log: this.#log })
      if (isDeepStrictEqual(manifest, this.manifest)) return this.#watch(life)
      life.kill('it is another plug-in than when the controller started: start the controller again')
      this.#why = await life.ended
    } catch (error) {
      this.#why = error instanceof Error ? error.message : String(error)
    }
    this.#deaths += 1
    if (!this.#closing) this.#startLater()
  }
}
