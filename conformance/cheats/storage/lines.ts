import { type BackendVolume, PluginError } from '@moorage/contract'
import { despite, everyProvider, provider, type StorageCheat, unhurried, wrong } from '../cheat.ts'

/** Providers that are at a loss when their array does not answer, or count wrong what they were told. */
export const lineCheats: readonly StorageCheat[] = [
  everyProvider(
    'takes an array that is slow for one that is gone',
    'an array that takes connections and never answers is reported as TIMEOUT when the time is up',
    (honest) => ({
      pools: {
        report: (call) =>
          despite(
            'TIMEOUT',
            () => honest.pools.report(call),
            (error) => {
              throw call.deadline <= Date.now() ? wrong('UNAVAILABLE', error.effect) : error
            },
          ),
      },
    }),
  ),
  everyProvider(
    'does not hear its caller give up',
    'a caller that gives up on an array that never answers is free at once',
    (honest) => ({
      pools: {
        report: (call) => honest.pools.report(call.deadline > Date.now() + 1000 ? unhurried(call) : call),
      },
    }),
  ),
  everyProvider(
    'says of an answer that was lost that nothing happened',
    'a change whose answer was lost is not said to have had no effect, and asking again settles it',
    (honest, at) => ({ volumes: { create: denied(honest.volumes.create, at) } }),
  ),
  everyProvider(
    'says of a lost answer to a withdraw that nothing happened',
    'a change whose answer was lost is not said to have had no effect, and asking again settles it',
    (honest, at) => ({ access: { withdraw: denied(honest.access.withdraw, at) } }),
  ),
  everyProvider(
    'never answers again once its line has failed',
    'a change whose answer was lost is not said to have had no effect, and asking again settles it',
    (honest, at) => {
      let failed = false
      return {
        volumes: {
          async create(spec, call) {
            if (failed && at > 0) throw wrong('NOT_FOUND')
            return despite(
              'UNAVAILABLE',
              () => honest.volumes.create(spec, call),
              (error) => {
                failed = true
                throw error
              },
            )
          },
        },
      }
    },
  ),
  provider(
    'takes a call for the one before when they share a key',
    'calls of one step that share a key do what each of them asks',
    (honest) => {
      const answers = new Map<string, BackendVolume>()
      return {
        volumes: {
          async create(spec, call) {
            const answer = answers.get(call.key)
            if (answer && answer.id !== spec.id) return answer
            const made = await honest.volumes.create(spec, call)
            answers.set(call.key, made)
            return made
          },
        },
      }
    },
  ),
  provider(
    'takes a delete for done when it has seen its key',
    'calls of one step that share a key do what each of them asks',
    (honest) => {
      const seen = new Set<string>()
      return {
        volumes: {
          create(spec, call) {
            seen.add(call.key)
            return honest.volumes.create(spec, call)
          },
          async delete(id, call) {
            if (!seen.has(call.key)) await honest.volumes.delete(id, call)
          },
        },
      }
    },
  ),
  provider('counts nothing as used', 'what is written counts as used in the report of the pool', (honest) => ({
    pools: { report: async (call) => ({ ...(await honest.pools.report(call)), usedBytes: 0 }) },
  })),
]

/** Passes every call on, and denies the effect of one whose answer was lost. */
function denied<Args extends unknown[], Result>(
  run: (...args: Args) => Promise<Result>,
  at: number,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    try {
      return await run(...args)
    } catch (error) {
      if (at > 0 && error instanceof PluginError && error.code === 'UNAVAILABLE') throw wrong('UNAVAILABLE')
      throw error
    }
  }
}
