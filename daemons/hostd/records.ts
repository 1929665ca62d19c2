import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PluginError, type VmId, type VolumeId } from '@moorage/contract'
import { sync, textOf, writeDurably } from '@moorage/files'
import { HIGHEST_GENERATION, type Side } from './names.ts'
import type { ProcessRef } from './qemu-process.ts'

/** The highest generation and fence seen for one volume on one VM. */
export interface DiskRecord {
  readonly generation: number
  readonly fence: number
}

/** A mirror that was begun. */
export interface MirrorRecord {
  readonly id: string
  /** Where the disk is to go on. */
  readonly to: Side
  /** `same`: both sides were compared, and are kept the same. `switching`: QEMU was asked, or is about to be. */
  readonly phase: 'copying' | 'same' | 'switching'
}

/** A freeze that was begun. It stays until the thaw is asked for, even when the dead-man came first. */
export interface FreezeRecord {
  /** Key of the call that asked, to know it again. */
  readonly key: string
  /** Epoch milliseconds. */
  readonly since: number
  /** Epoch milliseconds at which the dead-man thaws. */
  readonly until: number
  /** Process that thaws when this one no longer can; absent where there is no guest to thaw. */
  readonly deadMan?: ProcessRef
  /** How many file systems hold; absent until the guest has answered. */
  readonly filesystems?: number
  /** Epoch milliseconds at which the dead-man thawed. */
  readonly endedByDeadMan?: number
}

/** The answer to the last thaw, given again to the same call. */
export interface ThawRecord {
  readonly key: string
  readonly held: boolean
  readonly frozenMs: number
}

/** What outlives this process and QEMU: what was asked for, and the fences. What a machine has is asked of QEMU. */
export interface VmRecord {
  readonly id: VmId
  /** The installation that started it. */
  readonly owner: string
  readonly name: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly image?: string
  /** It boots from its disk of device id 0. */
  readonly boot?: 'disk'
  /**
   * `running` from when a start was complete until a stop was accepted. A QEMU found in any other phase is half of a start
   * or of a stop: it is ended. `arriving`: prepared for a machine that comes from another host, until it has arrived.
   */
  readonly phase: 'starting' | 'arriving' | 'running' | 'stopped'
  /** Where QEMU waits for the machine that comes; there once it does. */
  readonly arriving?: string
  /** Where the machine is being sent, or was. */
  readonly sending?: string
  /** It has arrived or was taken back, and QEMU has not been told yet. */
  readonly activate?: true
  /** The highest fence seen for the machine. */
  readonly fence: number
  readonly disks: Readonly<Record<VolumeId, DiskRecord>>
  /** The last mirror of each disk; forgotten when the machine is started anew. */
  readonly mirrors?: Readonly<Record<VolumeId, MirrorRecord>>
  readonly freeze?: FreezeRecord
  readonly thawed?: ThawRecord
}

/** A stopped VM's fences outlive any late duplicate by far after this long. */
const FORGET_AFTER_MS = 30 * 24 * 3_600_000
const FILE = 'record.json'

/** Records of all VMs, on disk before they are seen. */
export class VmRecords {
  readonly #directory: string
  readonly #records = new Map<VmId, VmRecord>()
  readonly #writing = new Map<VmId, Promise<unknown>>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Reads what is there, and forgets VMs that were stopped long ago. */
  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name, FILE)
      const text = await textOf(path)
      if (text === undefined) continue
      const record = JSON.parse(text) as VmRecord // Only `write` below makes these files.
      const { mtimeMs } = await stat(path)
      if (record.phase === 'stopped' && Date.now() - mtimeMs > FORGET_AFTER_MS)
        await rm(this.folder(record.id), { recursive: true })
      else this.#records.set(record.id, record)
    }
  }

  /** Where a VM keeps its files: record, sockets, logs. */
  folder(id: VmId): string {
    return join(this.#directory, id)
  }

  get(id: VmId): VmRecord | undefined {
    return this.#records.get(id)
  }

  all(): readonly VmRecord[] {
    return [...this.#records.values()]
  }

  /**
   * Replaces a record by what `change` makes of it; resolves when that is on disk. `change` sees the record as it is when
   * its turn comes, and may throw to leave it. Returning the same record writes nothing.
   */
  async update(id: VmId, change: (record: VmRecord | undefined) => VmRecord): Promise<VmRecord> {
    const turn = (this.#writing.get(id) ?? Promise.resolve()).then(async () => {
      const before = this.#records.get(id)
      const after = change(before)
      if (after !== before) await this.#write(after)
      return after
    })
    const settled = turn.catch(() => {})
    this.#writing.set(id, settled)
    try {
      return await turn
    } finally {
      if (this.#writing.get(id) === settled) this.#writing.delete(id)
    }
  }

  async #write(record: VmRecord): Promise<void> {
    if (!this.#records.has(record.id)) {
      await mkdir(this.folder(record.id), { recursive: true, mode: 0o700 })
      await sync(this.#directory)
    }
    await writeDurably(join(this.folder(record.id), FILE), JSON.stringify(record))
    this.#records.set(record.id, record)
  }
}

/** The record after a call on the machine with that fence. Throws `FENCED`, effect `none`. */
export function admitMachineCall(record: VmRecord, fence: number): VmRecord {
  if (fence < record.fence) refuseFence(`VM ${record.id}`, fence, record.fence)
  return fence === record.fence ? record : { ...record, fence }
}

/**
 * The record after a call on one disk with that generation and fence. Calls on other disks do not fence it, later calls on
 * the machine do: what was meant for a run of the machine that is over must not reach the next. Throws `FENCED`, effect
 * `none`.
 */
export function admitDiskCall(
  record: VmRecord,
  disk: { readonly volume: VolumeId; readonly generation?: number },
  fence: number,
): VmRecord {
  const seen = record.disks[disk.volume] ?? { generation: 0, fence: 0 }
  const generation = disk.generation ?? seen.generation
  const what = `volume ${disk.volume} on VM ${record.id}`
  if (generation > HIGHEST_GENERATION) throw new PluginError('INVALID', `generation ${generation} is too high`, 'none')
  if (generation < seen.generation) {
    throw new PluginError('FENCED', `${what}: generation ${generation} is over, ${seen.generation} was seen`, 'none')
  }
  const highest = Math.max(seen.fence, record.fence)
  if (fence < highest) refuseFence(what, fence, highest)
  if (record.disks[disk.volume] && generation === seen.generation && fence === seen.fence) return record
  return { ...record, disks: { ...record.disks, [disk.volume]: { generation, fence } } }
}

function refuseFence(what: string, fence: number, seen: number): never {
  throw new PluginError('FENCED', `${what}: fence ${fence} is over, ${seen} was seen`, 'none')
}
