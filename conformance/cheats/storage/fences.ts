import type { Call, SnapshotId, VolumeId } from '@moorage/contract'
import { accessKey, evading, provider, type StorageCheat, wrong } from '../cheat.ts'

/** Providers on which late duplicates do harm. */
export const fenceCheats: readonly StorageCheat[] = [
  provider(
    'forgets the fence of a volume that is deleted',
    'a late create is refused after a delete with a higher fence, and brings nothing back',
    (honest) => {
      const made = new Set<VolumeId>()
      return {
        volumes: {
          async create(spec, call) {
            if (made.has(spec.id)) return evading((each) => honest.volumes.create(spec, each), call)
            const volume = await honest.volumes.create(spec, call)
            made.add(spec.id)
            return volume
          },
        },
      }
    },
  ),
  provider(
    'remembers no fence of a delete that found nothing',
    'a create that arrives after the delete that undid it is refused although nothing was ever made',
    (honest) => {
      const asked = new Set<VolumeId>()
      return {
        volumes: {
          create(spec, call) {
            asked.add(spec.id)
            return honest.volumes.create(spec, call)
          },
          async delete(id, call) {
            if (asked.has(id) || (await honest.volumes.get(id, call))) await honest.volumes.delete(id, call)
          },
        },
      }
    },
  ),
  provider(
    'deletes whatever the fence',
    'a late delete below the fence of a newer call is refused and deletes nothing',
    (honest) => {
      const withdrawn = new Set<string>()
      return {
        access: {
          withdraw(access, call) {
            withdrawn.add(access.source.id)
            return honest.access.withdraw(access, call)
          },
        },
        volumes: {
          delete: (id, call) =>
            withdrawn.has(id)
              ? honest.volumes.delete(id, call)
              : evading((each) => honest.volumes.delete(id, each), call),
        },
      }
    },
  ),
  provider(
    'wants a higher fence for the next call of the same operation',
    'calls with the same fence follow each other',
    (honest) => {
      const last = new Map<string, number>()
      return {
        access: {
          expose(exposure, call) {
            last.set(exposure.source.id, call.fence)
            return honest.access.expose(exposure, call)
          },
          async withdraw(access, call) {
            if (last.get(access.source.id) === call.fence) throw wrong('FENCED')
            return honest.access.withdraw(access, call)
          },
        },
      }
    },
  ),
  provider('keeps one fence for all of its volumes', 'a fence of one volume does not bind another', (honest) => {
    let highest = 0
    return {
      volumes: {
        async create(spec, call) {
          if (call.fence < highest) throw wrong('FENCED')
          return honest.volumes.create(spec, call)
        },
        async delete(id, call) {
          await honest.volumes.delete(id, call)
          if (call.fence > 100_000) highest = call.fence
        },
      },
    }
  }),
  provider(
    'keeps a fence of its own for deleting',
    'a fence that access was taken away under binds every other call on that volume',
    (honest) => {
      const withdrawn = new Set<string>()
      return {
        access: {
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            withdrawn.add(access.source.id)
          },
        },
        volumes: {
          delete: (id, call) =>
            withdrawn.has(id)
              ? evading((each) => honest.volumes.delete(id, each), call)
              : honest.volumes.delete(id, call),
        },
      }
    },
  ),
  provider(
    'keeps a fence of its own for QoS',
    'a fence that access was taken away under binds every other call on that volume',
    (honest) => {
      const withdrawn = new Set<string>()
      return {
        access: {
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            withdrawn.add(access.source.id)
          },
        },
        qos: {
          apply: (id, qos, call) =>
            withdrawn.has(id)
              ? evading((each) => honest.qos.apply(id, qos, each), call)
              : honest.qos.apply(id, qos, call),
        },
      }
    },
  ),
  provider(
    'gives access back to whoever had it',
    'a late expose is refused after a withdraw with a higher fence, and gives nothing back',
    (honest) => {
      const had = new Set<string>()
      return {
        access: {
          async expose(exposure, call) {
            if (had.has(accessKey(exposure))) return evading((each) => honest.access.expose(exposure, each), call)
            const connection = await honest.access.expose(exposure, call)
            if (exposure.source.kind === 'volume') had.add(accessKey(exposure))
            return connection
          },
        },
      }
    },
  ),
  provider(
    'remembers no fence of a withdraw that found nothing',
    'an expose that arrives after the withdraw that undid it is refused although nothing was ever given',
    (honest) => {
      const asked = new Set<string>()
      return {
        access: {
          expose(exposure, call) {
            asked.add(accessKey(exposure))
            return honest.access.expose(exposure, call)
          },
          async withdraw(access, call) {
            if (asked.has(accessKey(access)) || call.fence > 100_000) await honest.access.withdraw(access, call)
          },
        },
      }
    },
  ),
  provider(
    'keeps fences of access by consumer',
    'fences of access are per source, whoever the consumer is',
    (honest) => {
      const seen = new Set<string>()
      return {
        access: {
          expose(exposure, call) {
            const known = seen.has(accessKey(exposure))
            seen.add(accessKey(exposure))
            if (known) return honest.access.expose(exposure, call)
            return evading((each) => honest.access.expose(exposure, each), call)
          },
          withdraw(access, call) {
            seen.add(accessKey(access))
            return honest.access.withdraw(access, call)
          },
        },
      }
    },
  ),
  provider(
    'takes access away whatever the fence',
    'a late withdraw below the fence of a newer expose is refused and takes nothing away',
    (honest) => ({
      access: { withdraw: (access, call) => evading((each) => honest.access.withdraw(access, each), call) },
    }),
  ),
  provider(
    'forgets the fence of a snapshot that is deleted',
    'a late snapshot is refused after a delete with a higher fence, and brings nothing back',
    (honest) => {
      const taken = new Set<SnapshotId>()
      return {
        snapshots: {
          async create(spec, call) {
            if (taken.has(spec.id)) return evading((each) => honest.snapshots.create(spec, each), call)
            const snapshot = await honest.snapshots.create(spec, call)
            taken.add(spec.id)
            return snapshot
          },
        },
      }
    },
  ),
  provider(
    'remembers no fence of a delete that found no snapshot',
    'a snapshot that arrives after the delete that undid it is refused although none was ever taken',
    (honest) => {
      const asked = new Set<SnapshotId>()
      return {
        snapshots: {
          create(spec, call) {
            asked.add(spec.id)
            return honest.snapshots.create(spec, call)
          },
          async delete(id, call) {
            if (asked.has(id)) await honest.snapshots.delete(id, call)
          },
        },
        groupSnapshots: {
          async prepare(group, members, call) {
            for (const { id } of members) asked.add(id)
            await honest.groupSnapshots.prepare(group, members, call)
          },
        },
      }
    },
  ),
  provider(
    'deletes a snapshot whatever the fence',
    'a late delete of a snapshot below the fence of a newer call is refused and deletes nothing',
    (honest) => ({
      snapshots: { delete: (id, call) => evading((each) => honest.snapshots.delete(id, each), call) },
    }),
  ),
  provider(
    'keeps one fence for a volume and its snapshots',
    'a fence of a snapshot does not bind its volume, nor the next snapshot',
    (honest) => {
      const fences = new Map<VolumeId, number>()
      return {
        snapshots: {
          async create(spec, call) {
            if (call.fence < (fences.get(spec.volume) ?? 0)) throw wrong('FENCED')
            fences.set(spec.volume, call.fence > 100_000 ? call.fence : 0)
            return honest.snapshots.create(spec, call)
          },
        },
      }
    },
  ),
  provider(
    'clones whatever the fence',
    'a late clone is refused after a delete with a higher fence, and brings nothing back',
    (honest) => ({
      clones: { clone: (from, spec, call) => evading((each) => honest.clones.clone(from, spec, each), call) },
    }),
  ),
  provider('keeps fences in 32 bits', 'fences are compared as whole numbers, beyond 32 bits', (honest) => {
    const short = (call: Call) => (call.fence < 2 ** 32 ? call : { ...call, fence: 2000 + (call.fence % 2 ** 32) })
    return { access: { withdraw: (access, call) => honest.access.withdraw(access, short(call)) } }
  }),
  provider(
    'fences reverts by reverts only',
    'a fence that access was taken away under binds every other call on that volume',
    (honest) => {
      const reverted = new Set<VolumeId>()
      return {
        revert: {
          async revert(volume, to, call) {
            const known = reverted.has(volume)
            reverted.add(volume)
            if (known) return honest.revert.revert(volume, to, call)
            return evading((each) => honest.revert.revert(volume, to, each), call)
          },
        },
      }
    },
  ),
  provider(
    'fences access to volumes only',
    'a late expose of a snapshot is refused after a withdraw with a higher fence, and gives nothing back',
    (honest) => ({
      access: {
        expose: (exposure, call) =>
          exposure.source.kind === 'volume'
            ? honest.access.expose(exposure, call)
            : evading((each) => honest.access.expose(exposure, each), call),
      },
    }),
  ),
]
