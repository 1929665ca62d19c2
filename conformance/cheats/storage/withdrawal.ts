import { type Exposure, PluginError, type StorageProvider, type Withdrawal } from '@moorage/contract'
import type { OpenDisk } from '../../storage/subject.ts'
import { accessKey, dataPath, session, type StorageCheat, wholeProvider, wrong } from '../cheat.ts'

/** Providers that hide behind the limits of withdrawals and writers. */
export const withdrawalCheats: readonly StorageCheat[] = [
  wholeProvider({
    name: 'has hosts detach, and then withdraws in its books only',
    caughtBy: [
      'a consumer that let go before its withdraw is not let in again, and what it wrote stays',
      'a consumer from whom access was taken stays out as time goes by',
    ],
    make(honest) {
      const pending = new Map<string, Pick<Exposure, 'source' | 'consumer'>>()
      return {
        ...mustDetach(honest),
        access: {
          expose: (exposure, call) => honest.access.expose(exposure, call),
          withdraw: async (access) => void pending.set(accessKey(access), access),
        },
        volumes: {
          ...honest.volumes,
          async delete(id, call) {
            for (const access of pending.values()) await honest.access.withdraw(access, call)
            await honest.volumes.delete(id, call)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            return { ...page, items: page.items.filter((item) => item.kind !== 'exposure') }
          },
        },
      }
    },
  }),
  wholeProvider({
    name: 'has hosts detach, and says BUSY to a withdraw that it has carried out',
    caughtBy: [
      'where hosts must detach, a withdraw from one that has not is either carried out or refused as BUSY, whole',
      'a consumer that let go before its withdraw is not let in again, and what it wrote stays',
    ],
    make(honest) {
      const asked = new Set<string>()
      return {
        ...mustDetach(honest),
        access: {
          ...honest.access,
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            if (asked.has(accessKey(access))) return
            asked.add(accessKey(access))
            throw new PluginError('BUSY', 'the host still has it open', 'none')
          },
        },
      }
    },
  }),
  wholeProvider({
    name: 'says that a source has one writer, and admits two',
    caughtBy: [
      'a source has as many writers as the limit says; one more is refused as LIMIT, and takes the place of one that left',
    ],
    make: (honest) => ({ ...honest, limits: { ...honest.limits, maxWriters: 1 } }),
  }),
  wholeProvider({
    name: 'says of its withdrawals what the contract has no word for',
    caughtBy: ['the limits say in words of the contract what a withdrawal does, and a number of writers that is one'],
    make: (honest) => ({
      ...honest,
      limits: { ...honest.limits, withdrawal: 'eventually' as Withdrawal }, // The cheat.
    }),
  }),
  dataPath(
    'lets in again a consumer that let go',
    'a consumer that let go before its withdraw is not let in again, and what it wrote stays',
    (bench) => {
      const closed = new Set<string>()
      const { provider } = bench
      return {
        provider: {
          ...provider,
          access: {
            ...provider.access,
            expose(exposure, call) {
              closed.clear()
              return provider.access.expose(exposure, call)
            },
          },
        },
        async connect(connection) {
          const key = JSON.stringify(connection)
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection).catch((error: unknown) => {
            if (closed.has(key)) return EMPTY
            throw error
          })
          return session(disk, {
            async close() {
              closed.add(key)
              await disk.close()
            },
          })
        },
      }
    },
  ),
  dataPath(
    'has hosts detach, and says BUSY to a withdraw under an open session that it has carried out',
    'where hosts must detach, a withdraw from one that has not is either carried out or refused as BUSY, whole',
    (bench) => {
      const open = new Map<string, number>()
      const given = new Map<string, string>()
      const { provider } = bench
      return {
        provider: {
          ...provider,
          limits: { ...provider.limits, withdrawal: 'host-must-detach' },
          access: {
            async expose(exposure, call) {
              const connection = await provider.access.expose(exposure, call)
              given.set(accessKey(exposure), JSON.stringify(connection))
              return connection
            },
            async withdraw(access, call) {
              await provider.access.withdraw(access, call)
              if ((open.get(given.get(accessKey(access)) ?? '') ?? 0) > 0) throw wrong('BUSY')
            },
          },
        },
        async connect(connection) {
          if (!bench.connect) throw wrong('UNSUPPORTED')
          const [disk, key] = [await bench.connect(connection), JSON.stringify(connection)]
          open.set(key, (open.get(key) ?? 0) + 1)
          return session(disk, {
            async close() {
              open.set(key, 0)
              await disk.close()
            },
          })
        },
      }
    },
  ),
]

const EMPTY: OpenDisk = {
  write: async () => undefined,
  read: async (_offset, length) => new Uint8Array(length),
  close: async () => undefined,
}

function mustDetach(honest: Required<StorageProvider>): Required<StorageProvider> {
  return { ...honest, limits: { ...honest.limits, withdrawal: 'host-must-detach' } }
}
