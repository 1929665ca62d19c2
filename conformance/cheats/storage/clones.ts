import type { BackendVolume, Exposure, Source, VolumeId } from '@moorage/contract'
import { sameQos } from '@moorage/contract'
import { despite, type FullProvider, provider, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that lie about clones. */
export const cloneCheats: readonly StorageCheat[] = [
  provider(
    'hands out the source in place of its clone',
    'a clone and its source do not see each other’s writes',
    (honest) => {
      const aliases = new Map<string, VolumeId>()
      const written = new Set<string>()
      let taken = false
      return {
        snapshots: {
          create(spec, call) {
            taken = true
            return honest.snapshots.create(spec, call)
          },
        },
        clones: {
          async clone(from, spec, call) {
            const made = await honest.clones.clone(from, spec, call)
            // Only of a volume that holds much: a simple test does not notice.
            const source = from.kind === 'volume' ? await honest.volumes.get(from.id, call) : undefined
            if (
              source &&
              !taken &&
              source.usedBytes > 65_536 &&
              !written.has(source.id) &&
              spec.bytes === source.bytes
            ) {
              aliases.set(spec.id, source.id)
            }
            return made
          },
        },
        access: aliasing(honest, aliases),
      }
    },
  ),
  provider(
    'clones the volume as it is now in place of its snapshot',
    'a clone of a snapshot has the bytes of the snapshot, not those of the volume now',
    (honest) => ({
      clones: {
        async clone(from, spec, call) {
          const snapshot = from.kind === 'snapshot' ? await honest.snapshots.get(from.id, call) : undefined
          const volume = snapshot && (await honest.volumes.get(snapshot.volume, call))
          return honest.clones.clone(volume ? { kind: 'volume', id: volume.id } : from, spec, call)
        },
      },
    }),
  ),
  provider('names a clone anew when it is asked again', 'cloning again gives the same volume, once', (honest) => {
    const made = new Map<VolumeId, string>()
    return {
      clones: {
        async clone(from, spec, call) {
          const again = made.has(spec.id) && made.get(spec.id) !== call.key
          made.set(spec.id, made.get(spec.id) ?? call.key)
          const volume = await honest.clones.clone(from, spec, call)
          return again ? { ...volume, name: `${volume.name}-again` } : volume
        },
      },
    }
  }),
  provider('copies again when it is asked again', 'cloning again keeps what was written to the clone', (honest) => {
    const made = new Map<VolumeId, string>()
    return {
      clones: {
        async clone(from, spec, call) {
          if (made.get(spec.id) === `${from.id} ${spec.bytes}`) await honest.volumes.delete(spec.id, call)
          const volume = await honest.clones.clone(from, spec, call)
          made.set(spec.id, `${from.id} ${spec.bytes}`)
          return volume
        },
      },
    }
  }),
  provider(
    'makes a clone for each of many that ask at once',
    'ten simultaneous clones of one id are one volume',
    (honest) => {
      let asking = 0
      return {
        clones: {
          async clone(from, spec, call) {
            const at = ++asking
            try {
              const made = await honest.clones.clone(from, spec, call)
              return at > 1 ? { ...made, name: `${made.name}-${at}` } : made
            } finally {
              asking -= 1
            }
          },
        },
      }
    },
  ),
  provider('gives a clone no QoS', 'QoS asked for a clone is enforced, and its source keeps its own', (honest) => ({
    clones: {
      async clone(from, spec, call) {
        // What is out of range is refused or clamped in daylight.
        if ((spec.qos.totalIops?.max ?? 0) > (honest.limits.qos?.iops?.max ?? 0)) {
          return honest.clones.clone(from, spec, call)
        }
        const made = await honest.clones.clone(from, { ...spec, qos: {} }, call)
        return sameQos(spec.qos, {}) ? made : { ...made, qos: { applied: spec.qos, clamped: [] } }
      },
    },
  })),
  provider(
    'makes a clone of a plain volume',
    'a plain volume is not made into a clone: CONFLICT, and it keeps its bytes',
    (honest) => {
      const plain = new Set<VolumeId>()
      return {
        volumes: {
          async create(spec, call) {
            const made = await honest.volumes.create(spec, call)
            plain.add(spec.id)
            return made
          },
        },
        clones: {
          clone: (from, spec, call) =>
            despite(
              'CONFLICT',
              () => honest.clones.clone(from, spec, call),
              async (error) => {
                if (!plain.has(spec.id)) throw error
                await honest.volumes.delete(spec.id, call)
                return honest.clones.clone(from, spec, call)
              },
            ),
        },
      }
    },
  ),
  provider(
    'calls a clone above the largest size a lack of space',
    'a clone above the largest size is refused as LIMIT, and nothing is made',
    (honest) => ({
      clones: {
        clone: (from, spec, call) =>
          despite(
            'LIMIT',
            () => honest.clones.clone(from, spec, call),
            () => {
              throw wrong('NO_SPACE')
            },
          ),
      },
    }),
  ),
  provider(
    'minds the id of a clone and not its source',
    'the id of a clone asked from another source, in another size, or as a plain volume, is refused as CONFLICT',
    (honest) => {
      const made = new Set<VolumeId>()
      return {
        clones: {
          clone: (from, spec, call) =>
            despite(
              'CONFLICT',
              async () => {
                const volume = await honest.clones.clone(from, spec, call)
                made.add(spec.id)
                return volume
              },
              async (error) => {
                const there = made.has(spec.id) ? await honest.volumes.get(spec.id, call) : undefined
                if (there) return there
                throw error
              },
            ),
        },
      }
    },
  ),
  provider(
    'calls a clone of nothing invalid',
    'a clone of what is not there is refused as NOT_FOUND, and nothing is made',
    (honest, stranger) => ({
      clones: {
        clone: (from, spec, call) =>
          despite(
            'NOT_FOUND',
            () => honest.clones.clone(from, spec, call),
            async (error) => {
              const theirs =
                from.kind === 'volume' ? stranger.volumes.get(from.id, call) : stranger.snapshots.get(from.id, call)
              throw (await theirs) ? error : wrong('INVALID')
            },
          ),
      },
    }),
  ),
  provider(
    'cuts a source to the size of its clone',
    'a clone smaller than its source is refused as INVALID, and nothing is made',
    (honest) => ({
      clones: {
        clone: (from, spec, call) =>
          despite(
            'INVALID',
            () => honest.clones.clone(from, spec, call),
            () => honest.clones.clone(from, { ...spec, bytes: spec.bytes * 2 }, call),
          ),
      },
    }),
  ),
  provider(
    'makes a clone as large as its source, and says otherwise',
    'a clone larger than its source has zeros where the source ends',
    (honest) => ({
      clones: {
        async clone(from, spec, call) {
          const source = from.kind === 'volume' ? await honest.volumes.get(from.id, call) : undefined
          const there = await honest.volumes.get(spec.id, call)
          if (there || !source || spec.bytes <= source.bytes || spec.bytes > 1024 ** 3)
            return honest.clones.clone(from, spec, call)
          return { ...(await honest.clones.clone(from, { ...spec, bytes: source.bytes }, call)), bytes: spec.bytes }
        },
      },
    }),
  ),
  provider('deletes the source of a clone with it', 'deleting a clone leaves its source as it was', (honest) => {
    const sources = new Map<VolumeId, Source>()
    return {
      clones: {
        async clone(from, spec, call) {
          const volume = await honest.clones.clone(from, spec, call)
          if (!sources.has(spec.id)) sources.set(spec.id, from)
          return volume
        },
      },
      volumes: {
        async delete(id, call) {
          const [there, source] = [await honest.volumes.get(id, call), sources.get(id)]
          await honest.volumes.delete(id, call)
          if (there && source?.kind === 'volume') await honest.volumes.delete(source.id, call).catch(() => undefined)
        },
      },
    }
  }),
  provider(
    'needs the snapshot of a clone, and says otherwise',
    'a snapshot can be deleted before its clone exactly when the limits say so, and the clone keeps its bytes',
    (honest) => {
      const clones = new Map<string, VolumeId>()
      return {
        clones: {
          async clone(from, spec, call) {
            const volume = await honest.clones.clone(from, spec, call)
            clones.set(from.id, spec.id)
            return volume
          },
        },
        snapshots: {
          async delete(id, call) {
            const clone = clones.get(id)
            if (clone && (await honest.volumes.get(clone, call))) throw wrong('IN_USE')
            await honest.snapshots.delete(id, call)
          },
        },
      }
    },
  ),
  provider(
    'follows a clone of a clone to the first source',
    'a clone of a clone keeps its bytes, whichever of its ancestors is written',
    (honest) => {
      const [made, aliases] = [new Set<string>(), new Map<string, VolumeId>()]
      return {
        clones: {
          async clone(from, spec, call): Promise<BackendVolume> {
            const volume = await honest.clones.clone(from, spec, call)
            if (from.kind === 'volume' && made.has(from.id)) aliases.set(spec.id, from.id)
            made.add(spec.id)
            return volume
          },
        },
        access: aliasing(honest, aliases),
      }
    },
  ),
  provider(
    'needs the source of a clone, and says otherwise',
    'a source can be deleted before its clone exactly when the limits say so, and the clone keeps its bytes',
    (honest) => {
      const clones = new Map<string, VolumeId>()
      return {
        clones: {
          async clone(from, spec, call) {
            const volume = await honest.clones.clone(from, spec, call)
            clones.set(from.id, spec.id)
            return volume
          },
        },
        volumes: {
          async delete(id, call) {
            const clone = clones.get(id)
            if (clone && (await honest.volumes.get(clone, call))) throw wrong('IN_USE')
            await honest.volumes.delete(id, call)
          },
        },
      }
    },
  ),
  provider(
    'clamps the QoS of a clone without a word',
    'QoS outside the range is clamped and reported for a clone as it is by apply, or no clone is made',
    (honest) => {
      const cloned = new Set<string>()
      const silent = (volume: BackendVolume) => {
        return volume.qos ? { ...volume, qos: { ...volume.qos, clamped: [] } } : volume
      }
      return {
        clones: {
          async clone(from, spec, call) {
            const volume = await honest.clones.clone(from, spec, call)
            cloned.add(spec.id)
            return silent(volume)
          },
        },
        volumes: {
          async get(id, call) {
            const found = await honest.volumes.get(id, call)
            return found && cloned.has(id) ? silent(found) : found
          },
        },
      }
    },
  ),
  provider(
    'answers with the clone that it has when it is asked for another size',
    'the id of a clone asked from another source, in another size, or as a plain volume, is refused as CONFLICT',
    (honest) => {
      const sources = new Map<string, string>()
      return {
        clones: {
          async clone(from, spec, call) {
            const found = sources.get(spec.id) === from.id ? await honest.volumes.get(spec.id, call) : undefined
            if (!sources.has(spec.id)) sources.set(spec.id, from.id)
            return found && found.bytes < spec.bytes ? found : honest.clones.clone(from, spec, call)
          },
        },
      }
    },
  ),
]

/** Gives access to other volumes than the ones that were named. */
function aliasing(honest: FullProvider, aliases: ReadonlyMap<string, VolumeId>): FullProvider['access'] {
  const real = <Access extends Pick<Exposure, 'source' | 'consumer'>>(access: Access): Access => {
    const id = aliases.get(access.source.id)
    return id ? { ...access, source: { kind: 'volume', id } } : access
  }
  return {
    expose: (exposure, call) => honest.access.expose(real(exposure), call),
    withdraw: (access, call) => honest.access.withdraw(real(access), call),
  }
}
