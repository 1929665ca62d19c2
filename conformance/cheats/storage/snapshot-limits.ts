import type { Exposure, SnapshotId, VolumeId } from '@moorage/contract'
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
]
