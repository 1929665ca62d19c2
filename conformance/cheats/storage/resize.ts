import { sameQos, type VolumeId } from '@moorage/contract'
import { despite, dataPath, provider, session, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that lie about growth. */
export const resizeCheats: readonly StorageCheat[] = [
  dataPath(
    'leaves what it was made of at the end of a volume that grew',
    'a volume grows, keeps its bytes, and shows zeros in what is new',
    (bench) => {
      const grown = new Map<string, number>()
      const honest = bench.provider
      const { resize, revert } = honest
      return {
        provider: {
          ...honest,
          ...(resize && {
            resize: {
              async grow(id, bytes, call) {
                const before = await honest.volumes.get(id, call)
                const volume = await resize.grow(id, bytes, call)
                if (before && before.usedBytes > 65_536) grown.set(id, before.bytes)
                return volume
              },
            },
          }),
          ...(revert && {
            revert: {
              async revert(volume, to, call) {
                grown.delete(volume)
                return revert.revert(volume, to, call)
              },
            },
          }),
        },
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          const at = [...grown].find(([id]) => JSON.stringify(connection).includes(id))?.[1]
          if (at === undefined) return disk
          let wrote = false
          return session(disk, {
            async write(offset, bytes) {
              wrote = true
              await disk.write(offset, bytes)
            },
            async read(offset, length) {
              const bytes = await disk.read(offset, length)
              if (!wrote && offset < at && offset + length > at) bytes.fill(7, at - offset)
              return bytes
            },
          })
        },
      }
    },
  ),
  provider(
    'answers a growth and does nothing',
    'growing again to the same size changes nothing, and the size is found by get and inventory',
    (honest) => {
      const asked = new Map<VolumeId, number>()
      return {
        resize: {
          async grow(id, bytes, call) {
            const grown = await honest.resize.grow(id, bytes, call)
            asked.set(id, (asked.get(id) ?? 0) + 1)
            return asked.get(id) === 2 ? { ...grown, bytes: grown.bytes * 2 } : grown
          },
        },
      }
    },
  ),
  dataPath(
    'loses the sessions of a volume that grows',
    'a volume grows under an open session, which goes on',
    (bench) => {
      let growths = 0
      const honest = bench.provider
      const { resize } = honest
      return {
        provider: {
          ...honest,
          ...(resize && {
            resize: {
              async grow(id, bytes, call) {
                const volume = await resize.grow(id, bytes, call)
                growths += 1
                return volume
              },
            },
          }),
        },
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          const at = growths
          return session(disk, {
            async write(offset, bytes) {
              if (growths > at) throw wrong('UNAVAILABLE')
              await disk.write(offset, bytes)
            },
          })
        },
      }
    },
  ),
  provider('rounds growth down', 'growth is rounded up to the granularity', (honest) => ({
    resize: {
      grow: (id, bytes, call) => {
        const { granularityBytes } = honest.limits
        return honest.resize.grow(id, Math.floor(bytes / granularityBytes) * granularityBytes, call)
      },
    },
  })),
  provider('takes the QoS away when a volume grows', 'a volume that grows keeps its QoS', (honest) => ({
    resize: {
      async grow(id, bytes, call) {
        const before = await honest.qos.read(id, call).catch(() => ({}))
        const grown = await honest.resize.grow(id, bytes, call)
        if (!sameQos(before, {})) await honest.qos.apply(id, {}, call)
        return grown
      },
    },
  })),
  provider(
    'calls a full pool a limit of growth',
    'growing beyond the pool is refused as NO_SPACE and changes nothing',
    (honest) => ({
      resize: {
        grow: (id, bytes, call) =>
          despite(
            'NO_SPACE',
            () => honest.resize.grow(id, bytes, call),
            () => {
              throw wrong('LIMIT')
            },
          ),
      },
    }),
  ),
  provider(
    'takes a smaller size for one that it has already',
    'a volume never shrinks: INVALID, and it keeps its size and bytes',
    (honest) => ({
      resize: {
        grow: (id, bytes, call) =>
          despite(
            'INVALID',
            () => honest.resize.grow(id, bytes, call),
            async (error) => {
              const volume = await honest.volumes.get(id, call)
              if (volume) return volume
              throw error
            },
          ),
      },
    }),
  ),
  provider(
    'calls growth beyond the largest size a lack of space',
    'growing beyond the largest size is refused as LIMIT and changes nothing',
    (honest) => ({
      resize: {
        grow: (id, bytes, call) =>
          despite(
            'LIMIT',
            () => honest.resize.grow(id, bytes, call),
            () => {
              throw wrong('NO_SPACE')
            },
          ),
      },
    }),
  ),
  provider(
    'calls the growth of nothing invalid',
    'growing a volume that is not there is refused as NOT_FOUND',
    (honest, stranger) => ({
      resize: {
        grow: (id, bytes, call) =>
          despite(
            'NOT_FOUND',
            () => honest.resize.grow(id, bytes, call),
            async (error) => {
              throw (await stranger.volumes.get(id, call)) ? error : wrong('INVALID')
            },
          ),
      },
    }),
  ),
  provider(
    'lets the last of two growths win',
    'simultaneous growths to two sizes end at the larger, for get and inventory alike',
    (honest) => {
      const shown = new Map<string, number>()
      let growing = 0
      return {
        resize: {
          async grow(id, bytes, call) {
            growing += 1
            try {
              return await honest.resize.grow(id, bytes, call)
            } catch (error) {
              if (growing > 1) shown.set(id, bytes)
              throw error
            } finally {
              growing -= 1
            }
          },
        },
        volumes: {
          async get(id, call) {
            const found = await honest.volumes.get(id, call)
            return found && { ...found, bytes: shown.get(id) ?? found.bytes }
          },
        },
      }
    },
  ),
]
