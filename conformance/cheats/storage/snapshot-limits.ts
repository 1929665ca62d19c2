import type { BackendSnapshot, Exposure, SnapshotId, VolumeId } from '@moorage/contract'
import { newId } from '../../check.ts'
import { dataPath, despite, provider, session, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that lie about who may have, read and delete snapshots, and how many there may be. */
export const snapshotLimitCheats: readonly StorageCheat[] = [
  provider(
    'gives access for reading where writing was asked for',
    'a snapshot is not exposed for writing',
    (honest) => ({
      access: {
        expose: (exposure, call) =>
          honest.access.expose(exposure.source.kind === 'snapshot' ? { ...exposure, mode: 'ro' } : exposure, call),
      },
    }),
  ),
  dataPath('acknowledges writes to a snapshot', 'a session to a snapshot refuses writes', (bench) => {
    const snapshots = new Set<string>()
    const honest = bench.provider
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
        return snapshots.has(JSON.stringify(connection)) ? session(disk, { write: async () => undefined }) : disk
      },
    }
  }),
  provider(
    'deletes a snapshot under those who read it',
    'an exposed snapshot cannot be deleted: IN_USE, and it is still there',
    (honest) => {
      const readers = new Map<string, Exposure>()
      return {
        access: {
          async expose(exposure, call) {
            const connection = await honest.access.expose(exposure, call)
            if (exposure.source.kind === 'snapshot') readers.set(exposure.source.id, exposure)
            return connection
          },
        },
        snapshots: {
          delete: (id, call) =>
            despite(
              'IN_USE',
              () => honest.snapshots.delete(id, call),
              async (error) => {
                const reader = readers.get(id)
                if (!reader) throw error
                await honest.access.withdraw(reader, call)
                await honest.snapshots.delete(id, call)
              },
            ),
        },
      }
    },
  ),
  provider(
    'refuses to delete a volume with snapshots, and deletes it',
    'a snapshot outlives its volume, or keeps it with IN_USE',
    (honest) => {
      const taken = new Map<VolumeId, Set<SnapshotId>>()
      return {
        snapshots: {
          async create(spec, call) {
            const snapshot = await honest.snapshots.create(spec, call)
            taken.set(spec.volume, (taken.get(spec.volume) ?? new Set()).add(spec.id))
            return snapshot
          },
          async delete(id, call) {
            await honest.snapshots.delete(id, call)
            for (const ids of taken.values()) ids.delete(id)
          },
        },
        volumes: {
          async delete(id, call) {
            const there = await honest.volumes.get(id, call)
            await honest.volumes.delete(id, call)
            if (there && there.usedBytes > 0 && (taken.get(id)?.size ?? 0) > 0) throw wrong('IN_USE')
          },
        },
      }
    },
  ),
  provider(
    'takes one snapshot more than it says',
    'a volume has as many snapshots as the limit says, and one more is refused as LIMIT',
    (honest) => ({
      snapshots: {
        create: (spec, call) =>
          despite(
            'LIMIT',
            () => honest.snapshots.create(spec, call),
            () => {
              throw wrong('NO_SPACE')
            },
          ),
      },
    }),
  ),
  provider(
    'counts snapshots that are deleted',
    'a deleted snapshot no longer counts against the limit of its volume, and one of another volume never did',
    (honest) => {
      const taken = new Map<VolumeId, Set<SnapshotId>>()
      return {
        snapshots: {
          async create(spec, call) {
            const ids = (taken.get(spec.volume) ?? new Set()).add(spec.id)
            taken.set(spec.volume, ids)
            if (ids.size > (honest.limits.maxSnapshotsPerVolume ?? Infinity)) throw wrong('LIMIT')
            return honest.snapshots.create(spec, call)
          },
        },
      }
    },
  ),
  provider(
    'forgets of which volume a snapshot is when the volume goes',
    'a snapshot that outlived its volume is found, listed with that volume, and cloned',
    (honest) => {
      const gone = new Set<string>()
      return {
        volumes: {
          async delete(id, call) {
            await honest.volumes.delete(id, call)
            gone.add(id)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            const items = page.items.map((item) => {
              const orphan = item.kind === 'snapshot' && item.owner === 'ours' && gone.has(item.volume)
              return orphan ? { ...item, volume: newId<'volume'>() } : item
            })
            return { ...page, items }
          },
        },
      }
    },
  ),
  provider(
    'cannot clone a snapshot that outlived its volume',
    'a snapshot that outlived its volume is found, listed with that volume, and cloned',
    (honest) => ({
      clones: {
        async clone(from, spec, call) {
          const taken = from.kind === 'snapshot' ? await honest.snapshots.get(from.id, call) : undefined
          if (taken && !(await honest.volumes.get(taken.volume, call))) throw wrong('NOT_FOUND')
          return honest.clones.clone(from, spec, call)
        },
      },
    }),
  ),
  provider(
    'dates the third snapshot before the first',
    'snapshots of one volume keep a point in time each',
    (honest) => {
      const taken: SnapshotId[] = []
      const dated = (snapshot: BackendSnapshot) => {
        return snapshot.id === taken[2] ? { ...snapshot, takenAt: snapshot.takenAt - 3_600_000 } : snapshot
      }
      return {
        snapshots: {
          async create(spec, call) {
            const snapshot = await honest.snapshots.create(spec, call)
            if (!taken.includes(spec.id)) taken.push(spec.id)
            return dated(snapshot)
          },
          async get(id, call) {
            const found = await honest.snapshots.get(id, call)
            return found && dated(found)
          },
        },
      }
    },
  ),
]
