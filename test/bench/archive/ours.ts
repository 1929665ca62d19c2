import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { newKey } from '@moorage/archive-format'
import type { ArchiveAccess, ArchiveTask, Extent, MoverJobId, SnapshotId, VolumeId } from '@moorage/contract'
import { moverCall, type TestMover } from '@moorage/mover/testing'
import type { Image } from './image.ts'
import { type Measured, measureProcess } from './measure.ts'
import { mibOf } from './peers.ts'

/** The mover's daemon, as the controller uses it, on an archive in a directory. */
export class Ours {
  readonly #mover: TestMover
  readonly #directory: string
  readonly #volume = randomUUID() as string as VolumeId // An id is a UUID.
  #archive: ArchiveAccess | undefined
  #last: SnapshotId | undefined

  constructor(mover: TestMover, directory: string) {
    this.#mover = mover
    this.#directory = directory
  }

  /** Makes the archive. */
  async prepare(how: 'encrypted' | 'in clear'): Promise<void> {
    mkdirSync(this.#directory)
    const endpoint = { url: pathToFileURL(this.#directory).href, settings: {}, owner: 'bench' }
    this.#archive = { plugin: 'directory', endpoint, ...(how === 'encrypted' && { key: newKey() }) }
    await this.#mover.mover.prepare(this.#archive, {}, moverCall())
  }

  /** The task that stores the image as it is now: all of it, or what has changed since the last. */
  task(image: Image, changes?: readonly Extent[]): ArchiveTask {
    const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
    const since = changes && this.#last !== undefined ? { base: this.#last, changes } : {}
    this.#last = snapshot
    const source = { via: 'file', path: image.path, format: 'raw' } as const
    return { ...this.#ids(), kind: 'archive', snapshot, volume: this.#volume, source, takenAt: Date.now(), ...since }
  }

  store(image: Image, changes?: readonly Extent[]): Promise<Measured> {
    const task = this.task(image, changes)
    return measureProcess(this.#mover.pid, () => this.#mover.run(task))
  }

  async restore(image: Image, to: string): Promise<Measured> {
    if (this.#last === undefined) throw new Error('nothing is stored')
    writeFileSync(to, '')
    truncateSync(to, image.bytes)
    const target = { via: 'file', path: to, format: 'raw' } as const
    const task = { ...this.#ids(), kind: 'restore', snapshot: this.#last, target, blank: true } as const
    return measureProcess(this.#mover.pid, () => this.#mover.run(task))
  }

  /** Throws unless every byte of the archive is right. */
  async verify(): Promise<void> {
    const { result } = await this.#mover.run({ ...this.#ids(), kind: 'verify' })
    if (result.kind !== 'verify' || result.damaged > 0) throw new Error('the archive does not verify')
  }

  storedMib(): number {
    return mibOf(this.#directory)
  }

  /** Bytes of packs, and of what was on its way when its sender was killed. */
  sentBytes(): number {
    const all = [join(this.#directory, 'packs'), join(this.#directory, '.moorage-archive', 'drafts')]
    return all.reduce((sum, folder) => sum + sizeOf(folder), 0)
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true })
  }

  #ids() {
    if (!this.#archive) throw new Error('not prepared')
    return { id: randomUUID() as string as MoverJobId, archive: this.#archive } // An id is a UUID.
  }
}

function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}
