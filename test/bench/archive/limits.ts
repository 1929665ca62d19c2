import { hash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { constants, zstdCompressSync } from 'node:zlib'
import type { Image } from './image.ts'

const MIB = 1024 * 1024
/** No more of them than the image has. */
const MOST_SAMPLES = 256

/** Seconds that the parts of the work take on all cores together, each measured alone on parts of the image itself. */
export interface Limits {
  readonly seconds: number
  readonly note: string
}

/** Reads, hashes, compresses and writes samples of the image one after the other, and multiplies. */
export function measureLimits({ path, bytes }: Image, to: string): Limits {
  const samples: Buffer[] = []
  const count = Math.min(MOST_SAMPLES, Math.floor(bytes / MIB))
  const file = openSync(path, 'r')
  const step = Math.floor(bytes / MIB / count)
  let [readMs, zeros] = [0, 0]
  for (let at = 0; at < count; at += 1) {
    const buffer = Buffer.allocUnsafe(MIB)
    readMs += ms(() => readSync(file, buffer, 0, MIB, at * step * MIB))
    if (buffer.equals(Buffer.alloc(MIB))) zeros += 1
    else samples.push(buffer)
  }
  closeSync(file)
  const data = (samples.length / count) * (bytes / MIB)
  const hashMs = ms(() => samples.forEach((one) => hash('sha256', one)))
  const packed: Buffer[] = []
  const params = { [constants.ZSTD_c_compressionLevel]: 3 }
  const zstdMs = ms(() => {
    for (const one of samples) packed.push(zstdCompressSync(one, { params, chunkSize: MIB + MIB / 64 }))
  })
  const writeMs = ms(() => {
    const out = openSync(to, 'w')
    for (const one of packed) writeSync(out, one)
    fsyncSync(out)
    closeSync(out)
  })
  rmSync(to)
  const parts = { read: readMs / count, 'SHA-256': hashMs / samples.length, 'zstd -3': zstdMs / samples.length }
  const each = { ...parts, write: writeMs / samples.length }
  const seconds = (Object.values(each).reduce((sum, part) => sum + part, 0) * data) / 1000 / availableParallelism()
  const rates = Object.entries(each).map(([name, part]) => `${name} ${Math.round(1000 / part)}`)
  return { seconds, note: `MiB/s on one core: ${rates.join(', ')}; ${zeros} of ${count} samples are zeros` }
}

function ms(work: () => unknown): number {
  const began = performance.now()
  work()
  return performance.now() - began
}
