import { PluginError, type VmId } from '@moorage/contract'
import { connectQmp, type QmpClient, type QmpEvent } from '@moorage/qmp'
import { pause, qmpFailure } from './deadline.ts'
import { type MachineView, viewMachine } from './machine-view.ts'
import { isAlive, type MachineFiles, type ProcessRef, waitForExit } from './qemu-process.ts'

/** What a machine tells its owner. */
export interface MachineListener {
  /** An event of QEMU. */
  onEvent(machine: Machine, event: QmpEvent): void
  /** A session with QEMU began, the first or one after a loss. */
  onSession(machine: Machine): void
  /** QEMU has ended. */
  onEnd(machine: Machine): void
}

const RECONNECT_PAUSE_MS = 200
const SESSION_TIMEOUT_MS = 5000

/** One living QEMU and our session with it. */
export class Machine {
  readonly id: VmId
  readonly bare: boolean
  readonly process: ProcessRef
  readonly files: MachineFiles
  /** Devices that a guest was asked to let go of and has not; device names are never used twice while one is there. */
  readonly unplugging = new Set<string>()
  readonly #listener: MachineListener
  readonly #isAway: () => boolean
  #session: QmpClient | undefined
  #closing = false

  constructor(options: {
    readonly id: VmId
    readonly bare: boolean
    readonly process: ProcessRef
    readonly files: MachineFiles
    readonly listener: MachineListener
    /** Whether it has not arrived yet. */
    readonly isAway: () => boolean
  }) {
    this.id = options.id
    this.bare = options.bare
    this.process = options.process
    this.files = options.files
    this.#listener = options.listener
    this.#isAway = options.isAway
  }

  /** Opens the session. Throws `QmpLineError`. From then on a lost session is opened again for as long as QEMU lives. */
  async connect(timeoutMs: number): Promise<void> {
    const session = await connectQmp({ path: this.files.qmp, timeoutMs })
    this.#session = session
    session.onEvent((event) => this.#listener.onEvent(this, event))
    void session.closed.then(() => this.#lost())
    this.#listener.onSession(this)
  }

  /** Keeps trying to open a session, for a QEMU that lives but does not answer. */
  async connectEventually(): Promise<void> {
    while (!this.#closing && isAlive(this.process)) {
      try {
        return await this.connect(SESSION_TIMEOUT_MS)
      } catch {
        await pause(RECONNECT_PAUSE_MS)
      }
    }
    this.#end()
  }

  /** The session. Throws `UNAVAILABLE`, effect `none`, while there is none. */
  get qmp(): QmpClient {
    if (this.#session) return this.#session
    throw new PluginError('UNAVAILABLE', `QEMU of VM ${this.id} does not answer`, 'none')
  }

  /** True while QEMU answers. */
  get connected(): boolean {
    return this.#session !== undefined
  }

  /** What the machine is and has. Throws `PluginError` with effect `none`: looking changes nothing. */
  async view(timeoutMs: number): Promise<MachineView> {
    const { qmp } = this
    try {
      return await viewMachine(qmp, { bare: this.bare, away: this.#isAway(), timeoutMs })
    } catch (error) {
      const failure = qmpFailure(error)
      throw new PluginError(failure.code, failure.message, 'none', error)
    }
  }

  /** Lets go of QEMU, which lives on. */
  release(): void {
    this.#closing = true
    this.#session?.close()
  }

  /** A session ends when QEMU does; its process is then about to go. */
  async #lost(): Promise<void> {
    this.#session = undefined
    if (this.#closing) return
    if (await waitForExit(this.process, Date.now() + RECONNECT_PAUSE_MS)) this.#end()
    else await this.connectEventually()
  }

  #end(): void {
    if (!this.#closing) this.#listener.onEnd(this)
    this.#closing = true
  }
}
