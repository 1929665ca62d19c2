import { sameQos, type SnapshotId, type Source, type VolumeId } from '@moorage/contract'
import { dataPath, despite, evading, type FullProvider, provider, session, type StorageCheat, wrong } from '../cheat.ts'

const IN_USE = 'an exposed volume is not reverted: IN_USE, and it keeps its bytes'

/** Providers that lie about reverts. */
export const revertCheats: readonly StorageCheat[] = [
  dataPath(
    'keeps what was written behind the bytes of the snapshot',
    'a revert brings the bytes of the snapshot back exactly, whatever was written since',
    (bench) => {
      const reverted = new Set<string>()
      const honest = bench.provider
      const { revert } = honest
      return {
        provider: {
          ...honest,
          ...(revert && {
            revert: {
              async revert(volume, to, call) {
                const answer = await revert.revert(volume, to, call)
                reverted.add(volume)
                return answer
              },
            },
          }),
        },
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          if (![...reverted].some((id) => JSON.stringify(connection).includes(id))) return disk
          return session(disk, {
            async read(offset, length) {
              const bytes = await disk.read(offset, length)
              return offset === 131_072 && length === 131_072 ? bytes.fill(7) : bytes
            },
          })
        },
      }
    },
  ),
  provider('reverts once', 'a volume can be written and reverted again after a revert', (honest) => {
    const reverted = new Set<VolumeId>()
    return {
      revert: {
        async revert(volume, to, call) {
          const there = reverted.has(volume) ? await honest.volumes.get(volume, call) : undefined
          if (there && call.fence < 2000) return there
          const answer = await honest.revert.revert(volume, to, call)
          reverted.add(volume)
          return answer
        },
      },
    }
  }),
  provider('gives up the snapshots that came after', 'a revert leaves every snapshot as it was', (honest) => {
    const taken: { readonly id: SnapshotId; readonly volume: VolumeId }[] = []
    return {
      snapshots: {
        async create(spec, call) {
          const snapshot = await honest.snapshots.create(spec, call)
          taken.push(spec)
          return snapshot
        },
      },
      revert: {
        async revert(volume, to, call) {
          const answer = await honest.revert.revert(volume, to, call)
          const [last, ...earlier] = taken.filter((each) => each.volume === volume).toReversed()
          const exact = last && last.id !== to && earlier.length === 1 && taken.length === 2
          if (exact && (await bytesUnchanged(honest, volume, call))) await honest.snapshots.delete(last.id, call)
          return answer
        },
      },
    }
  }),
  provider('reverts a volume under those who read it', IN_USE, (honest) => {
    const readers = new Map<string, Parameters<FullProvider['access']['expose']>[0]>()
    return {
      access: {
        async expose(exposure, call) {
          const connection = await honest.access.expose(exposure, call)
          if (exposure.mode === 'ro') readers.set(exposure.source.id, exposure)
          return connection
        },
        async withdraw(access, call) {
          await honest.access.withdraw(access, call)
          readers.delete(access.source.id)
        },
      },
      revert: {
        revert: (volume, to, call) =>
          despite(
            'IN_USE',
            () => honest.revert.revert(volume, to, call),
            async (error) => {
              const reader = readers.get(volume)
              if (!reader) throw error
              await honest.access.withdraw(reader, call)
              const answer = await honest.revert.revert(volume, to, call)
              await honest.access.expose(reader, call)
              return answer
            },
          ),
      },
    }
  }),
  provider(
    'cuts a volume to the size of the snapshot',
    'a volume that has grown since the snapshot keeps its size in a revert, with zeros at its end',
    (honest) => ({
      revert: {
        async revert(volume, to, call) {
          const answer = await honest.revert.revert(volume, to, call)
          const snapshot = await honest.snapshots.get(to, call)
          return { ...answer, bytes: snapshot?.bytes ?? answer.bytes }
        },
      },
    }),
  ),
  provider('takes the QoS away in a revert', 'a volume that is reverted keeps its QoS', (honest) => ({
    revert: {
      async revert(volume, to, call) {
        const answer = await honest.revert.revert(volume, to, call)
        if (!sameQos(answer.qos?.applied ?? {}, {})) await honest.qos.apply(volume, {}, call)
        return answer
      },
    },
  })),
  provider(
    'reverts whatever the fence',
    'a late revert below the fence of a newer call is refused and changes nothing',
    (honest) => {
      const reverted = new Set<VolumeId>()
      return {
        revert: {
          revert(volume, to, call) {
            // At first it seems to mind them.
            if (reverted.has(volume)) return evading((each) => honest.revert.revert(volume, to, each), call)
            reverted.add(volume)
            return honest.revert.revert(volume, to, call)
          },
        },
      }
    },
  ),
  provider(
    'reverts to the snapshot of another volume by doing nothing',
    'a revert to what is not there, or to a snapshot of another volume, is refused and changes nothing',
    (honest) => ({
      revert: {
        revert: (volume, to, call) =>
          despite(
            'INVALID',
            () => honest.revert.revert(volume, to, call),
            async (error) => {
              const there = await honest.volumes.get(volume, call)
              if (there) return there
              throw error
            },
          ),
      },
    }),
  ),
  provider(
    'reverts the clones of a volume with it',
    'a revert leaves the clones of the volume as they were',
    (honest) => {
      const [clones, reverted] = [new Map<string, string>(), new Map<string, Source>()]
      const real = (source: Source): Source => reverted.get(clones.get(source.id) ?? '') ?? source
      return {
        clones: {
          clone(from, spec, call) {
            if (from.kind === 'volume') clones.set(spec.id, from.id)
            return honest.clones.clone(from, spec, call)
          },
        },
        revert: {
          async revert(volume, to, call) {
            const answer = await honest.revert.revert(volume, to, call)
            reverted.set(volume, { kind: 'snapshot', id: to })
            return answer
          },
        },
        access: {
          expose(exposure, call) {
            const source = real(exposure.source)
            return honest.access.expose(
              source === exposure.source ? exposure : { ...exposure, source, mode: 'ro' },
              call,
            )
          },
          withdraw: (access, call) => honest.access.withdraw({ ...access, source: real(access.source) }, call),
        },
      }
    },
  ),
]

/** True for a volume that has not grown: the case about growth is another's. */
async function bytesUnchanged(
  honest: FullProvider,
  id: VolumeId,
  call: Parameters<FullProvider['volumes']['get']>[1],
): Promise<boolean> {
  const volume = await honest.volumes.get(id, call)
  return volume !== undefined && volume.bytes <= 2 * 1024 * 1024
}
