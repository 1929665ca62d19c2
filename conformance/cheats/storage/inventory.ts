import type { InventoryItem, Qos, VolumeId } from '@moorage/contract'
import { allPages } from '../../check.ts'
import { type FullProvider, provider, type StorageCheat, wrong } from '../cheat.ts'

/** Changes what the inventory shows, page by page. */
function listing(
  honest: FullProvider,
  change: (items: readonly InventoryItem[]) => readonly InventoryItem[],
): FullProvider['inventory'] {
  return {
    async list(cursor, call) {
      const page = await honest.inventory.list(cursor, call)
      return { ...page, items: change(page.items) }
    },
  }
}

/** Providers whose inventory lies. */
export const inventoryCheats: readonly StorageCheat[] = [
  provider(
    'loses what stands at the border of two pages',
    'the inventory lists each of our volumes exactly once, with id, name and size, however many pages it takes',
    (honest) => {
      let deleted = false
      return {
        volumes: {
          async delete(id, call) {
            await honest.volumes.delete(id, call)
            deleted = true
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            // While nothing goes away: whoever looks at what is left over must not notice.
            const full = cursor !== undefined && page.next !== undefined && !deleted
            return full ? { ...page, items: page.items.slice(0, -1) } : page
          },
        },
      }
    },
  ),
  provider(
    'counts its pages from the start each time',
    'what is there throughout is listed exactly once while others come and go between the pages',
    (honest) => {
      const ids: string[] = []
      return {
        volumes: {
          async create(spec, call) {
            const made = await honest.volumes.create(spec, call)
            if (!ids.includes(spec.id)) ids.push(spec.id)
            return made
          },
        },
        inventory: {
          async list(cursor, call) {
            const all = await allPages((at) => honest.inventory.list(at, call))
            // In the order in which they were made, as a list of a directory may be.
            const items = all.toSorted((a, b) => at(ids, a) - at(ids, b))
            const start = Number(cursor ?? 0)
            if (!Number.isSafeInteger(start)) throw wrong('INVALID')
            const end = start + 5
            return { items: items.slice(start, end), ...(end < items.length && { next: String(end) }) }
          },
        },
      }
    },
  ),
  provider('counts seconds', 'sizes and times in the inventory are whole bytes and epoch milliseconds', (honest) => ({
    inventory: listing(honest, (items) =>
      items.map((item) =>
        item.createdAt === undefined ? item : { ...item, createdAt: Math.floor(item.createdAt / 1000) },
      ),
    ),
  })),
  provider(
    'shows no size of a snapshot',
    'sizes and times in the inventory are whole bytes and epoch milliseconds',
    (honest) => ({
      inventory: listing(honest, (items) =>
        items.map((item) => (item.kind === 'snapshot' ? { ...item, bytes: 0 } : item)),
      ),
    }),
  ),
  provider(
    'gives two volumes one name',
    'names on the back end are different for different volumes and outlive nothing',
    (honest) => {
      const names = new Map<string, string>()
      const shown = (id: string, name: string) => names.get(id) ?? name
      return {
        volumes: {
          async create(spec, call) {
            const made = await honest.volumes.create(spec, call)
            const [first] = names.values()
            names.set(spec.id, shown(spec.id, first ?? made.name))
            return { ...made, name: shown(spec.id, made.name) }
          },
          async get(id, call) {
            const found = await honest.volumes.get(id, call)
            return found && { ...found, name: shown(id, found.name) }
          },
          async delete(id, call) {
            await honest.volumes.delete(id, call)
            names.delete(id)
          },
        },
        inventory: listing(honest, (items) =>
          items.map((item) =>
            item.kind === 'volume' && item.owner === 'ours' ? { ...item, name: shown(item.id, item.name) } : item,
          ),
        ),
      }
    },
  ),
  provider(
    'leaves something behind that nobody owns',
    'what was deleted leaves nothing in the inventory, foreign or ours',
    (honest) => {
      const left = new Map<VolumeId, string>()
      return {
        volumes: {
          async delete(id, call) {
            const volume = await honest.volumes.get(id, call)
            await honest.volumes.delete(id, call)
            if (volume) left.set(id, volume.name)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            if (page.next !== undefined) return page
            const remains = [...left.values()].map((name) => ({
              kind: 'structure' as const,
              owner: 'foreign' as const,
              name: `remains of ${name}`,
              bytes: 0,
            }))
            return { ...page, items: [...page.items, ...remains] }
          },
        },
      }
    },
  ),
  provider(
    'lists every exposure as one for writing',
    'what the inventory says of modes and of QoS is what is enforced',
    (honest) => ({
      inventory: listing(honest, (items) =>
        items.map((item) => (item.kind === 'exposure' && item.owner === 'ours' ? { ...item, mode: 'rw' } : item)),
      ),
    }),
  ),
  provider(
    'lists the QoS with which a volume was made',
    'what the inventory says of modes and of QoS is what is enforced',
    (honest) => {
      const asked = new Map<string, Qos>()
      return {
        volumes: {
          create(spec, call) {
            asked.set(spec.id, spec.qos)
            return honest.volumes.create(spec, call)
          },
        },
        inventory: listing(honest, (items) =>
          items.map((item) => {
            const qos = item.kind === 'volume' && item.owner === 'ours' ? asked.get(item.id) : undefined
            return item.kind === 'volume' && item.owner === 'ours' && qos ? { ...item, qos } : item
          }),
        ),
      }
    },
  ),
  provider(
    'turns the pages of its inventory for ever',
    [
      'a deleted volume is gone, and deleting it again, or what was never there, succeeds',
      'the inventory lists each of our volumes exactly once, with id, name and size, however many pages it takes',
    ],
    (honest) => {
      let page = 0
      return {
        inventory: {
          async list(cursor, call) {
            if (cursor?.startsWith('and on ')) return { items: [], next: `and on ${++page}` }
            const { items, next = `and on ${++page}` } = await honest.inventory.list(cursor, call)
            return { items, next }
          },
        },
      }
    },
  ),
]

function at(ids: readonly string[], item: InventoryItem): number {
  const index = item.owner === 'ours' && 'id' in item ? ids.indexOf(item.id) : -1
  return index === -1 ? Number.MAX_SAFE_INTEGER : index
}
