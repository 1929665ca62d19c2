import type { BackendSnapshot, Exposure, InventoryItem, SnapshotId, VolumeId } from '@moorage/contract'
import { newId } from '../../check.ts'
import {
  dataPath,
  despite,
  type FullProvider,
  provider,
  session,
  type StorageCheat,
  unfenced,
  wrong,
} from '../cheat.ts'

/** Providers that lie about snapshots. */
export const snapshotCheats: readonly StorageCheat[] = [
  provider(
    'takes the time of a snapshot when it is asked for it',
    'a snapshot is taken, found again by its id, and listed with its volume',
    (honest) => ({
      snapshots: {
        create: async (spec, call) => ({ ...(await honest.snapshots.create(spec, call)), usedBytes: -1 }),
      },
    }),
  ),
  provider(
    'takes a snapshot anew when it is asked for the same one again',
    'taking a snapshot again answers the first point in time',
    (honest) => {
      const taken = new Map<SnapshotId, BackendSnapshot>()
      return {
        snapshots: {
          async create(spec, call) {
            const known = taken.get(spec.id)
            const volume = known && (await honest.volumes.get(known.volume, call))
            // The answer is the first one; only the bytes are new.
            if (known && volume?.bytes === known.bytes && known.volume === spec.volume) {
              await honest.snapshots.delete(spec.id, call)
              await honest.snapshots.create(spec, call)
              return known
            }
            const snapshot = await honest.snapshots.create(spec, call)
            taken.set(spec.id, snapshot)
            return snapshot
          },
        },
      }
    },
  ),
  provider(
    'answers each of many that ask at once with a time of its own',
    'ten simultaneous snapshots of one id are one',
    (honest) => {
      let asking = 0
      return {
        snapshots: {
          async create(spec, call) {
            const at = ++asking
            try {
              const snapshot = await honest.snapshots.create(spec, call)
              return { ...snapshot, takenAt: snapshot.takenAt + at - 1 }
            } finally {
              asking -= 1
            }
          },
        },
      }
    },
  ),
  provider(
    'answers with the snapshot that it has of another volume',
    'the id of a snapshot asked for another volume is refused as CONFLICT and changes nothing',
    (honest) => ({
      snapshots: {
        create: (spec, call) =>
          despite(
            'CONFLICT',
            () => honest.snapshots.create(spec, call),
            async (error) => {
              const there = await honest.snapshots.get(spec.id, call)
              if (there) return there
              throw error
            },
          ),
      },
    }),
  ),
  provider(
    'calls a snapshot of nothing invalid',
    'a snapshot of a volume that is not there is refused as NOT_FOUND',
    (honest, stranger) => ({
      snapshots: {
        create: (spec, call) =>
          despite(
            'NOT_FOUND',
            () => honest.snapshots.create(spec, call),
            async (error) => {
              if (await stranger.volumes.get(spec.volume, call)) throw error
              throw wrong('INVALID')
            },
          ),
      },
    }),
  ),
  provider(
    'refuses the retry of a delete of a snapshot',
    'a deleted snapshot is gone, and deleting it again succeeds',
    (honest) => {
      const deleted = new Set<string>()
      return {
        snapshots: {
          async delete(id, call) {
            if (deleted.has(`${id} ${call.key}`)) throw wrong('NOT_FOUND')
            await honest.snapshots.delete(id, call)
            deleted.add(`${id} ${call.key}`)
          },
        },
      }
    },
  ),
  dataPath(
    'lets what is written anew into the snapshot',
    'a snapshot does not change while its volume is written',
    (bench) => {
      let anew = false
      return {
        provider: bench.provider,
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          return session(disk, {
            async write(offset, bytes) {
              await disk.write(offset, bytes)
              // Blocks beyond what was there when the snapshot was taken.
              if (offset === 196_608) anew = true
            },
            async read(offset, length) {
              const bytes = await disk.read(offset, length)
              if (anew && offset === 0 && length > 196_608) bytes.fill(7, 196_608, 196_609)
              return bytes
            },
          })
        },
      }
    },
  ),
  provider(
    'takes a snapshot anew now and then',
    'a snapshot shows the same bytes however often it is read and whatever is written meanwhile',
    (honest) => {
      const taken = new Map<string, { readonly volume: VolumeId; reads: number }>()
      const { access, snapshots } = anew(honest, ({ source }) => {
        const known = taken.get(source.id)
        return known && ++known.reads === 3 ? known.volume : undefined
      })
      return {
        access,
        snapshots: {
          ...snapshots,
          async create(spec, call) {
            const snapshot = await honest.snapshots.create(spec, call)
            if (!taken.has(spec.id)) taken.set(spec.id, { volume: spec.volume, reads: 0 })
            return snapshot
          },
        },
      }
    },
  ),
  dataPath(
    'shows an open snapshot what is written',
    'an exposed snapshot does not change while its volume is written',
    (bench) => {
      const state = { views: 0, leaked: new Uint8Array(0) }
      const { provider: honest } = bench
      const snapshots = new Set<string>()
      return {
        provider: {
          ...honest,
          access: {
            ...honest.access,
            async expose(exposure, call) {
              const connection = await honest.access.expose(exposure, call)
              if (exposure.source.kind === 'snapshot') snapshots.add(JSON.stringify(connection))
              return connection
            },
          },
        },
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          if (!snapshots.has(JSON.stringify(connection))) {
            return session(disk, {
              async write(offset, bytes) {
                await disk.write(offset, bytes)
                if (state.views > 0) state.leaked = bytes.slice()
              },
            })
          }
          state.views += 1
          return {
            write: (offset, bytes) => disk.write(offset, bytes),
            async read(offset, length) {
              const honestly = await disk.read(offset, length)
              return state.leaked.length >= offset + length ? state.leaked.slice(offset, offset + length) : honestly
            },
            async close() {
              state.views -= 1
              state.leaked = new Uint8Array(0)
              await disk.close()
            },
          }
        },
      }
    },
  ),
  provider(
    'shows the size of the volume as that of its snapshot',
    'a snapshot keeps its size when its volume grows',
    (honest) => {
      let reverted = false
      return {
        revert: {
          revert(volume, to, call) {
            reverted = true
            return honest.revert.revert(volume, to, call)
          },
        },
        snapshots: {
          async get(id, call) {
            const found = await honest.snapshots.get(id, call)
            const volume = found && !reverted ? await honest.volumes.get(found.volume, call) : undefined
            return found && { ...found, bytes: volume?.bytes ?? found.bytes }
          },
        },
      }
    },
  ),
  provider(
    'calls a snapshot that is not there invalid',
    'exposing a snapshot that is not there is refused as NOT_FOUND',
    (honest, stranger) => ({
      access: {
        expose: (exposure, call) =>
          despite(
            'NOT_FOUND',
            () => honest.access.expose(exposure, call),
            async (error) => {
              const { source } = exposure
              if (source.kind === 'volume' || (await stranger.snapshots.get(source.id, call))) throw error
              throw wrong('INVALID')
            },
          ),
      },
    }),
  ),
  provider(
    'lists the exposure of a snapshot as one of its volume',
    'the inventory lists the exposure of a snapshot as one of a snapshot until it is withdrawn',
    (honest) => ({
      inventory: {
        async list(cursor, call) {
          const page = await honest.inventory.list(cursor, call)
          const items = page.items.map((item): InventoryItem => {
            if (item.kind !== 'exposure' || item.owner !== 'ours' || item.source.kind !== 'snapshot') return item
            return { ...item, source: { kind: 'volume', id: newId() } }
          })
          return { ...page, items }
        },
      },
    }),
  ),
  dataPath(
    'shows the oldest snapshot what the newest holds once one between them is deleted',
    'snapshots of one volume keep a point in time each',
    (bench) => {
      const ids: SnapshotId[] = []
      const state = { deleted: false }
      const honest = bench.provider
      const { snapshots } = honest
      return {
        provider: {
          ...honest,
          ...(snapshots && {
            snapshots: {
              ...snapshots,
              async create(spec, call) {
                const snapshot = await snapshots.create(spec, call)
                ids.push(spec.id)
                return snapshot
              },
              async delete(id, call) {
                await snapshots.delete(id, call)
                if (ids.length === 3 && ids[1] === id) state.deleted = true
              },
            },
          }),
          access: {
            ...honest.access,
            async expose(exposure, call) {
              const [oldest, , newest] = ids
              const { source } = exposure
              if (!state.deleted || !newest || source.kind !== 'snapshot' || source.id !== oldest)
                return honest.access.expose(exposure, call)
              return honest.access.expose({ ...exposure, source: { kind: 'snapshot', id: newest } }, call)
            },
            async withdraw(access, call) {
              await honest.access.withdraw(access, call)
              const newest = ids[2]
              if (state.deleted && newest && access.source.id === ids[0]) {
                await honest.access.withdraw({ ...access, source: { kind: 'snapshot', id: newest } }, call)
              }
            },
          },
        },
        ...(bench.connect && { connect: bench.connect }),
      }
    },
  ),
]

/** Takes a snapshot anew before it is exposed, where `stale` names its volume, and clears its traces away. */
function anew(
  honest: FullProvider,
  stale: (exposure: Exposure) => VolumeId | undefined,
): Pick<FullProvider, 'access'> & { readonly snapshots: Pick<FullProvider['snapshots'], 'delete'> } {
  const taken = new Set<string>()
  return {
    access: {
      async expose(exposure, call) {
        const { source } = exposure
        const volume = source.kind === 'snapshot' ? stale(exposure) : undefined
        if (source.kind !== 'snapshot' || !volume) {
          return honest.access.expose(exposure, taken.has(source.id) ? unfenced(call) : call)
        }
        taken.add(source.id)
        await honest.snapshots.delete(source.id, unfenced(call))
        await honest.snapshots.create({ id: source.id, volume }, unfenced(call))
        return honest.access.expose(exposure, unfenced(call))
      },
      withdraw: (access, call) => honest.access.withdraw(access, taken.has(access.source.id) ? unfenced(call) : call),
    },
    snapshots: { delete: (id, call) => honest.snapshots.delete(id, taken.has(id) ? unfenced(call) : call) },
  }
}
