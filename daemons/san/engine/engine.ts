import { mkdir, rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { type Call, PluginError, type Qos, type VolumeId } from '@moorage/contract'
import { QmpLineError } from '@moorage/qmp'
import type { Logger } from 'pino'
import { Gate } from '../gate.ts'
import { outletOfIqn } from '../state/names.ts'
import type { Counters } from './counters.ts'
import { mountFuseControl } from './fuse.ts'
import { mountsBelow, unmount, unmountAll } from './mounts.ts'
import { type Outlet, Outlets } from './outlets.ts'
import { StorageDaemon } from './qsd.ts'
import { reconcile } from './reconcile.ts'
import { startTgtd, type Tgtd, unless } from './tgtd.ts'
import { Throttles } from './throttles.ts'

/** Paths and addresses of the engine's parts. */
export interface EngineOptions {
  readonly tgtdSocket: string
  readonly tgtdLog: string
  readonly qsdSocket: string
  readonly qsdLog: string
  readonly exports: string
  readonly fuseControl: string
  /** `host:port`. */
  readonly portal: string
  readonly counters: Counters
  readonly log: Logger
  /** What should be served now. Asked before every repair. */
  desired(): Promise<{ readonly outlets: readonly Outlet[]; readonly volumes: ReadonlyMap<VolumeId, Qos> }>
  /** Told that everything that should be served is, and nothing else. */
  repaired(): void
}

const LONGEST_BACKOFF_MS = 5000
const EXIT_MS = 2000
const RETRY_MS = 10_000

/**
 * Keeps tgtd and qemu-storage-daemon running and in line with what should be served. Calls that touch them pass the
 * `gate`, which is closed while either is being brought back.
 */
export class Engine {
  readonly gate = new Gate()
  readonly throttles: Throttles
  readonly #options: EngineOptions
  #running: { readonly tgtd: Tgtd; readonly qsd: StorageDaemon; readonly outlets: Outlets } | undefined
  #tgtd: Tgtd | undefined
  #qsd: StorageDaemon | undefined
  #repairing: Promise<void> | undefined
  #wantsRepair = false
  #stopping = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.throttles = new Throttles(() => this.#parts().qsd)
  }

  /**
   * Starts or adopts both daemons and opens the gate. When that fails, what was started here is stopped again; what was
   * adopted is left alone, because initiators may be using it.
   */
  async start(): Promise<void> {
    await mkdir(this.#options.exports, { recursive: true, mode: 0o700 })
    await mkdir(this.#options.fuseControl, { recursive: true })
    await mountFuseControl(this.#options.fuseControl)
    try {
      await this.#bringUp()
      await this.#reconcile()
    } catch (error) {
      this.#stopping = true
      if (this.#tgtd?.daemon.adopted !== true && this.#qsd?.daemon.adopted !== true) await this.#tearDown()
      throw error
    }
    this.gate.open()
  }

  /** Ends both daemons with everything they serve. Data stays in the pool. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.gate.close()
    await this.#repairing
    this.#options.counters.sample()
    this.#options.counters.save()
    await this.#tearDown()
  }

  /** The parts that run; only to be used inside the gate. */
  get outlets(): Outlets {
    return this.#parts().outlets
  }

  /** tgtd as it runs; only to be used inside the gate. */
  get tgtd(): Tgtd {
    return this.#parts().tgtd
  }

  /** qemu-storage-daemon as it runs; only to be used inside the gate. */
  get qsd(): StorageDaemon {
    return this.#parts().qsd
  }

  /**
   * Runs a call that touches the daemons, inside the gate. What they refuse or do not answer becomes `UNAVAILABLE` with
   * effect `possible`, and a repair brings everything back in line with what is remembered.
   */
  work<Result>(call: Pick<Call, 'deadline'>, task: () => Promise<Result>): Promise<Result> {
    return this.gate.pass(call, async () => {
      try {
        return await task()
      } catch (error) {
        if (error instanceof PluginError) throw error
        const message = error instanceof Error ? error.message : String(error)
        this.repair(message)
        if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) throw error
        throw new PluginError('UNAVAILABLE', message, 'possible', error)
      }
    })
  }

  /** Closes the gate and repairs in the background. */
  repair(reason: string): void {
    if (this.#stopping) return
    this.#wantsRepair = true
    this.#options.log[this.#repairing ? 'debug' : 'warn']({ reason }, 'repairing')
    this.#repairing ??= this.#repairUntilWhole().finally(() => {
      this.#repairing = undefined
      if (this.#wantsRepair) this.repair('something failed while a repair was ending')
    })
  }

  /** Ends sessions of initiators that are not admitted: a login that was under way when access was withdrawn. */
  async endStraySessions(): Promise<void> {
    const { client } = this.#parts().tgtd
    for (const { tid, iqn, acl, sessions } of await client.targets()) {
      if (outletOfIqn(iqn) === undefined) continue
      const strays = new Set(sessions.filter(({ initiator }) => !acl.includes(initiator)).map(({ sid }) => sid))
      if (strays.size === 0) continue
      for (const { sid, cid } of await client.connections(tid)) {
        if (!strays.has(sid)) continue
        this.#options.log.warn({ iqn, sid }, 'closing the session of an initiator without access')
        await client.closeConnection({ tid, sid, cid }).catch(unless('NO_SESSION', 'NO_CONNECTION'))
      }
    }
  }

  #parts() {
    if (!this.#running) throw new Error('the engine does not run')
    return this.#running
  }

  async #repairUntilWhole(): Promise<void> {
    await this.gate.close()
    for (let backoff = 0; !this.#stopping; backoff = Math.min(LONGEST_BACKOFF_MS, Math.max(50, backoff * 2))) {
      await pause(backoff)
      this.#wantsRepair = false
      try {
        await this.#bringUp()
        await this.#reconcile()
        this.#options.log.info('repaired')
        this.gate.open()
        return
      } catch (error) {
        this.#options.log.error({ err: error }, 'repair failed; trying again')
        await this.#endIfHung(error)
      }
    }
  }

  /** A qemu-storage-daemon that does not answer will not: the next turn starts another, and initiators repeat their requests. */
  async #endIfHung(error: unknown): Promise<void> {
    if (!(error instanceof QmpLineError) || error.failure !== 'timeout' || !this.#qsd) return
    this.#options.log.error('qemu-storage-daemon does not answer and is ended')
    const hung = this.#qsd
    await hung.daemon.kill()
    await hung.closed
  }

  async #reconcile(): Promise<void> {
    const { tgtd, qsd, outlets } = this.#parts()
    const { exports, log } = this.#options
    const { outlets: wanted, volumes } = await this.#options.desired()
    const note = (what: string) => log.info(what)
    const failures = await reconcile({ wanted, volumes, tgtd, qsd, outlets, throttles: this.throttles, exports, note })
    this.#options.repaired()
    for (const [outlet, error] of failures) log.error({ err: error, outlet }, 'outlet cannot be served')
    if (failures.size > 0) setTimeout(() => this.repair('some outlets could not be served'), RETRY_MS).unref()
  }

  /** Has both daemons running; those that run stay as they are. */
  async #bringUp(): Promise<void> {
    const { tgtdSocket, tgtdLog, qsdSocket, qsdLog, portal, exports, fuseControl, counters } = this.#options
    if (!this.#tgtd) {
      const tgtd = await startTgtd({ socket: tgtdSocket, portal, log: tgtdLog })
      this.#tgtd = tgtd
      counters.follow(tgtd.daemon.instance)
      void tgtd.daemon.gone.then(() => this.#lost('tgtd', tgtd))
    }
    if (!this.#qsd) {
      const note = (what: string) => this.#options.log.error(what)
      const qsd = await StorageDaemon.start({ socket: qsdSocket, log: qsdLog, note })
      this.#qsd = qsd
      void qsd.closed.then(() => this.#lost('qemu-storage-daemon', qsd))
    }
    const parts = { tgtd: this.#tgtd, qsd: this.#qsd, counters, exports, fuseControl }
    const outlets = new Outlets({ ...parts, lift: (volume) => this.throttles.lift(volume) })
    this.#running = { tgtd: parts.tgtd, qsd: parts.qsd, outlets }
  }

  async #lost(name: string, which: Tgtd | StorageDaemon): Promise<void> {
    if (this.#stopping) return
    this.#options.log.error(`${name} is gone`)
    if (which === this.#tgtd) this.#tgtd = undefined
    if (which === this.#qsd) {
      await this.#swallowCommands()
      // The line drops before the last thread has ended, and a dying daemon must not be adopted.
      await Promise.race([this.#qsd.daemon.gone, pause(EXIT_MS)])
      this.#qsd = undefined
    }
    this.repair(`${name} is gone`)
  }

  /** Every command that is not answered now is one fewer error for an initiator: it will be repeated after the repair. */
  async #swallowCommands(): Promise<void> {
    try {
      const client = this.#tgtd?.client
      for (const { tid, iqn } of (await client?.targets()) ?? []) {
        if (outletOfIqn(iqn) !== undefined) await client?.setTargetState(tid, 'offline')
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'targets could not be taken offline')
    }
  }

  async #tearDown(): Promise<void> {
    await this.#tgtd?.daemon.kill()
    await this.#qsd?.stop()
    const { exports, fuseControl } = this.#options
    // A qemu-storage-daemon that died by itself left its mounts behind.
    await unmountAll(await mountsBelow(exports))
    await rm(exports, { recursive: true, force: true })
    await unmount(fuseControl, 'lazily')
  }
}
