import { constants } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'

/** A file as it is. */
export interface Measured {
  readonly bytes: number
  /** Bytes that take up room; those that clones share are counted in each. */
  readonly usedBytes: number
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/** An entry of the pool's directory tree. */
export interface PoolEntry extends Measured {
  /** Path below the pool. */
  readonly name: string
}

/** Less free than this is full: XFS needs room for what it writes to give room back. */
const RESERVE_BYTES = 64 * 1024 * 1024
const DRAFT = '.draft'

/**
 * The files of a pool. Each owner has a directory of its own, which is the ownership mark: what lies elsewhere is
 * foreign. Files appear under their name only when they are whole and on disk; clones share their blocks (reflink).
 */
export class PoolFiles {
  readonly root: string
  constructor(root: string) {
    this.root = root
  }

  volume(owner: string, id: VolumeId): string {
    return `${owner}/volumes/${id}.raw`
  }

  /** A snapshot's name tells its volume, so that it can be told from the file alone. */
  snapshot(owner: string, id: SnapshotId, volume: VolumeId): string {
    return `${owner}/snapshots/${id}@${volume}.raw`
  }

  path(name: string): string {
    return join(this.root, name)
  }

  /** Makes a file of `bytes` that reads as zeros. */
  async make(name: string, bytes: number): Promise<void> {
    await this.#appear(name, async (draft) => {
      const file = await open(draft, 'wx', 0o600)
      await file.truncate(bytes)
      await file.sync()
      await file.close()
    })
  }

  /**
   * Makes, or replaces at once, a file with what another holds at this moment, grown to `bytes` if that is more. What was
   * written to `from` and acknowledged is in it: acknowledged writes are in the page cache at least, which is where a
   * clone is taken from; the kernel holds further writes until the clone is complete.
   */
  async clone(from: string, name: string, bytes?: number): Promise<void> {
    await this.#appear(name, async (draft) => {
      await copyFile(this.path(from), draft, constants.COPYFILE_FICLONE_FORCE)
      const file = await open(draft, 'r+')
      if (bytes !== undefined && bytes > (await file.stat()).size) await file.truncate(bytes)
      await file.sync()
      await file.close()
    })
  }

  async grow(name: string, bytes: number): Promise<void> {
    const file = await open(this.path(name), 'r+')
    // Never shorter, if somebody has made it longer than it was asked to be.
    if ((await file.stat()).size < bytes) await file.truncate(bytes)
    await file.sync()
    await file.close()
  }

  /** Removes a file; one that is not there is removed already. */
  async remove(name: string): Promise<void> {
    await rm(this.path(name), { force: true })
  }

  /** `undefined` when it is not there. */
  async measure(name: string): Promise<Measured | undefined> {
    try {
      const { size, blocks, birthtimeMs } = await stat(this.path(name))
      return { bytes: size, usedBytes: blocks * 512, createdAt: Math.round(birthtimeMs) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined // fs throws system errors only.
      throw error
    }
  }

  /** Every file of the pool but drafts, which belong to a call under way. */
  async list(): Promise<readonly PoolEntry[]> {
    const entries = await readdir(this.root, { recursive: true, withFileTypes: true })
    const found: PoolEntry[] = []
    for (const entry of entries) {
      if (entry.isDirectory() || entry.name.endsWith(DRAFT)) continue
      const name = join(entry.parentPath, entry.name).slice(this.root.length + 1)
      const measured = await this.measure(name)
      if (measured) found.push({ name, ...measured })
    }
    return found
  }

  /** Removes drafts of calls that were cut short. */
  async removeDrafts(): Promise<void> {
    for (const name of await readdir(this.root, { recursive: true })) {
      if (name.endsWith(DRAFT)) await this.remove(name)
    }
  }

  async space(): Promise<{ readonly totalBytes: number; readonly usedBytes: number }> {
    const { bsize, blocks, bavail } = await statfs(this.root)
    return { totalBytes: blocks * bsize, usedBytes: (blocks - bavail) * bsize }
  }

  /** Throws `NO_SPACE`, effect `none`, when the pool is full, or smaller than `bytes`. Volumes are thin otherwise. */
  async checkRoom(bytes: number): Promise<void> {
    const { totalBytes, usedBytes } = await this.space()
    if (bytes > totalBytes) throw new PluginError('NO_SPACE', `${bytes} bytes exceed the pool of ${totalBytes}`, 'none')
    if (totalBytes - usedBytes < RESERVE_BYTES) {
      throw new PluginError('NO_SPACE', `the pool is full: ${usedBytes} of ${totalBytes} bytes are in use`, 'none')
    }
  }

  async #appear(name: string, write: (draft: string) => Promise<void>): Promise<void> {
    const path = this.path(name)
    const draft = `${path}${DRAFT}`
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await rm(draft, { force: true })
      await write(draft)
      await rename(draft, path)
      const directory = await open(dirname(path))
      await directory.sync()
      await directory.close()
    } catch (error) {
      await rm(draft, { force: true })
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error // fs throws system errors only.
      throw new PluginError('NO_SPACE', `no room for ${name}`, 'none', error)
    }
  }
}
