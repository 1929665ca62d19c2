import type { StorageBench } from '../../storage/subject.ts'
import { accessKey, dataPath, type FullProvider, provider, session, type StorageCheat, wrong } from '../cheat.ts'

/** Providers that are careless with the sessions of a consumer. */
export const sessionCheats: readonly StorageCheat[] = [
  dataPath(
    'goes on to serve reads in a session that was withdrawn',
    'a session for reading is dead as well once its access is withdrawn',
    (bench) => ({
      provider: bench.provider,
      async connect(connection) {
        const disk = await opened(bench, connection)
        return session(disk, {
          read: (offset, length) => disk.read(offset, length).catch(() => new Uint8Array(length)),
        })
      },
    }),
  ),
  dataPath('ends one session of a consumer', 'a withdraw ends every session of its consumer', oneSession),
  provider(
    'lets a consumer write everywhere that may write somewhere',
    'one consumer may write one volume and only read another',
    (honest) => {
      const writers = new Map<string, string>()
      return {
        access: {
          expose(exposure, call) {
            const { source, consumer, mode } = exposure
            const elsewhere = writers.get(consumer.id)
            if (mode === 'rw') writers.set(consumer.id, source.id)
            const writes = elsewhere !== undefined && elsewhere !== source.id
            return honest.access.expose(writes ? { ...exposure, mode: 'rw' } : exposure, call)
          },
        },
      }
    },
  ),
  provider(
    'answers a withdraw while it still gives access',
    'an expose and a withdraw at the same time end in one or the other, for inventory and consumer alike',
    (honest) => {
      const [giving, hidden] = [new Set<string>(), new Set<string>()]
      return {
        access: {
          async expose(exposure, call) {
            giving.add(accessKey(exposure))
            try {
              return await honest.access.expose(exposure, call)
            } finally {
              giving.delete(accessKey(exposure))
            }
          },
          async withdraw(access, call) {
            if (giving.has(accessKey(access))) hidden.add(accessKey(access))
            else {
              await honest.access.withdraw(access, call)
              hidden.delete(accessKey(access))
            }
          },
        },
        inventory: hiding(honest, hidden),
      }
    },
  ),
  dataPath(
    'ends the sessions to snapshots of a volume that it deletes',
    'a session to a snapshot goes on when its volume is deleted',
    (bench) => {
      let deleted = false
      const { provider } = bench
      return {
        provider: {
          ...provider,
          volumes: {
            ...provider.volumes,
            async delete(id, call) {
              await provider.volumes.delete(id, call)
              deleted = true
            },
          },
        },
        async connect(connection) {
          const disk = await opened(bench, connection)
          const before = !deleted
          return session(disk, {
            async read(offset, length) {
              if (before && deleted) throw wrong('UNAVAILABLE')
              return disk.read(offset, length)
            },
          })
        },
      }
    },
  ),
]

function opened(bench: StorageBench, connection: Parameters<NonNullable<StorageBench['connect']>>[0]) {
  if (!bench.connect) throw wrong('UNSUPPORTED')
  return bench.connect(connection)
}

/** The first of two sessions outlives a withdraw. */
function oneSession(bench: StorageBench): Pick<StorageBench, 'provider' | 'connect'> {
  const open = new Map<string, number>()
  const given = new Map<string, string>()
  const ended = new Set<string>()
  const { provider } = bench
  return {
    provider: {
      ...provider,
      access: {
        async expose(exposure, call) {
          const connection = await provider.access.expose(exposure, call)
          given.set(accessKey(exposure), JSON.stringify(connection))
          return connection
        },
        async withdraw(access, call) {
          const key = given.get(accessKey(access)) ?? ''
          if ((open.get(key) ?? 0) < 2) return provider.access.withdraw(access, call)
          open.set(key, 0)
          ended.add(key)
        },
      },
    },
    async connect(connection) {
      const [disk, key] = [await opened(bench, connection), JSON.stringify(connection)]
      const at = (open.get(key) ?? 0) + 1
      open.set(key, at)
      return session(disk, {
        async write(offset, bytes) {
          if (at > 1 && ended.has(key)) throw wrong('UNAVAILABLE')
          await disk.write(offset, bytes)
        },
        async close() {
          open.set(key, (open.get(key) ?? 1) - 1)
          await disk.close()
        },
      })
    },
  }
}

/** The inventory without exposures of these keys. */
function hiding(honest: FullProvider, hidden: ReadonlySet<string>): FullProvider['inventory'] {
  return {
    async list(cursor, call) {
      const page = await honest.inventory.list(cursor, call)
      const shown = page.items.filter((item) => {
        if (item.kind !== 'exposure' || item.owner !== 'ours') return true
        return !hidden.has(`${item.source.kind} ${item.source.id} ${item.consumer}`)
      })
      return { ...page, items: shown }
    },
  }
}
