import type { BackendSnapshot, SnapshotId, VolumeId } from '@moorage/contract'
import {
  dataPath,
  despite,
  type FullProvider,
  provider,
  session,
  type StorageCheat,
  unhurried,
  wrong,
} from '../cheat.ts'

type Members = readonly { readonly id: SnapshotId; readonly volume: VolumeId }[]

/** Providers whose groups are none. */
export const groupCheats: readonly StorageCheat[] = [
  dataPath(
    'takes the bytes of the prepare',
    'a committed group has a snapshot of every member, with the bytes of the commit',
    (bench) => {
      const members = new Set<string>()
      const honest = bench.provider
      const { groupSnapshots } = honest
      return {
        provider: {
          ...honest,
          ...(groupSnapshots && {
            groupSnapshots: {
              ...groupSnapshots,
              async commit(group, call) {
                const taken = await groupSnapshots.commit(group, call)
                if (taken.length === 2) for (const { id } of taken) members.add(id)
                return taken
              },
            },
          }),
        },
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          const member = [...members].some((id) => JSON.stringify(connection).includes(id))
          return member ? session(disk, { read: async (_offset, length) => new Uint8Array(length) }) : disk
        },
      }
    },
  ),
  provider(
    'takes a group anew when it is asked to commit again',
    'members of a group have one instant, and committing again answers the same snapshots',
    (honest) => {
      const committed = new Set<string>()
      return {
        groupSnapshots: {
          async commit(group, call) {
            const taken = await honest.groupSnapshots.commit(group, call)
            if (!committed.has(group)) {
              committed.add(group)
              return taken
            }
            return taken.map((snapshot) => ({ ...snapshot, takenAt: snapshot.takenAt + 1 }))
          },
        },
      }
    },
  ),
  provider(
    'takes the members of a group one after the other',
    'members of a group are one instant for a writer that goes on all the time',
    (honest) => {
      const groups = new Map<string, Members>()
      return {
        groupSnapshots: {
          async prepare(group, members, call) {
            await honest.groupSnapshots.prepare(group, members, call)
            groups.set(group, members)
          },
          async commit(group, call) {
            const members = groups.get(group)
            if (!members || members.length < 8) return honest.groupSnapshots.commit(group, call)
            await honest.groupSnapshots.abort(group, call)
            const taken: BackendSnapshot[] = []
            for (const member of members) taken.push(await honest.snapshots.create(member, call))
            return taken.map((snapshot) => ({ ...snapshot, takenAt: taken[0]?.takenAt ?? snapshot.takenAt }))
          },
        },
      }
    },
  ),
  provider('mixes up whose snapshot is whose', 'what a commit answers is what get finds', (honest) => ({
    groupSnapshots: {
      async commit(group, call) {
        const taken = await honest.groupSnapshots.commit(group, call)
        const volumes = taken.map(({ volume }) => volume).toReversed()
        return taken.map((snapshot, index) => ({ ...snapshot, volume: volumes[index] ?? snapshot.volume }))
      },
    },
  })),
  provider('refuses the retry of a prepare', 'preparing a group again is the same group', (honest) => {
    const prepared = new Set<string>()
    return {
      groupSnapshots: {
        async prepare(group, members, call) {
          if (prepared.has(group)) throw wrong('CONFLICT')
          await honest.groupSnapshots.prepare(group, members, call)
          prepared.add(group)
        },
      },
    }
  }),
  provider('takes back what was committed', 'an abort that comes after the commit takes no snapshot back', (honest) => {
    const committed = new Map<string, readonly BackendSnapshot[]>()
    return {
      groupSnapshots: {
        async commit(group, call) {
          const taken = await honest.groupSnapshots.commit(group, call)
          committed.set(group, taken)
          return taken
        },
        async abort(group, call) {
          await honest.groupSnapshots.abort(group, call)
          for (const { id } of committed.get(group) ?? []) await honest.snapshots.delete(id, call)
        },
      },
    }
  }),
  provider(
    'takes more members than it says',
    'a group of more members than the facet takes is refused as LIMIT and takes nothing',
    () => ({
      groupSnapshots: { maxVolumes: 8 },
    }),
  ),
  provider(
    'commits what was aborted',
    'an aborted group has taken nothing and can no longer be committed',
    (honest) => {
      const groups = new Map<string, Members>()
      return {
        groupSnapshots: {
          async prepare(group, members, call) {
            await honest.groupSnapshots.prepare(group, members, call)
            groups.set(group, members)
          },
          async abort(group, call) {
            const members = groups.get(group) ?? []
            const taken = await Promise.all(members.map(({ id }) => honest.snapshots.get(id, call)))
            const left = await remaining(honest, members, call)
            const waits = members.length > 0 && left.length === members.length && taken.every((one) => !one)
            if (!waits) await honest.groupSnapshots.abort(group, call)
          },
        },
      }
    },
  ),
  provider('cannot abort what it does not know', 'aborting a group that was never prepared succeeds', (honest) => {
    const known = new Set<string>()
    return {
      groupSnapshots: {
        async prepare(group, members, call) {
          known.add(group)
          await honest.groupSnapshots.prepare(group, members, call)
        },
        async abort(group, call) {
          if (!known.has(group)) throw wrong('NOT_FOUND')
          await honest.groupSnapshots.abort(group, call)
        },
      },
    }
  }),
  provider(
    'readies a group without looking at its members',
    'a group with a member that is not there is refused as NOT_FOUND and takes nothing',
    (honest) => ({
      groupSnapshots: {
        async prepare(group, members, call) {
          const alive = await Promise.all(members.map(({ volume }) => honest.volumes.get(volume, call)))
          const there = members.filter((_, index) => alive[index])
          await honest.groupSnapshots.prepare(group, there.length > 0 ? there : members, call)
        },
      },
    }),
  ),
  provider(
    'takes what is left of a group',
    'a group of which a member went away between prepare and commit takes nothing',
    (honest) => {
      const groups = new Map<string, Members>()
      return {
        groupSnapshots: {
          async prepare(group, members, call) {
            await honest.groupSnapshots.prepare(group, members, call)
            groups.set(group, members)
          },
          async commit(group, call) {
            const members = groups.get(group) ?? []
            const left = await remaining(honest, members, call)
            if (left.length === members.length || left.length === 0) return honest.groupSnapshots.commit(group, call)
            await honest.groupSnapshots.abort(group, call)
            return Promise.all(left.map((member) => honest.snapshots.create(member, call)))
          },
        },
      }
    },
  ),
  provider(
    'holds a prepared group for ever',
    'a prepared group that nobody commits aborts by itself at the deadline of its prepare',
    (honest) => ({
      groupSnapshots: {
        prepare: (group, members, call) => honest.groupSnapshots.prepare(group, members, unhurried(call)),
      },
    }),
  ),
  provider(
    'takes the members that it was told last',
    'a group prepared again with other members is refused as CONFLICT, and commits the first ones',
    (honest) => ({
      groupSnapshots: {
        prepare: (group, members, call) =>
          despite(
            'CONFLICT',
            () => honest.groupSnapshots.prepare(group, members, call),
            async () => {
              await honest.groupSnapshots.abort(group, call)
              await honest.groupSnapshots.prepare(group, members, call)
            },
          ),
      },
    }),
  ),
]

async function remaining(
  honest: FullProvider,
  members: Members,
  call: Parameters<FullProvider['volumes']['get']>[1],
): Promise<Members> {
  const alive = await Promise.all(members.map(({ volume }) => honest.volumes.get(volume, call)))
  return members.filter((_, index) => alive[index])
}
