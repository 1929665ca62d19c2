import type { ArchiveObject, ArchiveStore, Call, Page } from '@moorage/contract'
import { allPages } from '../../check.ts'
import { type ArchiveCheat, wrong } from '../cheat.ts'
import { store } from './store.ts'

const ORDER = 'all objects are listed once, in the byte order of their keys, whatever the size of pages'
const GOES_ON = 'a listing goes on where it stopped, whatever was stored and deleted meanwhile'
const PREFIX = 'a prefix is the beginning of keys, and no folder'
const GONE = 'what was deleted is gone: it is not read, not seen, and not listed'
const AGAIN = 'a key whose object was deleted takes another'

/** Stores that list something else than they hold, or do not let go of what was deleted. */
export const listingCheats: readonly ArchiveCheat[] = [
  store('lists folder by folder', ORDER, (honest) => ({
    async list(prefix, _cursor, call) {
      const ranked = (await all(honest, prefix, call)).map((item) => ({ item, rank: item.key.replaceAll('/', '\0') }))
      return { items: ranked.toSorted((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ item }) => item) }
    },
  })),
  store('forgets the last object of a page', [ORDER, GOES_ON], (honest) => ({
    async list(prefix, cursor, call) {
      const page = await honest.list(prefix, cursor, call)
      return page.next === undefined ? page : { ...page, items: page.items.slice(0, -1) }
    },
  })),
  store('lists the last object of a page on the next one, too', [ORDER, GOES_ON], (honest) => {
    let last: readonly ArchiveObject[] = []
    return {
      async list(prefix, cursor, call) {
        const page = await honest.list(prefix, cursor, call)
        const items = cursor === undefined ? page.items : [...last, ...page.items]
        last = page.items.slice(-1)
        return { ...page, items }
      },
    }
  }),
  store(
    'lists what it listed a moment ago',
    'an object is listed as soon as it is stored, where the probe says so',
    (honest) => {
      const known = new Map<string, Page<ArchiveObject>>()
      return {
        async list(prefix, cursor, call) {
          const page = await honest.list(prefix, cursor, call)
          if (prefix === '' || cursor !== undefined) return page
          const before = known.get(prefix) ?? page
          known.set(prefix, before)
          return before
        },
      }
    },
  ),
  store('lists the folder of the prefix', PREFIX, (honest) => ({
    list: (prefix, cursor, call) => honest.list(prefix.slice(0, prefix.lastIndexOf('/') + 1), cursor, call),
  })),
  store('mixes prefixes', PREFIX, (honest) => ({ list: (_prefix, cursor, call) => honest.list('', cursor, call) })),
  store('counts how much it has listed', GOES_ON, (honest) => ({
    async list(prefix, cursor, call) {
      const items = await all(honest, prefix, call)
      const [from, to] = [Number(cursor ?? 0), Number(cursor ?? 0) + 3]
      return { items: items.slice(from, to), ...(to < items.length && { next: String(to) }) }
    },
  })),
  store('lists what was deleted', GONE, (honest) => {
    const gone: ArchiveObject[] = []
    return {
      async delete(key, call) {
        const seen = await honest.stat(key, call)
        if (seen) gone.push(seen)
        return honest.delete(key, call)
      },
      async list(prefix, cursor, call) {
        const page = await honest.list(prefix, cursor, call)
        if (cursor !== undefined) return page
        return { ...page, items: [...gone.filter(({ key }) => key.startsWith(prefix)), ...page.items] }
      },
    }
  }),
  store('sees what was deleted', GONE, (honest) => {
    const known = new Map<string, ArchiveObject>()
    return {
      async delete(key, call) {
        const seen = await honest.stat(key, call)
        if (seen) known.set(key, seen)
        return honest.delete(key, call)
      },
      stat: async (key, call) => (await honest.stat(key, call)) ?? known.get(key),
    }
  }),
  store('keeps what it is to delete', [GONE, AGAIN], (honest) => ({
    async delete(key, call) {
      await honest.stat(key, call)
    },
  })),
  store('fails to delete what is not there', 'deleting what is not there succeeds', (honest) => ({
    async delete(key, call) {
      if (!(await honest.stat(key, call))) throw wrong('NOT_FOUND')
      return honest.delete(key, call)
    },
  })),
  store('deletes whatever begins like the key', 'a delete takes one object, and none that begins alike', (honest) => ({
    async delete(key, call) {
      await honest.delete(key, call)
      for (const each of await all(honest, key, call)) await honest.delete(each.key, call)
    },
  })),
  store('takes a key for one object only, for ever', AGAIN, (honest) => {
    const taken = new Set<string>()
    return {
      async put(key, body, call) {
        if (taken.has(key)) return 'present'
        const outcome = await honest.put(key, body, call)
        taken.add(key)
        return outcome
      },
    }
  }),
]

async function all(honest: ArchiveStore, prefix: string, call: Call): Promise<readonly ArchiveObject[]> {
  return allPages((cursor) => honest.list(prefix, cursor, call))
}
