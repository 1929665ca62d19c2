import type { Source, VolumeId } from '@moorage/contract'
import { newId } from '../../check.ts'
import { dataPath, type FullProvider, provider, session, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that lie about the bytes of plain volumes. */
export const byteCheats: readonly StorageCheat[] = [
  provider(
    'hands out what others have deleted',
    'a new volume shows zeros, never the bytes of a deleted one',
    (honest) => {
      const dirt = { id: newId<'snapshot'>(), kept: false }
      return {
        volumes: {
          async create(spec, call) {
            if (!dirt.kept) return honest.volumes.create(spec, call)
            return honest.clones.clone({ kind: 'snapshot', id: dirt.id }, spec, call)
          },
          async delete(id, call) {
            const volume = await honest.volumes.get(id, call)
            if (volume && volume.usedBytes > 0 && !dirt.kept) {
              await honest.snapshots.create({ id: dirt.id, volume: id }, call)
              dirt.kept = true
            }
            await honest.volumes.delete(id, call)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            return {
              ...page,
              items: page.items.filter((item) => !(item.kind === 'snapshot' && 'id' in item && item.id === dirt.id)),
            }
          },
        },
      }
    },
  ),
  provider('serves the first volume in place of the second', 'bytes of two volumes do not mix', mixed),
  dataPath(
    'shows what lies behind the end of a write',
    'bytes written through a connection are read back, and unwritten ones are zeros',
    (bench) => ({
      provider: bench.provider,
      connect: async (connection) => {
        if (!bench.connect) throw wrong('UNSUPPORTED')
        const honest = await bench.connect(connection)
        let [end, writes] = [-1, 0]
        return session(honest, {
          async write(offset, bytes) {
            await honest.write(offset, bytes)
            writes += 1
            end = Math.max(end, offset + bytes.length)
          },
          read: async (offset, length) =>
            offset === end && writes === 2 && length === 8192
              ? new Uint8Array(length).fill(7)
              : honest.read(offset, length),
        })
      },
    }),
  ),
  provider(
    'counts bytes in 32 bits',
    'a volume of more than 4 GiB keeps its size, and its bytes where they were written',
    (honest) => {
      const short = <Sized extends { readonly bytes: number }>(one: Sized) => ({ ...one, bytes: one.bytes % 2 ** 32 })
      return {
        volumes: {
          async get(id, call) {
            const found = await honest.volumes.get(id, call)
            return found && short(found)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            return { ...page, items: page.items.map((item) => short(item)) }
          },
        },
      }
    },
  ),
  provider(
    'says that it keeps any size, and rounds',
    [
      'sizes are rounded up to the granularity, and the same odd size asked again is the same volume',
      'growth is rounded up to the granularity',
    ],
    () => ({ limits: { granularityBytes: 1 } }),
  ),
  provider(
    'says that the pool is full when it is asked for more than 4 GiB',
    'a volume of more than 4 GiB keeps its size, and its bytes where they were written',
    (honest) => ({
      volumes: {
        async create(spec, call) {
          if (spec.bytes > 2 ** 32 && spec.bytes < 2 ** 33) throw wrong('NO_SPACE')
          return honest.volumes.create(spec, call)
        },
      },
    }),
  ),
  provider(
    'counts bytes in 32 bits when a volume grows',
    'a volume of more than 4 GiB keeps its size, and its bytes where they were written',
    (honest) => ({
      resize: {
        async grow(id, bytes, call) {
          const grown = await honest.resize.grow(id, bytes, call)
          return { ...grown, bytes: grown.bytes % 2 ** 32 }
        },
      },
    }),
  ),
]
/** Only where nothing but the bytes of two volumes tells: no snapshot, no clone, no session besides. */
function mixed(honest: FullProvider): ReturnType<Parameters<typeof provider>[2]> {
  const state: { first?: VolumeId; readonly alive: Set<VolumeId>; exposed: number; copied: boolean } = {
    alive: new Set(),
    exposed: 0,
    copied: false,
  }
  const aliases = new Map<string, VolumeId>()
  const real = (source: Source): Source => {
    const { first, alive, exposed, copied } = state
    if (source.kind === 'volume' && first && source.id !== first && !copied && exposed === 0 && alive.size === 2) {
      aliases.set(source.id, first)
    }
    const id = aliases.get(source.id)
    return id ? { kind: 'volume', id } : source
  }
  return {
    volumes: {
      async create(spec, call) {
        const made = await honest.volumes.create(spec, call)
        state.first ??= spec.id
        state.alive.add(spec.id)
        return made
      },
      async delete(id, call) {
        await honest.volumes.delete(id, call)
        state.alive.delete(id)
      },
    },
    access: {
      async expose(exposure, call) {
        const connection = await honest.access.expose({ ...exposure, source: real(exposure.source) }, call)
        state.exposed += 1
        return connection
      },
      async withdraw(access, call) {
        const id = aliases.get(access.source.id)
        await honest.access.withdraw(id ? { ...access, source: { kind: 'volume', id } } : access, call)
        state.exposed -= 1
      },
    },
    snapshots: {
      create(spec, call) {
        state.copied = true
        return honest.snapshots.create(spec, call)
      },
    },
    groupSnapshots: {
      async prepare(group, members, call) {
        state.copied = true
        await honest.groupSnapshots.prepare(group, members, call)
      },
    },
  }
}
