import { type ArchiveStore, PluginError } from '@moorage/contract'
import type { ArchiveCheat } from '../cheat.ts'
import { wrong } from '../cheat.ts'
import { everyStore, store } from './store.ts'

const WHOLE = 'what is stored is read back whole, from nothing to megabytes'
const PRESENT = 'what is there already is present, and stays as it was, whatever the body'
const RUN = 'a run of an object is what lies there, at its beginning, in its middle and at its end'
const EMPTY_RUN = 'a run that begins at or behind the end, or has no length, is empty'
const ABSENT = 'what is not there is neither read nor seen, and that is no error'
const GONE = 'what was deleted is gone: it is not read, not seen, and not listed'
const LOOK = 'what an object looks like agrees with what was stored and with the listing'
const MOST_BYTES = 4_500_000
const WINDOW = 65_536

/** Stores that do not keep what they were given, or read something else. */
export const objectCheats: readonly ArchiveCheat[] = [
  store('truncates what is large', WHOLE, (honest) => ({
    put: (key, body, call) =>
      honest.put(key, body.length > honest.limits.maxObjectBytes ? body : body.subarray(0, MOST_BYTES), call),
  })),
  store('accepts an empty body, and stores nothing', WHOLE, (honest) => ({
    put: async (key, body, call) => (body.length === 0 ? 'stored' : honest.put(key, body, call)),
  })),
  everyStore(
    'finds only what it has stored itself',
    'what is stored is there for whoever opens the store next',
    (honest) => {
      const own = new Set<string>()
      return {
        async put(key, body, call) {
          own.add(key)
          return honest.put(key, body, call)
        },
        // What is no key is found out by asking.
        get: async (key, range, call) => {
          const seen = await honest.get(key, range, call)
          return own.has(key) ? seen : undefined
        },
      }
    },
  ),
  everyStore(
    'stores something else, and undoes it when it reads',
    'what is stored lies in the back end byte for byte',
    (honest) => ({
      put: (key, body, call) => honest.put(key, inverted(body), call),
      async get(key, range, call) {
        const seen = await honest.get(key, range, call)
        return seen && inverted(seen)
      },
    }),
  ),
  store('keeps a body that it was only lent', 'a body is the caller’s own again once it is stored', (honest) => {
    const lent = new Map<string, Uint8Array>()
    return {
      async put(key, body, call) {
        const outcome = await honest.put(key, body, call)
        if (outcome === 'stored') lent.set(key, body)
        return outcome
      },
      async get(key, range, call) {
        const seen = await honest.get(key, range, call)
        return seen && ((range ? undefined : lent.get(key)) ?? seen)
      },
      async delete(key, call) {
        lent.delete(key)
        return honest.delete(key, call)
      },
    }
  }),
  store('says that it stored what was there', PRESENT, (honest) => ({
    async put(key, body, call) {
      const outcome = await honest.put(key, body, call)
      if (outcome === 'stored') return outcome
      const seen = await honest.get(key, undefined, call)
      return seen && Buffer.compare(seen, body) === 0 ? 'stored' : 'present'
    },
  })),
  store('leaves a second copy of what is large', 'a store holds what was stored, and nothing besides', (honest) => ({
    async put(key, body, call) {
      const outcome = await honest.put(key, body, call)
      if (outcome === 'stored' && body.length > 2_500_000) await honest.put(`${key}.copy`, body, call)
      return outcome
    },
  })),
  store(
    'mixes up what is stored at once under several keys',
    'many objects that are stored at once are each what they were given',
    (honest) => {
      let latest: { readonly key: string; readonly body: Uint8Array } | undefined
      return {
        async put(key, body, call) {
          latest = { key, body }
          await new Promise(setImmediate)
          return honest.put(key, latest.key === key ? body : latest.body, call)
        },
      }
    },
  ),
  ...runCheats(),
  store('fails to read what is not there', [ABSENT, GONE], (honest) => ({
    async get(key, range, call) {
      const seen = await honest.get(key, range, call)
      if (!seen) throw new PluginError('NOT_FOUND', 'no such object', 'none')
      return seen
    },
  })),
  store('counts objects in blocks', LOOK, (honest) => ({
    async stat(key, call) {
      const seen = await honest.stat(key, call)
      return seen && { ...seen, bytes: Math.ceil(seen.bytes / 4096) * 4096 }
    },
  })),
  store('does not know when an object was written', LOOK, (honest) => ({
    async stat(key, call) {
      const seen = await honest.stat(key, call)
      return seen && { ...seen, writtenAt: 0 }
    },
  })),
]

function runCheats(): readonly ArchiveCheat[] {
  return [
    store('reads a window of a run at most', RUN, (honest) => ({
      get: (key, range, call) => honest.get(key, range && { ...range, length: Math.min(range.length, WINDOW) }, call),
    })),
    store('returns a cut body as whole', RUN, (honest) => ({
      async get(key, range, call) {
        const seen = await honest.get(key, range, call)
        return range && seen && range.length > WINDOW ? seen.subarray(0, seen.length - 1) : seen
      },
    })),
    store('fills a run beyond the end with zeros', 'a run beyond the end is cut to what is there', (honest) => ({
      async get(key, range, call) {
        const seen = await honest.get(key, range, call)
        if (!range || !seen || seen.length === 0) return seen
        return Buffer.concat([seen], range.length)
      },
    })),
    runOf('refuses a run behind the end', EMPTY_RUN, async (run) => {
      const seen = await run.read()
      if (seen?.length === 0 && run.length > 0) throw wrong('INVALID')
      return seen
    }),
    runOf('finds nothing behind the end', EMPTY_RUN, async (run) => {
      const seen = await run.read()
      return seen?.length === 0 && run.length > 0 ? undefined : seen
    }),
    store('reads on to the end when it is asked for nothing', EMPTY_RUN, (honest) => ({
      get: (key, range, call) => honest.get(key, range?.length === 0 ? { ...range, length: 1000 } : range, call),
    })),
    runOf('reads nothing where nothing is', ABSENT, async (run) => (await run.read()) ?? new Uint8Array(0)),
  ]
}

/** A cheat in how runs are read. */
function runOf(
  name: string,
  caughtBy: string,
  change: (run: {
    readonly length: number
    read(): ReturnType<ArchiveStore['get']>
  }) => ReturnType<ArchiveStore['get']>,
): ArchiveCheat {
  return store(name, caughtBy, (honest) => ({
    get: (key, range, call) => {
      const read = () => honest.get(key, range, call)
      return range ? change({ length: range.length, read }) : read()
    },
  }))
}

function inverted(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0xff)
}
