import { type FileHandle, open } from 'node:fs/promises'
import { PluginError } from '@moorage/contract'
import { isZero } from '@moorage/archive-format'
import type { EndAddress } from './ends.ts'
import { NbdClient } from './nbd.ts'

/** One thread's way to an end. */
export interface Port {
  /** Fills `into` with the bytes at `offset`. Never fewer: a source that ends early is `CONFLICT`. */
  read(offset: number, into: Buffer): Promise<void>
  write(offset: number, bytes: Buffer): Promise<void>
  /** Makes a run read as zeros. */
  zero(offset: number, length: number): Promise<void>
  /** Resolves once all that was written is durable. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Runs of zeros of this length inside a chunk are left out of a file that reads as zeros. */
const GRAIN_BYTES = 64 * 1024

/** Opens an end in the thread that uses it. */
export async function openPort(address: EndAddress, use: 'read' | 'write'): Promise<Port> {
  if (address.kind === 'nbd') return NbdClient.connect(address.nbd)
  return filePort(await open(address.path, use === 'read' ? 'r' : 'r+'), address.path)
}

function filePort(file: FileHandle, path: string): Port {
  return {
    read: async (offset, into) => {
      for (let at = 0; at < into.length;) {
        const { bytesRead } = await file.read(into, at, into.length - at, offset + at)
        if (bytesRead === 0)
          throw new PluginError('CONFLICT', `${path} ends at ${offset + at}, while it is read`, 'none')
        at += bytesRead
      }
    },
    write: async (offset, bytes) => {
      for (const [from, to] of dataRuns(bytes)) {
        for (let at = from; at < to;) at += (await file.write(bytes, at, to - at, offset + at)).bytesWritten
      }
    },
    // It was blank when it was opened.
    zero: async () => {},
    flush: () => file.sync(),
    close: () => file.close(),
  }
}

/** Runs of whole grains that are not all zeros. */
function dataRuns(bytes: Buffer): readonly (readonly [from: number, to: number])[] {
  const runs: [number, number][] = []
  for (let at = 0; at < bytes.length; at += GRAIN_BYTES) {
    const to = Math.min(bytes.length, at + GRAIN_BYTES)
    if (isZero(bytes.subarray(at, to))) continue
    const last = runs.at(-1)
    if (last?.[1] === at) last[1] = to
    else runs.push([at, to])
  }
  return runs
}
