import type { BackendVolume, VolumeId } from '@moorage/contract'
import { despite, provider, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that lie about volumes. */
export const volumeCheats: readonly StorageCheat[] = [
  provider(
    'finds a volume under another name',
    'a volume is made with the size asked for and found again by its id',
    (honest) => ({
      volumes: {
        async get(id, call) {
          const found = await honest.volumes.get(id, call)
          return found && { ...found, name: found.name.toUpperCase() }
        },
      },
    }),
  ),
  provider(
    'knows a volume by the key of the call that made it',
    'creating a volume again gives the same volume, with the same key and with another',
    (honest) => {
      const keys = new Map<VolumeId, string[]>()
      return {
        volumes: {
          async create(spec, call) {
            const seen = keys.get(spec.id) ?? []
            keys.set(spec.id, [...seen, call.key])
            const made = await honest.volumes.create(spec, call)
            // It forgives one retry, so that a simple test does not notice.
            return seen.length < 2 || seen.includes(call.key) ? made : { ...made, name: `${made.name}-again` }
          },
        },
      }
    },
  ),
  provider(
    'answers with what it has when it is asked for another size',
    'the same id with another size is refused as CONFLICT and changes nothing',
    (honest) => {
      const made = new Set<VolumeId>()
      return {
        volumes: {
          async create(spec, call) {
            const there = made.has(spec.id) ? await honest.volumes.get(spec.id, call) : undefined
            if (there && there.bytes !== spec.bytes && spec.bytes % 4096 === 0) return there
            const volume = await honest.volumes.create(spec, call)
            made.add(spec.id)
            return volume
          },
        },
      }
    },
  ),
  provider(
    'compares sizes before it rounds them',
    'sizes are rounded up to the granularity, and the same odd size asked again is the same volume',
    (honest) => {
      const made = new Set<VolumeId>()
      return {
        volumes: {
          async create(spec, call) {
            if (made.has(spec.id) && spec.bytes % 4096 !== 0) throw wrong('CONFLICT')
            made.add(spec.id)
            return honest.volumes.create(spec, call)
          },
        },
      }
    },
  ),
  provider(
    'makes the smallest volume in place of a smaller one',
    'a size below the smallest is refused as LIMIT, and nothing is made',
    (honest) => ({
      volumes: {
        create: (spec, call) =>
          honest.volumes.create({ ...spec, bytes: Math.max(spec.bytes, honest.limits.minVolumeBytes) }, call),
      },
    }),
  ),
  provider(
    'calls a size above the largest a lack of space',
    'a size above the largest is refused as LIMIT, and nothing is made',
    (honest) => ({
      volumes: {
        async create(spec, call) {
          if (spec.bytes > honest.limits.maxVolumeBytes) throw wrong('NO_SPACE')
          return honest.volumes.create(spec, call)
        },
      },
    }),
  ),
  provider('refuses the smallest size', 'a volume of the smallest size is made', (honest) => ({
    volumes: {
      async create(spec, call) {
        if (spec.bytes <= honest.limits.minVolumeBytes) throw wrong('LIMIT')
        return honest.volumes.create(spec, call)
      },
    },
  })),
  provider('refuses the largest size', 'a volume of exactly the largest size is not refused as LIMIT', (honest) => ({
    volumes: {
      async create(spec, call) {
        if (spec.bytes >= honest.limits.maxVolumeBytes) throw wrong('LIMIT')
        return honest.volumes.create(spec, call)
      },
    },
  })),
  provider(
    'calls a full pool a limit',
    'a volume larger than the whole pool is refused as NO_SPACE, and nothing is made',
    (honest) => ({
      volumes: {
        create: (spec, call) =>
          despite(
            'NO_SPACE',
            () => honest.volumes.create(spec, call),
            (error) => {
              throw spec.bytes < honest.limits.maxVolumeBytes ? wrong('LIMIT') : error
            },
          ),
      },
    }),
  ),
  provider(
    'takes more volumes than it says',
    'a pool takes as many volumes as the limit says, and one more is refused as LIMIT',
    () => ({
      limits: { maxVolumes: 3 },
    }),
  ),
  provider(
    'makes a volume without the QoS that it cannot keep',
    'a volume that is to be made with a contradictory QoS is refused, and nothing is made',
    (honest) => ({
      volumes: {
        create: (spec, call) =>
          despite(
            'INVALID',
            () => honest.volumes.create(spec, call),
            (error) => {
              if (Object.keys(spec.qos).length === 0) throw error
              return honest.volumes.create({ ...spec, qos: {} }, call)
            },
          ),
      },
    }),
  ),
  provider('numbers its volumes', 'the name of a volume follows from its id: made anew, it has the same', (honest) => {
    const deleted = new Set<VolumeId>()
    return {
      volumes: {
        async create(spec, call) {
          const made = await honest.volumes.create(spec, call)
          return deleted.has(spec.id) ? { ...made, name: `${made.name}-2` } : made
        },
        async delete(id, call) {
          await honest.volumes.delete(id, call)
          deleted.add(id)
        },
      },
    }
  }),
  provider(
    'formats a volume whenever it is asked for',
    'creating a volume again keeps what was written to it',
    (honest) => {
      const made = new Map<VolumeId, number>()
      return {
        volumes: {
          async create(spec, call) {
            if (made.get(spec.id) === spec.bytes) await honest.volumes.delete(spec.id, call)
            const volume = await honest.volumes.create(spec, call)
            made.set(spec.id, spec.bytes)
            return volume
          },
        },
      }
    },
  ),
  provider(
    'throws for a volume that is not there',
    'asking for a volume that is not there answers nothing',
    (honest, stranger) => {
      const asked = new Set<VolumeId>()
      return {
        volumes: {
          create(spec, call) {
            asked.add(spec.id)
            return honest.volumes.create(spec, call)
          },
          async get(id, call) {
            const found = await honest.volumes.get(id, call)
            if (found) asked.add(id)
            if (found || asked.has(id) || (await stranger.volumes.get(id, call))) return found
            throw wrong('NOT_FOUND')
          },
        },
        clones: {
          clone(from, spec, call) {
            asked.add(spec.id)
            return honest.clones.clone(from, spec, call)
          },
        },
      }
    },
  ),
  provider(
    'refuses the retry of a delete whose answer was lost',
    'a deleted volume is gone, and deleting it again, or what was never there, succeeds',
    (honest) => {
      const deleted = new Set<string>()
      return {
        volumes: {
          async delete(id, call) {
            if (deleted.has(`${id} ${call.key}`)) throw wrong('NOT_FOUND')
            await honest.volumes.delete(id, call)
            deleted.add(`${id} ${call.key}`)
          },
        },
      }
    },
  ),
  provider('loses count when many ask at once', 'twenty simultaneous creates of one id make one volume', (honest) => {
    const asking = new Map<VolumeId, number>()
    return {
      volumes: {
        async create(spec, call) {
          const at = (asking.get(spec.id) ?? 0) + 1
          asking.set(spec.id, at)
          try {
            const made = await honest.volumes.create(spec, call)
            return at > 15 ? { ...made, name: `${made.name}-${at}` } : made
          } finally {
            asking.set(spec.id, (asking.get(spec.id) ?? 1) - 1)
          }
        },
      },
    }
  }),
  provider(
    'answers the second of two that ask at once as the first',
    'simultaneous creates of one id in two sizes make one of them and refuse the other',
    (honest) => {
      const making = new Map<VolumeId, { readonly bytes: number; readonly made: Promise<BackendVolume> }>()
      return {
        volumes: {
          async create(spec, call) {
            const first = making.get(spec.id)
            if (first && first.bytes !== spec.bytes) return first.made
            const made = honest.volumes.create(spec, call)
            making.set(spec.id, { bytes: spec.bytes, made })
            try {
              return await made
            } finally {
              making.delete(spec.id)
            }
          },
        },
      }
    },
  ),
  provider(
    'answers a delete while it still makes the volume',
    'a create and a delete at the same time end in one or the other, for get and inventory alike',
    (honest) => {
      const [making, hidden] = [new Set<VolumeId>(), new Set<VolumeId>()]
      return {
        volumes: {
          async create(spec, call) {
            making.add(spec.id)
            try {
              return await honest.volumes.create(spec, call)
            } finally {
              making.delete(spec.id)
            }
          },
          get: async (id, call) => (hidden.has(id) ? undefined : honest.volumes.get(id, call)),
          async delete(id, call) {
            if (making.has(id)) hidden.add(id)
            else {
              await honest.volumes.delete(id, call)
              hidden.delete(id)
            }
          },
        },
      }
    },
  ),
]
