import { type Exposure, PluginError, type StorageProvider, type Withdrawal } from '@moorage/contract'
import type { StorageCheat } from './cheat.ts'
import { accessKey } from './storage-state.ts'

/** Providers that hide behind the limits of withdrawals and writers. */
export const withdrawalCheats: readonly StorageCheat[] = [
  {
    name: 'has hosts detach, and then withdraws in its books only',
    caughtBy: ['a consumer that let go before its withdraw is not let in again, and what it wrote stays'],
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
  },
  {
    name: 'has hosts detach, and says BUSY to a withdraw that it has carried out',
    caughtBy: [
      'where hosts must detach, a withdraw from one that has not is either carried out or refused as BUSY, whole',
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
  },
  {
    name: 'says that a source has one writer, and admits two',
    caughtBy: [
      'a source has as many writers as the limit says; one more is refused as LIMIT, and takes the place of one that left',
    ],
    make: (honest) => ({ ...honest, limits: { ...honest.limits, maxWriters: 1 } }),
  },
  {
    name: 'says of its withdrawals what the contract has no word for',
    caughtBy: ['the limits say in words of the contract what a withdrawal does, and a number of writers that is one'],
    make: (honest) => ({
      ...honest,
      limits: { ...honest.limits, withdrawal: 'eventually' as Withdrawal }, // The cheat.
    }),
  },
]

function mustDetach(honest: Required<StorageProvider>): Required<StorageProvider> {
  return { ...honest, limits: { ...honest.limits, withdrawal: 'host-must-detach' } }
}
