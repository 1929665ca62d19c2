import type { StorageProvider } from '@moorage/contract'
import type { StorageBench } from '../../storage/subject.ts'
import { dataPath, session, type StorageCheat, wrong } from '../cheat.ts'

/** A block that only who reads everything reads. */
const HIDDEN = 1_310_720
const BLOCK_BYTES = 4096

/** Providers that lose one block: who tries a few places does not notice. */
export const blockCheats: readonly StorageCheat[] = [
  dataPath(
    'loses a block when a volume grows',
    'every byte of a volume is what it was after it has grown',
    spoilt((honest, spoil) => ({
      ...honest,
      ...(honest.resize && {
        resize: {
          grow(id, bytes, call) {
            spoil()
            return honest.resize?.grow(id, bytes, call) ?? Promise.reject(wrong('UNSUPPORTED'))
          },
        },
      }),
    })),
  ),
  dataPath(
    'loses a block when it deletes a snapshot',
    'deleting snapshots leaves every byte of their volume as it was',
    spoilt((honest, spoil) => ({
      ...honest,
      ...(honest.snapshots && {
        snapshots: {
          ...honest.snapshots,
          delete(id, call) {
            spoil()
            return honest.snapshots?.delete(id, call) ?? Promise.reject(wrong('UNSUPPORTED'))
          },
        },
      }),
    })),
  ),
  dataPath(
    'loses a block when it reverts',
    'every byte of a volume is that of the snapshot after a revert',
    spoilt((honest, spoil) => ({
      ...honest,
      ...(honest.revert && {
        revert: {
          revert(volume, to, call) {
            spoil()
            return honest.revert?.revert(volume, to, call) ?? Promise.reject(wrong('UNSUPPORTED'))
          },
        },
      }),
    })),
  ),
  dataPath(
    'writes at offsets of 32 bits',
    'a volume of more than 4 GiB keeps its size, and its bytes where they were written',
    (bench) => ({
      provider: bench.provider,
      async connect(connection) {
        if (!bench.connect) throw wrong('UNSUPPORTED')
        const disk = await bench.connect(connection)
        return session(disk, {
          write: (offset, bytes) => disk.write(offset % 2 ** 32, bytes),
          read: (offset, length) => disk.read(offset % 2 ** 32, length),
        })
      },
    }),
  ),
]

/** Once spoilt, the hidden block reads as zeros. */
function spoilt(
  change: (honest: StorageProvider, spoil: () => void) => StorageProvider,
): (bench: StorageBench) => Pick<StorageBench, 'provider' | 'connect'> {
  return (bench) => {
    let lost = false
    return {
      provider: change(bench.provider, () => (lost = true)),
      async connect(connection) {
        if (!bench.connect) throw wrong('UNSUPPORTED')
        const disk = await bench.connect(connection)
        return session(disk, {
          async read(offset, length) {
            const seen = Uint8Array.from(await disk.read(offset, length))
            const at = HIDDEN - offset
            if (lost && at >= 0 && at < length) seen.fill(0, at, at + BLOCK_BYTES)
            return seen
          },
        })
      },
    }
  }
}
