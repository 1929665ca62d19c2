import { type BackendVolume, type Exposure, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import { type StorageCheat, unfenced } from './cheat.ts'
import { accessKey } from './storage-state.ts'

/** Providers that lie about bytes, access and limits. */
export const byteCheats: readonly StorageCheat[] = [
  {
    name: 'says that access is withdrawn while the session lives on',
    caughtBy: ['after a withdraw the open session of the consumer is dead, and no new one is let in'],
    make(honest) {
      const pending = new Map<string, Pick<Exposure, 'source' | 'consumer'>>()
      return {
        ...honest,
        access: {
          expose: (exposure, call) => honest.access.expose(exposure, call),
          withdraw: async (access) => void pending.set(accessKey(access), access),
        },
        volumes: {
          ...honest.volumes,
          async delete(id, call) {
            for (const access of pending.values()) await honest.access.withdraw(access, call)
            await honest.volumes.delete(id, call)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            return { ...page, items: page.items.filter((item) => item.kind !== 'exposure') }
          },
        },
      }
    },
  },
  {
    name: 'lets a read-only consumer write',
    caughtBy: ['a read-only exposure serves reads and refuses writes'],
    make: (honest) => ({
      ...honest,
      access: {
        ...honest.access,
        expose: (exposure, call) =>
          honest.access.expose({ ...exposure, mode: exposure.source.kind === 'volume' ? 'rw' : 'ro' }, call),
      },
    }),
  },
  {
    name: 'shows the volume as it is now in place of its snapshot',
    caughtBy: ['a snapshot does not change while its volume is written'],
    make(honest) {
      const volumes = new Map<SnapshotId, VolumeId>()
      return {
        ...honest,
        snapshots: {
          ...honest.snapshots,
          async create(spec, call) {
            volumes.set(spec.id, spec.volume)
            return honest.snapshots.create(spec, call)
          },
        },
        access: {
          ...honest.access,
          async expose(exposure, call) {
            const { source } = exposure
            const volume = source.kind === 'snapshot' ? volumes.get(source.id) : undefined
            if (volume && source.kind === 'snapshot') {
              await honest.snapshots.delete(source.id, unfenced(call))
              await honest.snapshots.create({ id: source.id, volume }, unfenced(call))
            }
            return honest.access.expose(exposure, source.kind === 'snapshot' ? unfenced(call) : call)
          },
          withdraw: (access, call) =>
            honest.access.withdraw(access, access.source.kind === 'snapshot' ? unfenced(call) : call),
        },
      }
    },
  },
  {
    name: 'takes a snapshot anew when it is asked for the same one again',
    caughtBy: ['taking a snapshot again answers the first point in time'],
    make: (honest) => ({
      ...honest,
      snapshots: {
        ...honest.snapshots,
        async create(spec, call) {
          await honest.snapshots.delete(spec.id, call)
          return honest.snapshots.create(spec, call)
        },
      },
    }),
  },
  {
    name: 'hands out the source in place of its clone',
    caughtBy: ['a clone and its source do not see each other’s writes'],
    make(honest) {
      const sources = new Map<string, VolumeId>()
      const real = <Access extends Pick<Exposure, 'source' | 'consumer'>>(access: Access): Access => {
        const id = sources.get(access.source.id)
        return id ? { ...access, source: { kind: 'volume', id } } : access
      }
      return {
        ...honest,
        clones: {
          async clone(from, spec, call) {
            if (from.kind === 'volume') sources.set(spec.id, from.id)
            return honest.clones.clone(from, spec, call)
          },
        },
        access: {
          expose: (exposure, call) => honest.access.expose(real(exposure), unfenced(call)),
          withdraw: (access, call) => honest.access.withdraw(real(access), unfenced(call)),
        },
        volumes: { ...honest.volumes, delete: (id, call) => honest.volumes.delete(id, unfenced(call)) },
      }
    },
  },
  {
    name: 'answers a revert and does nothing',
    caughtBy: ['a revert brings the bytes of the snapshot back exactly, whatever was written since'],
    make: (honest) => ({
      ...honest,
      revert: {
        async revert(id, _to, call): Promise<BackendVolume> {
          const volume = await honest.volumes.get(id, call)
          if (!volume) throw new PluginError('NOT_FOUND', 'no such volume', 'none')
          return volume
        },
      },
    }),
  },
  {
    name: 'answers a growth and does nothing',
    caughtBy: ['growing again to the same size changes nothing, and the size is found by get and inventory'],
    make: (honest) => ({
      ...honest,
      resize: {
        async grow(id, bytes, call): Promise<BackendVolume> {
          const volume = await honest.volumes.get(id, call)
          if (!volume) throw new PluginError('NOT_FOUND', 'no such volume', 'none')
          return { ...volume, bytes }
        },
      },
    }),
  },
  {
    name: 'takes the members of a group one after the other',
    caughtBy: ['a group of which a member went away between prepare and commit takes nothing'],
    make(honest) {
      const groups = new Map<string, readonly { readonly id: SnapshotId; readonly volume: VolumeId }[]>()
      return {
        ...honest,
        groupSnapshots: {
          ...honest.groupSnapshots,
          async prepare(group, members, call) {
            groups.set(group, members)
            await honest.groupSnapshots.prepare(group, members, call)
          },
          async commit(group, call) {
            const taken = []
            for (const member of groups.get(group) ?? []) taken.push(await honest.snapshots.create(member, call))
            await honest.groupSnapshots.abort(group, call)
            return taken
          },
        },
      }
    },
  },
  {
    name: 'reads back the QoS that was asked for, whatever is enforced',
    caughtBy: ['a number outside the range is clamped and reported, or refused as LIMIT; never silently different'],
    make(honest) {
      const asked = new Map<VolumeId, Parameters<typeof honest.qos.apply>[1]>()
      return {
        ...honest,
        qos: {
          async apply(id, qos, call) {
            await honest.qos.apply(id, qos, call)
            asked.set(id, qos)
            return { applied: qos, clamped: [] }
          },
          read: async (id, call) => asked.get(id) ?? honest.qos.read(id, call),
        },
      }
    },
  },
  {
    name: 'clamps QoS and does not say so',
    caughtBy: ['a number outside the range is clamped and reported, or refused as LIMIT; never silently different'],
    make: (honest) => ({
      ...honest,
      qos: {
        ...honest.qos,
        apply: async (id, qos, call) => ({ applied: (await honest.qos.apply(id, qos, call)).applied, clamped: [] }),
      },
    }),
  },
  {
    name: 'leaves a change out of its change list',
    caughtBy: ['with a base the extents cover what was written since'],
    make: (honest) => ({
      ...honest,
      changeList: {
        async extents(range, call) {
          const page = await honest.changeList.extents(range, call)
          return range.base ? { ...page, items: page.items.slice(0, -1) } : page
        },
      },
    }),
  },
  {
    name: 'starts its counters anew now and then',
    caughtBy: ['counters follow what is read and written and never go down, whatever comes and goes'],
    make(honest) {
      let readings = 0
      return {
        ...honest,
        stats: {
          async read(id, call) {
            const now = await honest.stats.read(id, call)
            readings += 1
            return readings % 3 === 0 ? { ...now, readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0 } : now
          },
        },
      }
    },
  },
]
