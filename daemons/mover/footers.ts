import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FooterCache } from '@moorage/archive-format'
import { unlessAbsent } from '@moorage/files'

const ID_BYTES = 32
const HEAD_BYTES = ID_BYTES + 4

/** Footers of the packs of an archive in a file: ids, lengths, footers, one behind the other. */
export interface FooterFile extends FooterCache {
  /** Adds what was put. What cannot be kept is read again next time. */
  save(): Promise<void>
}

/** Opens the file of an archive in `directory`. What is not whole in it is left out; what is wrong in it is found by its reader. */
export async function openFooters(directory: string, archive: string): Promise<FooterFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, archive)
  const kept = new Map<string, Uint8Array>()
  const whole = (await unlessAbsent(readFile(path))) ?? Buffer.alloc(0)
  for (let at = 0; at + HEAD_BYTES <= whole.length;) {
    const end = at + HEAD_BYTES + whole.readUInt32LE(at + ID_BYTES)
    if (end > whole.length) break
    kept.set(whole.toString('hex', at, at + ID_BYTES), whole.subarray(at + HEAD_BYTES, end))
    at = end
  }
  const fresh: Uint8Array[] = []
  return {
    get: (pack) => kept.get(pack),
    put: (pack, footer) => {
      const head = Buffer.alloc(HEAD_BYTES)
      head.write(pack, 'hex')
      head.writeUInt32LE(footer.length, ID_BYTES)
      fresh.push(head, Buffer.from(footer))
    },
    save: () => appendFile(path, Buffer.concat(fresh.splice(0)), { mode: 0o600 }),
  }
}
