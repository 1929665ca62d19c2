import type { Exposure, VolumeId } from '@moorage/contract'
import { allPages } from '../../check.ts'
import { accessKey, despite, evading, everyProvider, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that keep in memory what belongs to the array: a second one on the same pool shows it. */
export const controllerCheats: readonly StorageCheat[] = [
  everyProvider(
    'answers from memory what it has made',
    'a volume that one controller made another finds, is given when it asks again, and deletes for both',
    (honest) => {
      const made = new Map<VolumeId, Awaited<ReturnType<typeof honest.volumes.create>>>()
      return {
        volumes: {
          async create(spec, call) {
            const volume = await honest.volumes.create(spec, call)
            made.set(spec.id, volume)
            return volume
          },
          async get(id, call) {
            return (await honest.volumes.get(id, call)) ?? made.get(id)
          },
          async delete(id, call) {
            await honest.volumes.delete(id, call)
            made.delete(id)
          },
        },
      }
    },
  ),
  everyProvider('keeps fences in memory', 'fences that one controller has raised bind another', (honest, at) => {
    if (at === 0) return {}
    return {
      volumes: { create: (spec, call) => evading((each) => honest.volumes.create(spec, each), call) },
      access: { expose: (exposure, call) => evading((each) => honest.access.expose(exposure, each), call) },
    }
  }),
  everyProvider(
    'ends the sessions only of consumers that it let in itself',
    'access that one controller gave another gives alike, and takes away with its sessions',
    (honest, at) => {
      const given = new Set<string>()
      return {
        access: {
          async expose(exposure, call) {
            const { consumer } = exposure
            const all = await allPages((cursor) => honest.inventory.list(cursor, call))
            const there = all.some((item) => 'consumer' in item && item.consumer === consumer.id)
            const connection = await honest.access.expose(exposure, call)
            if (!there) given.add(accessKey(exposure))
            return connection
          },
          async withdraw(access, call) {
            if (at === 0 || given.has(accessKey(access))) await honest.access.withdraw(access, call)
          },
        },
      }
    },
  ),
  everyProvider(
    'knows which snapshots it took, and takes others for their volumes',
    'a snapshot that one controller took shows another the same bytes, whatever is written since',
    (honest, at) => {
      const aliases = new Map<string, Pick<Exposure, 'source'>>()
      const aliased = async (exposure: Exposure, call: Parameters<typeof honest.snapshots.get>[1]) => {
        const { source } = exposure
        const found = source.kind === 'snapshot' && at > 0 ? await honest.snapshots.get(source.id, call) : undefined
        if (found) aliases.set(accessKey(exposure), { source: { kind: 'volume', id: found.volume } })
        return { ...exposure, ...aliases.get(accessKey(exposure)) }
      }
      return {
        access: {
          expose: async (exposure, call) => honest.access.expose(await aliased(exposure, call), call),
          withdraw: (access, call) => honest.access.withdraw({ ...access, ...aliases.get(accessKey(access)) }, call),
        },
      }
    },
  ),
  everyProvider('keeps prepared groups in memory', 'a group that one controller prepared another commits', (honest) => {
    const prepared = new Set<string>()
    return {
      groupSnapshots: {
        async prepare(group, members, call) {
          await honest.groupSnapshots.prepare(group, members, call)
          prepared.add(group)
        },
        async commit(group, call) {
          if (!prepared.has(group)) throw wrong('NOT_FOUND')
          return honest.groupSnapshots.commit(group, call)
        },
      },
    }
  }),
  everyProvider(
    'reads back the QoS that it set itself',
    'QoS that one controller set another reads and changes',
    (honest, at) => ({
      qos: { read: async (id, call) => (at === 0 ? honest.qos.read(id, call) : {}) },
    }),
  ),
  everyProvider(
    'remembers the sources of the clones that it made itself',
    'the source of a clone is known to every controller',
    (honest, at) => ({
      clones: {
        clone: (from, spec, call) =>
          despite(
            'CONFLICT',
            () => honest.clones.clone(from, spec, call),
            async (error) => {
              const found = await honest.volumes.get(spec.id, call)
              if (at === 0 || !found) throw error
              return found
            },
          ),
      },
    }),
  ),
  lockingItself(),
  everyProvider(
    'counts from when it was opened',
    'counters that one controller has read do not go down for another',
    (honest, at) => ({
      stats: {
        async read(id, call) {
          const now = await honest.stats.read(id, call)
          return at === 0 ? now : { ...now, readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0 }
        },
      },
    }),
  ),
]

/** What it makes while another makes the same is made twice: its lock is in memory. */
function lockingItself(): StorageCheat {
  const making = new Map<string, number>()
  return everyProvider(
    'locks out itself, not others',
    'simultaneous creates of one id by two controllers make one volume',
    (honest, at) => ({
      volumes: {
        async create(spec, call) {
          const [own, others] = [`${spec.id} ${at > 0}`, `${spec.id} ${at === 0}`]
          making.set(own, (making.get(own) ?? 0) + 1)
          const alone = (making.get(others) ?? 0) === 0
          try {
            const made = await honest.volumes.create(spec, call)
            return alone || at === 0 ? made : { ...made, name: `${made.name}-2` }
          } finally {
            making.set(own, (making.get(own) ?? 1) - 1)
          }
        },
      },
    }),
  )
}
