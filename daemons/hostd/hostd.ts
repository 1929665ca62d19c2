import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { PluginError, type VmId, type VolumeId } from '@moorage/contract'
import { textOf, writeDurably } from '@moorage/files'
import type { QmpEvent } from '@moorage/qmp'
import type { Logger } from 'pino'
import { Agents } from './agents.ts'
import { removeRemains } from './disks.ts'
import { KeyedLock } from './keyed-lock.ts'
import { Machine } from './machine.ts'
import { Comparisons } from './mirror-compare.ts'
import { type Attachment, attachmentOfDevice, namesOf, remainsKey, volumeKey } from './names.ts'
import { kill, machineFiles, type ProcessRef, processesWith } from './qemu-process.ts'
import { Quiescer } from './quiesce.ts'
import { type VmRecord, VmRecords } from './records.ts'
import { ResumeLoops } from './resume.ts'

/** What one host daemon is given. */
export interface HostdOptions {
  /** Absolute path, without links: it is looked for in the arguments of running processes. */
  readonly data: string
  /** Directory of boot images by name; absent: machines without a guest only. */
  readonly images?: string
  readonly initiator: string
  readonly name: string
  readonly log: Logger
}

const ADOPT_TIMEOUT_MS = 5000
/** For work that nobody asked for and nobody waits for. */
const HOUSEKEEPING_MS = 30_000

/** The machines of one host: found again after a crash, watched while they live. */
export class Hostd {
  readonly options: HostdOptions
  readonly records: VmRecords
  readonly agents = new Agents()
  readonly comparisons: Comparisons
  readonly quiescer: Quiescer
  /** Turns per VM for start, stop and reboot; per `disk <vm> <volume>` for hot plug; per `freeze <vm>` for quiesce. */
  readonly locks = new KeyedLock()
  readonly #machines = new Map<VmId, Machine>()
  readonly #resume: ResumeLoops
  #identity = ''

  constructor(options: HostdOptions) {
    this.options = options
    this.records = new VmRecords(join(options.data, 'vms'))
    this.comparisons = new Comparisons(options.data)
    this.quiescer = new Quiescer(this.records, this.agents)
    const { log } = options
    this.#resume = new ResumeLoops({
      stopped: (machine) => log.warn({ vm: machine.id }, 'machine waits for a disk that failed'),
      resumed: (machine, how) => log.info({ vm: machine.id, ...how }, 'machine goes on: its disk is back'),
    })
  }

  /** Drawn once per data directory. */
  get identity(): string {
    return this.#identity
  }

  /**
   * Reads the records, adopts the machines that run, ends those that an interrupted start or stop left, and closes what
   * an interrupted attach or detach left open.
   */
  async open(): Promise<void> {
    const file = join(this.options.data, 'identity')
    this.#identity = (await textOf(file)) ?? randomUUID()
    await writeDurably(file, this.#identity)
    await this.records.load()
    const found = this.runningQemus()
    await Promise.all(this.records.all().map((record) => this.#adoptOrEnd(record, found.get(record.id))))
  }

  /** Lets go of all machines, which run on. */
  close(): void {
    this.quiescer.close()
    this.agents.close()
    this.comparisons.close()
    for (const machine of this.#machines.values()) machine.release()
    this.#machines.clear()
  }

  /** The living machine of that id. */
  machine(id: VmId): Machine | undefined {
    return this.#machines.get(id)
  }

  machines(): readonly Machine[] {
    return [...this.#machines.values()]
  }

  /** The living machine of that id whose start is complete. Throws `NOT_FOUND`, effect `none`. */
  running(id: VmId): Machine {
    const machine = this.#machines.get(id)
    if (machine && this.records.get(id)?.phase === 'running') return machine
    throw new PluginError('NOT_FOUND', `VM ${id} does not run on this host`, 'none')
  }

  /** The record of a VM of that installation. `undefined` when there is none; `DENIED`, effect `none`, when it is another's. */
  record(id: VmId, owner: string): VmRecord | undefined {
    const record = this.records.get(id)
    if (record && record.owner !== owner) throw new PluginError('DENIED', `VM ${id} is another installation's`, 'none')
    return record
  }

  /** QEMU processes with a socket in our data directory, by VM: also those without a record. */
  runningQemus(): ReadonlyMap<string, ProcessRef & { readonly args: readonly string[] }> {
    const prefix = `unix:${join(this.options.data, 'vms').replaceAll(',', ',,')}/`
    const idIn = (args: readonly string[]) =>
      args
        .find((arg) => arg.startsWith(prefix))
        ?.slice(prefix.length)
        .split('/')[0]
    return new Map(processesWith(prefix).map((found) => [idIn(found.args) ?? '', found]))
  }

  /** Watches a QEMU that was just started or found; `connect` is the caller's. */
  watch(record: Pick<VmRecord, 'id' | 'image' | 'boot'>, process: ProcessRef): Machine {
    const files = machineFiles(this.records.folder(record.id))
    const isAway = () => this.records.get(record.id)?.phase === 'arriving'
    const machine = new Machine({
      id: record.id,
      bare: record.image === undefined && record.boot === undefined,
      process,
      files,
      listener: this,
      isAway,
    })
    this.#machines.set(record.id, machine)
    return machine
  }

  /** Forgets a machine that is ended on purpose, so that its end is nobody's surprise. */
  unwatch(machine: Machine): void {
    machine.release()
    if (this.#machines.get(machine.id) === machine) this.#machines.delete(machine.id)
  }

  onEvent(machine: Machine, event: QmpEvent): void {
    const { log } = this.options
    if (event.event === 'STOP') void this.#resume.care(machine)
    if (event.event === 'BLOCK_IO_ERROR') log.warn({ vm: machine.id, ...event.data }, 'disk failed')
    const device = event.event === 'DEVICE_DELETED' ? event.data['device'] : undefined
    const attachment = typeof device === 'string' ? attachmentOfDevice(device) : undefined
    // A guest may let go of a disk long after the detach gave up, or without any: then nobody else closes what it was on.
    if (attachment) {
      machine.unplugging.delete(namesOf(attachment).device)
      void this.closeLater(machine, attachment)
    }
  }

  onSession(machine: Machine): void {
    void this.#resume.care(machine)
  }

  onEnd(machine: Machine): void {
    this.unwatch(machine)
    this.options.log.info({ vm: machine.id, pid: machine.process.pid }, 'machine ended')
    this.quiescer
      .forget(machine.id)
      .catch((error: unknown) => this.options.log.error({ err: error }, 'record not written'))
  }

  async #adoptOrEnd(record: VmRecord, process: ProcessRef | undefined): Promise<void> {
    const { log } = this.options
    const vm = record.id
    if (!process) return this.quiescer.forget(vm)
    const waits = record.phase === 'arriving' && record.arriving !== undefined
    if (record.phase !== 'running' && !waits) {
      log.warn({ vm, pid: process.pid, phase: record.phase }, 'ending a machine that was half started or half stopped')
      await kill(process)
      return
    }
    const machine = this.watch(record, process)
    try {
      await machine.connect(ADOPT_TIMEOUT_MS)
      await this.#closeLeftovers(machine)
      log.info({ vm, pid: process.pid }, 'machine adopted')
    } catch (error) {
      log.error({ vm, pid: process.pid, err: error }, 'machine runs but does not answer; trying on')
      void this.#adoptLater(machine)
    }
    this.quiescer.adopt(machine)
  }

  async #adoptLater(machine: Machine): Promise<void> {
    try {
      if (!machine.connected) await machine.connectEventually()
      if (machine.connected) await this.#closeLeftovers(machine)
    } catch (error) {
      this.options.log.warn({ vm: machine.id, err: error }, 'what an interrupted attach or detach left stays open')
    }
  }

  async #closeLeftovers(machine: Machine): Promise<void> {
    const { leftovers } = await machine.view(ADOPT_TIMEOUT_MS)
    for (const key of leftovers) await this.closeIfLeft(machine, key)
  }

  /** Closes what is open of an attachment without a device, when it is its turn; a failure is logged. */
  async closeLater(machine: Machine, attachment: Attachment): Promise<void> {
    try {
      await this.closeIfLeft(machine, remainsKey(attachment))
      await this.closeIfLeft(machine, remainsKey(attachment, 'second'))
    } catch (error) {
      if (!this.#machines.has(machine.id)) return
      this.options.log.warn({ vm: machine.id, ...attachment, err: error }, 'what is left of a disk stays open')
    }
  }

  /** Closes what is open of an attachment by the part that its names share, unless a device is on it. Idempotent. */
  async closeIfLeft(machine: Machine, key: string): Promise<void> {
    const call = { deadline: Date.now() + HOUSEKEEPING_MS }
    await this.locks.run(lockOfRemains(machine.id, key), call, async () => {
      const { leftovers } = await machine.view(HOUSEKEEPING_MS)
      if (!leftovers.includes(key)) return
      await removeRemains(machine, key, call)
      this.options.log.warn({ vm: machine.id, attachment: key }, 'closed what nobody else closed of a disk')
    })
  }
}

/** Key under which hot plug of one volume on one VM takes turns. */
export function diskLock(vm: VmId, volume: VolumeId): string {
  return `disk ${vm} ${volumeKey(volume)}`
}

/** The same key, from a name that the nodes and secrets of one attachment share. */
export function lockOfRemains(vm: VmId, key: string): string {
  return `disk ${vm} ${key.split('-')[0] ?? ''}`
}
