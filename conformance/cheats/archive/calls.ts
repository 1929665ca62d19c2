import { type Call, PluginError } from '@moorage/contract'
import { type ArchiveCheat, denying, despite, isLate, unhurried } from '../cheat.ts'
import { store } from './store.ts'

const NO_KEY = 'what is no key is refused as INVALID, whoever asks'
const LATE = 'a change whose time is up ends in TIMEOUT, and effect none means that nothing was changed'
const GIVEN_UP = 'a change that its caller has given up ends in TIMEOUT, and effect none means that nothing was changed'
const LOOKS = 'whoever only looks and has no time left is told so'
const ENOUGH = 150

/** Stores that do not mind keys, limits, the clock, or their caller. */
export const callCheats: readonly ArchiveCheat[] = [
  store('puts keys right', NO_KEY, (honest) => ({
    put: (key, body, call) => honest.put(key.toLowerCase().replaceAll('//', '/'), body, call),
  })),
  store('finds nothing under what is no key', NO_KEY, (honest) => ({
    get: (key, range, call) =>
      despite(
        'INVALID',
        () => honest.get(key, range, call),
        () => undefined,
      ),
  })),
  store('has deleted what is no key', NO_KEY, (honest) => ({
    delete: (key, call) =>
      despite(
        'INVALID',
        () => honest.delete(key, call),
        () => undefined,
      ),
  })),
  store('takes the beginning of a long key', 'every character of a key counts, up to the longest key', (honest) => {
    const cut = (key: string) => (key.length > honest.limits.maxKeyBytes ? key : key.slice(0, ENOUGH))
    return {
      put: (key, body, call) => honest.put(cut(key), body, call),
      get: (key, range, call) => honest.get(cut(key), range, call),
      delete: (key, call) => honest.delete(cut(key), call),
    }
  }),
  store('cuts a key that is too long', 'a key that is too long is refused as LIMIT', (honest) => ({
    put: (key, body, call) => honest.put(key.slice(0, honest.limits.maxKeyBytes), body, call),
  })),
  store(
    'stores the beginning of what is too large',
    'a body that is too large is refused as LIMIT, and nothing of it is stored',
    (honest) => ({
      put: (key, body, call) =>
        despite(
          'LIMIT',
          () => honest.put(key, body, call),
          async (error) => {
            if (body.length > honest.limits.maxObjectBytes) await honest.put(key, body.subarray(0, 1000), call)
            throw error
          },
        ),
    }),
  ),
  store('stores when its time is up, and denies it', LATE, (honest) => ({
    put: (key, body, call) => denying((each) => honest.put(key, body, each), isLate, call),
  })),
  store('deletes what is to go when its time is up, and denies it', LATE, (honest) => ({
    delete: (key, call) => denying((each) => honest.delete(key, each), isLate, call),
  })),
  store('stores for a caller that has gone, and denies it', GIVEN_UP, (honest) => ({
    put: (key, body, call) => denying((each) => honest.put(key, body, each), isGone, call),
  })),
  store('deletes for a caller that has gone, and denies it', GIVEN_UP, (honest) => ({
    delete: (key, call) => denying((each) => honest.delete(key, each), isGone, call),
  })),
  store('reads however late it is', LOOKS, (honest) => ({
    get: (key, range, call) => honest.get(key, range, unhurried(call)),
  })),
  store('lists however late it is', LOOKS, (honest) => ({
    list: (prefix, cursor, call) => honest.list(prefix, cursor, unhurried(call)),
  })),
  store(
    'stores what it has got when its caller gives up',
    'a put that its caller gives up halfway leaves the whole object or none, and asking again settles it',
    (honest) => ({
      async put(key, body, call) {
        if (isLate(call) || isGone(call)) return honest.put(key, body, call)
        return despite(
          'TIMEOUT',
          () => honest.put(key, body, call),
          async () => {
            await honest.put(key, body.subarray(0, body.length / 2), unhurried(call))
            throw new PluginError('TIMEOUT', 'given up', 'possible')
          },
        )
      },
    }),
  ),
]

function isGone(call: Call): boolean {
  return call.signal.aborted
}
