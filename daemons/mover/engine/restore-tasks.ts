import { decodeChunk, release } from '@moorage/archive-format'
import { PluginError } from '@moorage/contract'
import type { EndAddress } from '../ends/ends.ts'
import { openPort } from '../ends/port.ts'
import type { WorkerStart } from './pool.ts'

/** What a worker of a restore job is started with. */
export interface RestoreStart extends WorkerStart {
  readonly role: 'restore'
  readonly target: EndAddress
  readonly idKey: Uint8Array | undefined
}

/** A chunk in the bytes of a task. */
export interface StoredChunk {
  readonly id: Uint8Array
  /** Where it begins in the task's bytes. */
  readonly from: number
  readonly length: number
  readonly plainBytes: number
  readonly crc: number
  readonly number: number
  /** Where its bytes go. */
  readonly offsets: readonly number[]
}

/** What a worker does: writes chunks, writes zeros, or makes durable what it wrote. */
export type RestoreTask =
  | {
      readonly do: 'write'
      readonly object: string
      readonly key: Uint8Array | undefined
      readonly bytes: Uint8Array
      readonly chunks: readonly StoredChunk[]
    }
  | { readonly do: 'zero'; readonly offset: number; readonly length: number }
  | { readonly do: 'flush' }

/** A worker that opens chunks, checks them, and writes them where they belong. Nothing is written that was not checked. */
export async function newRestorer({ target, idKey }: RestoreStart) {
  const port = await openPort(target, 'write')
  const write = async (task: Extract<RestoreTask, { do: 'write' }>): Promise<number> => {
    let written = 0
    for (const chunk of task.chunks) {
      const stored = task.bytes.subarray(chunk.from, chunk.from + chunk.length)
      const { buffer, byteOffset, byteLength } = open(stored, { ...chunk, key: task.key, idKey }, task.object)
      const plain = Buffer.from(buffer, byteOffset, byteLength)
      for (const offset of chunk.offsets) await port.write(offset, plain)
      written += plain.length * chunk.offsets.length
      if (buffer !== task.bytes.buffer) release(plain)
    }
    release(task.bytes)
    return written
  }
  return {
    run: async (body: unknown): Promise<number> => {
      const task = body as RestoreTask // Our own main thread sends it.
      if (task.do === 'write') return write(task)
      if (task.do === 'zero') await port.zero(task.offset, task.length)
      else await port.flush()
      return 0
    },
    end: () => port.close(),
  }
}

function open(stored: Uint8Array, expected: Parameters<typeof decodeChunk>[1], object: string): Uint8Array {
  try {
    return decodeChunk(stored, expected)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const chunk = Buffer.from(expected.id).toString('hex')
    throw new PluginError('DAMAGED', `${object}: chunk ${chunk}: ${why}`, 'possible', error)
  }
}
