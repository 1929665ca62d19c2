import type { VolumeId, VolumeStats } from '@moorage/contract'
import { despite, everyProvider, type FullProvider, provider, type StorageCheat } from '../cheat.ts'

const FOLLOW = 'counters follow what is read and written and never go down, whatever comes and goes'
const ONCE = 'what is written counts as written, once, and not as read'

/** Providers that do not count. */
export const statsCheats: readonly StorageCheat[] = [
  provider('starts its counters anew with each session', FOLLOW, (honest) => {
    const sessions = new Map<string, number>()
    return {
      access: {
        expose(exposure, call) {
          sessions.set(exposure.source.id, (sessions.get(exposure.source.id) ?? 0) + 1)
          return honest.access.expose(exposure, call)
        },
      },
      stats: counting(honest, (now, id) =>
        (sessions.get(id) ?? 0) > 2 ? { ...now, readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0 } : now,
      ),
    }
  }),
  provider('counts no reads', FOLLOW, (honest) => ({
    stats: counting(honest, (now) => ({ ...now, readOps: 0, readBytes: 0 })),
  })),
  everyProvider('counts twice', ONCE, (honest) => ({
    stats: counting(honest, (now) => ({ ...now, writeBytes: now.writeBytes * 2 })),
  })),
  provider('counts writes as reads', ONCE, (honest) => ({
    stats: counting(honest, (now) => ({ ...now, readBytes: now.readBytes + now.writeBytes })),
  })),
  provider(
    'starts its counters anew in a revert',
    'counters survive growth, a change of QoS, a snapshot and a revert',
    (honest) => {
      const reverted = new Set<VolumeId>()
      return {
        revert: {
          revert(volume, to, call) {
            reverted.add(volume)
            return honest.revert.revert(volume, to, call)
          },
        },
        stats: counting(honest, (now, id) => (reverted.has(id) ? { ...now, writeOps: 0, writeBytes: 0 } : now)),
      }
    },
  ),
  provider(
    'starts its counters anew in a growth',
    'counters survive growth, a change of QoS, a snapshot and a revert',
    (honest) => {
      const grown = new Set<VolumeId>()
      return {
        resize: {
          grow(id, bytes, call) {
            grown.add(id)
            return honest.resize.grow(id, bytes, call)
          },
        },
        stats: counting(honest, (now, id) => (grown.has(id) ? { ...now, writeOps: 0, writeBytes: 0 } : now)),
      }
    },
  ),
  provider('counts what all volumes do', 'counters of one volume do not count another’s', (honest) => {
    const volumes = new Set<VolumeId>()
    return {
      volumes: {
        async create(spec, call) {
          const made = await honest.volumes.create(spec, call)
          volumes.add(spec.id)
          return made
        },
      },
      stats: {
        async read(id, call) {
          const all = await Promise.all(
            [...volumes].map((each) => honest.stats.read(each, call).catch(() => undefined)),
          )
          const own = await honest.stats.read(id, call)
          return { ...own, writeBytes: all.reduce((sum, each) => sum + (each?.writeBytes ?? 0), 0) }
        },
      },
    }
  }),
  provider(
    'counts nothing of what is not there',
    'counters of a volume that is not there are refused as NOT_FOUND',
    (honest, stranger) => ({
      stats: {
        read: (id, call) =>
          despite(
            'NOT_FOUND',
            () => honest.stats.read(id, call),
            async (error) => {
              if (await stranger.volumes.get(id, call)) throw error
              return { readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0, at: Date.now() }
            },
          ),
      },
    }),
  ),
  provider(
    'looks at the clock once',
    'counters follow what is read and written and never go down, whatever comes and goes',
    (honest) => {
      let first = 0
      return {
        stats: {
          async read(id, call) {
            const now = await honest.stats.read(id, call)
            first ||= now.at
            return { ...now, at: first }
          },
        },
      }
    },
  ),
]

function counting(
  honest: FullProvider,
  change: (now: VolumeStats, id: VolumeId) => VolumeStats,
): FullProvider['stats'] {
  return { read: async (id, call) => change(await honest.stats.read(id, call), id) }
}
