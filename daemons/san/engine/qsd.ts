import { setTimeout as pause } from 'node:timers/promises'
import { connectQmp, type QmpClient, QmpError, untilListening } from '@moorage/qmp'
import type { ThrottleLimits } from '../qos/limits.ts'
import { adoptOrStart, type Daemon } from './processes.ts'

const START_MS = 10_000
const ANSWER_MS = 10_000
const RELEASE_MS = 5000

/** A node to make: a raw file, throttled when a group is given. */
export interface NodeSpec {
  readonly node: string
  readonly file: string
  readonly writable: boolean
  readonly throttleGroup?: string
}

/** A FUSE export to make. */
export interface ExportSpec {
  readonly id: string
  readonly node: string
  readonly thread: string
  /** An existing regular file. */
  readonly mountPoint: string
  readonly writable: boolean
}

/** Names of what a qemu-storage-daemon holds. */
export interface QsdHoldings {
  readonly throttleGroups: readonly string[]
  readonly threads: readonly string[]
  readonly nodes: readonly string[]
  readonly exports: readonly string[]
}

/** A qemu-storage-daemon that answers. Methods throw `QmpError` and `QmpLineError`. */
export class StorageDaemon {
  readonly daemon: Daemon
  readonly #qmp: QmpClient

  private constructor(daemon: Daemon, qmp: QmpClient) {
    this.daemon = daemon
    this.#qmp = qmp
  }

  /**
   * Starts it or adopts the one that runs. One that runs and does not answer is replaced, and `note` is told: nobody could
   * take access away from what it serves.
   */
  static async start(options: {
    readonly socket: string
    readonly log: string
    note(what: string): void
  }): Promise<StorageDaemon> {
    const { socket, log, note } = options
    const mark = `socket,id=qmp,path=${socket},server=on,wait=off`
    const args = ['--chardev', mark, '--monitor', 'chardev=qmp']
    const daemon = await adoptOrStart({ command: 'qemu-storage-daemon', args, mark, env: {}, log })
    try {
      if (!daemon.adopted) await untilListening({ path: socket, timeoutMs: START_MS })
      return new StorageDaemon(daemon, await connectQmp({ path: socket, timeoutMs: START_MS }))
    } catch (error) {
      await daemon.kill()
      if (!daemon.adopted) throw error
      note(`the qemu-storage-daemon that was running did not answer and was ended: ${String(error)}`)
      return StorageDaemon.start(options)
    }
  }

  /** Resolves when the line to it is closed, which happens at the latest when it dies. */
  get closed(): Promise<void> {
    return this.#qmp.closed
  }

  async addThrottleGroup(id: string, limits: ThrottleLimits): Promise<void> {
    await this.#do('object-add', { 'qom-type': 'throttle-group', id, limits })
  }

  /** Takes effect at once. Resets the credit of bursts. */
  async setLimits(group: string, limits: ThrottleLimits): Promise<void> {
    await this.#do('qom-set', { path: `/objects/${group}`, property: 'limits', value: limits })
  }

  async limits(group: string): Promise<ThrottleLimits> {
    return this.#do<ThrottleLimits>('qom-get', { path: `/objects/${group}`, property: 'limits' })
  }

  async removeObject(id: string): Promise<void> {
    await this.#do('object-del', { id })
  }

  /**
   * Adds a thread for one export. Every export needs one of its own: the FUSE exports of one thread are served by nested
   * event loops, so that a request that waits for its throttle holds up those of other volumes (measured with QEMU 7.2:
   * a volume limited to 1000 IOPS did 382 beside one limited to 10).
   */
  async addThread(id: string): Promise<void> {
    await this.#do('object-add', { 'qom-type': 'iothread', id, 'poll-max-ns': 0 })
  }

  async addNode({ node, file, writable, throttleGroup }: NodeSpec): Promise<void> {
    const common = { discard: 'unmap', 'read-only': !writable }
    const raw = { ...common, driver: 'raw', file: { ...common, driver: 'file', filename: file, locking: 'off' } }
    const top =
      throttleGroup === undefined ? raw : { ...common, driver: 'throttle', 'throttle-group': throttleGroup, file: raw }
    await this.#do('blockdev-add', { ...top, 'node-name': node })
  }

  /** Removes a node; waits for the last request to let go of it. */
  async removeNode(node: string): Promise<void> {
    const deadline = Date.now() + RELEASE_MS
    for (;;) {
      try {
        await this.#do('blockdev-del', { 'node-name': node })
        return
      } catch (error) {
        if (!(error instanceof QmpError) || Date.now() > deadline) throw error
        await pause(5)
      }
    }
  }

  async addExport({ id, node, thread, mountPoint, writable }: ExportSpec): Promise<void> {
    const where = { 'node-name': node, iothread: thread, 'fixed-iothread': true }
    await this.#do('block-export-add', { type: 'fuse', id, mountpoint: mountPoint, writable, ...where })
  }

  /** Returns once the export is gone and unmounted. */
  async removeExport(id: string): Promise<void> {
    const after = this.#qmp.received
    await this.#do('block-export-del', { id, mode: 'hard' })
    await this.#qmp.waitFor('BLOCK_EXPORT_DELETED', {
      where: (data) => data['id'] === id,
      timeoutMs: RELEASE_MS,
      after,
    })
  }

  /** Everything it holds, by name. */
  async holdings(): Promise<QsdHoldings> {
    const [objects, nodes, exports] = await Promise.all([
      this.#objects(),
      this.#do<readonly { 'node-name': string }[]>('query-named-block-nodes', { flat: true }),
      this.#do<readonly { id: string }[]>('query-block-exports', {}),
    ])
    const named = (type: string) => objects.filter((each) => each.type === `child<${type}>`).map(({ name }) => name)
    return {
      throttleGroups: named('throttle-group'),
      threads: named('iothread'),
      nodes: nodes.map((each) => each['node-name']),
      exports: exports.map(({ id }) => id),
    }
  }

  /** Ends it with everything it exports; kills it when it does not go. */
  async stop(): Promise<void> {
    await this.#do('quit', {}).catch(() => {})
    const timer = setTimeout(() => void this.daemon.kill(), RELEASE_MS)
    await this.daemon.untilGone()
    clearTimeout(timer)
    this.#qmp.close()
  }

  /** QEMU makes the container of objects with the first of them. */
  async #objects(): Promise<readonly { readonly name: string; readonly type: string }[]> {
    try {
      return await this.#do('qom-list', { path: '/objects' })
    } catch (error) {
      if (error instanceof QmpError && error.errorClass === 'DeviceNotFound') return []
      throw error
    }
  }

  #do<Result>(command: string, args: object): Promise<Result> {
    return this.#qmp.execute<Result>(command, args, { timeoutMs: ANSWER_MS })
  }
}
