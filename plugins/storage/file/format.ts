import { open, stat } from 'node:fs/promises'
import type { Call } from '@moorage/contract'
import { refuse, run, sync, unlessAbsent } from '@moorage/files'

/** Whether the space of a volume is taken when it is written, or all of it when it is made, and grown. */
export const PREALLOCATIONS = ['none', 'full'] as const
/** A name in `PREALLOCATIONS`. */
export type Preallocation = (typeof PREALLOCATIONS)[number]

/** How a file is made, or grown. */
export interface Making {
  readonly bytes: number
  readonly preallocation: Preallocation
  readonly call: Call
}

/** How the bytes of a volume lie in a file. */
export interface Format {
  readonly name: 'raw' | 'qcow2'
  /** Makes a file that reads as zeros. */
  make(path: string, making: Making): Promise<void>
  /** The size that a consumer sees; `undefined` when the file is not there. */
  bytesOf(path: string): Promise<number | undefined>
  /** With `full` also what was not written before takes its space. */
  grow(path: string, making: Making): Promise<void>
}

/**
 * Takes the space of a file ahead, with `full`. What it shares with others, as a clone with its source, stays shared, and takes its own
 * when it is written. Throws `NO_SPACE` where there is too little, `UNSUPPORTED` where the file system cannot.
 */
export async function allocate(path: string, { bytes, preallocation, call }: Making): Promise<void> {
  if (preallocation === 'none') return
  try {
    await run('fallocate', ['--length', String(bytes), path], call)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (/No space left|quota/i.test(error.message)) throw refuse('NO_SPACE', error.message)
    if (/not supported/i.test(error.message))
      throw refuse('UNSUPPORTED', 'preallocation: the file system of the directory cannot take space ahead')
    throw error
  }
}

/** The bytes themselves, with holes. */
export const raw: Format = {
  name: 'raw',
  async make(path, making) {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.truncate(making.bytes)
    } finally {
      await file.close()
    }
    await allocate(path, making)
  },
  bytesOf: async (path) => (await unlessAbsent(stat(path)))?.size,
  async grow(path, making) {
    // First the space: where there is none, nothing has grown.
    await allocate(path, making)
    const file = await open(path, 'r+')
    try {
      await file.truncate(making.bytes)
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
  async make(path, { bytes, preallocation, call }) {
    const options = preallocation === 'full' ? ['-o', 'preallocation=falloc'] : []
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, path, String(bytes)], call)
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
  async grow(path, { bytes, preallocation, call }) {
    const options = preallocation === 'full' ? ['--preallocation=falloc'] : []
    await run('qemu-img', ['resize', '-q', '-f', 'qcow2', ...options, path, String(bytes)], call)
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
