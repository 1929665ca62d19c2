import { open, stat } from 'node:fs/promises'
import type { Call } from '@moorage/contract'
import { run, sync, unlessAbsent } from '@moorage/files'

/** How the bytes of a volume lie in a file. */
export interface Format {
  readonly name: 'raw' | 'qcow2'
  /** Makes a file that reads as zeros. */
  make(path: string, bytes: number, call: Call): Promise<void>
  /** The size that a consumer sees; `undefined` when the file is not there. */
  bytesOf(path: string): Promise<number | undefined>
  grow(path: string, bytes: number, call: Call): Promise<void>
}

/** The bytes themselves, with holes. */
export const raw: Format = {
  name: 'raw',
  async make(path, bytes) {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.truncate(bytes)
    } finally {
      await file.close()
    }
  },
  bytesOf: async (path) => (await unlessAbsent(stat(path)))?.size,
  async grow(path, bytes) {
    const file = await open(path, 'r+')
    try {
      await file.truncate(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  },
}

/** Offset of the size, 64 bits big-endian, in the header of an image (QEMU's docs/interop/qcow2.txt). */
const SIZE_AT = 24

/** QEMU's own format. Its files never have a backing file. */
export const qcow2: Format = {
  name: 'qcow2',
  async make(path, bytes, call) {
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(bytes)], call)
  },
  async bytesOf(path) {
    const file = await unlessAbsent(open(path, 'r'))
    if (!file) return undefined
    try {
      const header = Buffer.alloc(SIZE_AT + 8)
      const { bytesRead } = await file.read(header, 0, header.length, 0)
      if (bytesRead < header.length || header.toString('latin1', 0, 4) !== 'QFI\xfb') {
        throw new Error(`${path} is no qcow2 image`)
      }
      return Number(header.readBigUInt64BE(SIZE_AT))
    } finally {
      await file.close()
    }
  },
  async grow(path, bytes, call) {
    await run('qemu-img', ['resize', '-q', '-f', 'qcow2', path, String(bytes)], call)
    await sync(path)
  },
}

/** Whether a machine or a tool of QEMU writes to the image now, on any host: they hold locks on it (`file.locking`). */
export async function isWritten(path: string, format: Format, call: Call): Promise<boolean> {
  try {
    await run('qemu-img', ['info', '-f', format.name, path], call)
    return false
  } catch (error) {
    if (error instanceof Error && /Failed to get (shared )?"\w+" lock/.test(error.message)) return true
    throw error
  }
}
