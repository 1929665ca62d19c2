import { type AppliedQos, differingAxes, type Qos, type QosAxis, sameQos, type VolumeId } from '@moorage/contract'
import { despite, evading, type FullProvider, everyProvider, provider, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that lie about QoS. */
export const qosCheats: readonly StorageCheat[] = [
  provider(
    'forgets the burst that was asked for at creation',
    'QoS asked for at creation is enforced and reported by create, get and read alike',
    (honest) => ({
      volumes: {
        async create(spec, call) {
          if (parts(spec.qos) < 3 || tooHigh(honest, spec.qos)) return honest.volumes.create(spec, call)
          const applied = await honest.volumes.create({ ...spec, qos: {} }, call)
          return { ...applied, qos: { applied: spec.qos, clamped: [] } }
        },
      },
    }),
  ),
  provider(
    'says that it clamped what it did not',
    'a maximum inside the range of the limits is applied as asked, not clamped',
    (honest) => ({
      qos: {
        async apply(id, qos, call) {
          const answer = await honest.qos.apply(id, qos, call)
          const plain =
            parts(qos) === 1 && axes(qos).length === 1 && answer.clamped.length === 0 && qos.totalIops?.max !== 100
          return plain ? { ...answer, clamped: axes(qos) } : answer
        },
      },
    }),
  ),
  provider(
    'says that it kept every part of what it halved',
    'what apply answers is what read shows, and clamped names exactly the axes that differ from the request',
    (honest) => ({
      qos: {
        async apply(id, qos, call) {
          if (parts(qos) < 3) return honest.qos.apply(id, qos, call)
          await honest.qos.apply(id, {}, call)
          return { applied: qos, clamped: [] }
        },
      },
    }),
  ),
  provider(
    'reads back the QoS that was asked for, whatever is enforced',
    'a number outside the range is clamped and reported, or refused as LIMIT; never silently different',
    (honest) => {
      const asked = new Map<VolumeId, Qos>()
      return {
        qos: {
          async apply(id, qos, call) {
            const answer = await honest.qos.apply(id, qos, call)
            if (sameQos(answer.applied, qos)) {
              asked.delete(id)
              return answer
            }
            asked.set(id, qos)
            return { applied: qos, clamped: [] }
          },
          read: async (id, call) => asked.get(id) ?? honest.qos.read(id, call),
        },
      }
    },
  ),
  provider(
    'clamps what is too low and does not say so',
    'a number outside the range is clamped and reported, or refused as LIMIT; never silently different',
    (honest) => ({
      qos: {
        async apply(id, qos, call): Promise<AppliedQos> {
          const answer = await honest.qos.apply(id, qos, call)
          return tooHigh(honest, qos) ? answer : { ...answer, clamped: [] }
        },
      },
    }),
  ),
  provider(
    'clamps at creation and does not say so',
    'QoS outside the range is clamped and reported at creation as it is by apply, or the volume is not made',
    (honest) => {
      const created = new Set<VolumeId>()
      return {
        volumes: {
          create(spec, call) {
            created.add(spec.id)
            return honest.volumes.create(spec, call)
          },
          async get(id, call) {
            const volume = await honest.volumes.get(id, call)
            if (!volume?.qos || !created.has(id)) return volume
            return { ...volume, qos: { ...volume.qos, clamped: [] } }
          },
        },
      }
    },
  ),
  provider(
    'keeps no limit on what is written',
    'every axis that the limits name is kept, alone and beside those that go with it',
    (honest) => ({
      qos: {
        apply(id, qos, call) {
          const { writeIops: _, ...kept } = qos
          return honest.qos.apply(id, kept, call)
        },
      },
    }),
  ),
  provider(
    'keeps no limit on bytes beside one on operations',
    'every axis that the limits name is kept, alone and beside those that go with it',
    (honest) => ({
      qos: {
        apply(id, qos, call) {
          const { totalBytes: _, ...kept } = qos
          return honest.qos.apply(id, qos.totalIops ? kept : qos, call)
        },
      },
    }),
  ),
  provider('counts every I/O as one', 'the size to which I/O is normalised is kept', (honest) => {
    let vectors = 0
    return {
      qos: {
        apply(id, qos, call) {
          vectors += 1
          const { ioBytes: _, ...kept } = qos
          return honest.qos.apply(id, vectors === 1 ? kept : qos, call)
        },
      },
    }
  }),
  provider('adds a vector to the one before', 'a vector replaces the one before it as a whole', (honest) => {
    const last = new Map<VolumeId, Qos>()
    return {
      qos: {
        apply(id, qos, call) {
          const before = last.get(id)
          last.set(id, qos)
          const together = before?.ioBytes !== undefined && qos.ioBytes === undefined && axes(qos).length > 0
          return honest.qos.apply(id, together ? { ...qos, ioBytes: before.ioBytes } : qos, call)
        },
      },
    }
  }),
  provider('forgets the QoS when access is taken away', 'QoS stays while access is given and taken away', (honest) => {
    const [limited, touched] = [new Set<string>(), new Set<string>()]
    return {
      volumes: {
        async create(spec, call) {
          const made = await honest.volumes.create(spec, call)
          if (axes(spec.qos).length > 0) limited.add(spec.id)
          return made
        },
      },
      access: {
        async withdraw(access, call) {
          await honest.access.withdraw(access, call)
          const { source } = access
          if (source.kind !== 'volume' || !limited.has(source.id) || touched.has(source.id)) return
          touched.add(source.id)
          await honest.qos.apply(source.id, {}, call)
        },
      },
    }
  }),
  remembering(),
  provider('shows a limit that nobody feels', 'a limit is felt by whoever writes', (honest) => {
    const shown = new Map<VolumeId, Qos>()
    return {
      qos: {
        async apply(id, qos, call) {
          const slow = qos.totalBytes?.max === 1024 * 1024 && parts(qos) === 1
          if (!slow) {
            shown.delete(id)
            return honest.qos.apply(id, qos, call)
          }
          await honest.qos.apply(id, {}, call)
          shown.set(id, qos)
          return { applied: qos, clamped: [] }
        },
        read: async (id, call) => shown.get(id) ?? honest.qos.read(id, call),
      },
    }
  }),
  provider('takes an empty vector for no change', 'an empty vector takes every limit away', (honest) => ({
    qos: {
      async apply(id, qos, call) {
        const before = await honest.qos.read(id, call)
        if (axes(qos).length > 0 || axes(before).length === 0) return honest.qos.apply(id, qos, call)
        return { applied: before, clamped: differingAxes(qos, before) }
      },
    },
  })),
  provider(
    'takes the part of a vector that it keeps',
    'a vector that contradicts itself or asks for what is not kept is refused, and the old one stays',
    (honest) => ({
      qos: {
        apply: (id, qos, call) =>
          despite(
            'INVALID',
            () => honest.qos.apply(id, qos, call),
            async (error) => {
              const [axis] = axes(qos)
              const max = axis && qos[axis]?.max
              if (!axis || max === undefined) throw error
              return honest.qos.apply(id, { [axis]: { max } }, call)
            },
          ),
      },
    }),
  ),
  provider(
    'changes QoS whatever the fence',
    'a late change of QoS below the fence of a newer one is refused and changes nothing',
    (honest) => {
      const applied = new Set<VolumeId>()
      return {
        qos: {
          async apply(id, qos, call) {
            if (applied.has(id)) return evading((each) => honest.qos.apply(id, qos, each), call)
            const answer = await honest.qos.apply(id, qos, call)
            applied.add(id)
            return answer
          },
        },
      }
    },
  ),
  provider(
    'reads no limits of what is not there',
    'QoS of a volume that is not there is refused as NOT_FOUND',
    (honest, stranger) => ({
      qos: {
        read: (id, call) =>
          despite(
            'NOT_FOUND',
            () => honest.qos.read(id, call),
            async (error) => {
              if (await stranger.volumes.get(id, call)) throw error
              return {}
            },
          ),
      },
    }),
  ),
  provider('has one limit for all', 'QoS of one volume leaves another alone', (honest) => {
    const limited = new Map<VolumeId, Qos>()
    return {
      volumes: {
        async create(spec, call) {
          const made = await honest.volumes.create(spec, call)
          if (parts(spec.qos) === 1) limited.set(spec.id, spec.qos)
          return made
        },
      },
      qos: {
        async apply(id, qos, call) {
          const answer = await honest.qos.apply(id, qos, call)
          if (axes(qos).length > 0) {
            for (const other of limited.keys()) if (other !== id) await honest.qos.apply(other, qos, call)
          }
          return answer
        },
      },
    }
  }),
  provider(
    'is not sure whether a refused vector had an effect',
    'a vector that contradicts itself or asks for what is not kept is refused, and the old one stays',
    (honest) => ({
      qos: {
        apply: (id, qos, call) =>
          despite(
            'INVALID',
            () => honest.qos.apply(id, qos, call),
            () => {
              throw wrong('INVALID', 'possible')
            },
          ),
      },
    }),
  ),
]

function axes(qos: Qos): readonly QosAxis[] {
  return differingAxes(qos, {})
}

function parts(qos: Qos): number {
  return axes(qos).reduce((sum, axis) => sum + Object.keys(qos[axis] ?? {}).length, 0)
}

function tooHigh(honest: FullProvider, qos: Qos): boolean {
  return axes(qos).some((axis) => (qos[axis]?.max ?? 0) > (honest.limits.qos?.iops?.max ?? Infinity))
}

/** All of its controllers know what one of them was told. */
function remembering(): StorageCheat {
  const told = new Map<VolumeId, Qos>()
  return everyProvider(
    'remembers what it was told instead of looking',
    'a limit that somebody changed at the array itself is what read and get show',
    (honest) => {
      return {
        volumes: {
          async create(spec, call) {
            const made = await honest.volumes.create(spec, call)
            if (made.qos) told.set(spec.id, made.qos.applied)
            return made
          },
        },
        clones: {
          async clone(from, spec, call) {
            const made = await honest.clones.clone(from, spec, call)
            if (made.qos) told.set(spec.id, made.qos.applied)
            return made
          },
        },
        qos: {
          async apply(id, qos, call) {
            const answer = await honest.qos.apply(id, qos, call)
            told.set(id, answer.applied)
            return answer
          },
          async read(id, call) {
            const found = await honest.qos.read(id, call)
            return told.get(id) ?? found
          },
        },
      }
    },
  )
}
