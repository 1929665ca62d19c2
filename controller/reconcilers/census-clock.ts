import { derivedId } from '../domain/derived-id.ts'
import { resourceName } from '../domain/resource.ts'
import { census } from '../sagas/census.ts'
import { submitInternal } from '../sagas/internal.ts'
import { setting } from '../store/configurations.ts'
import { outcomeOf } from '../store/queries/pending.ts'
import { isBusy } from '../store/resources.ts'
import type { Reconciler } from './reconciler.ts'

/**
 * A census is taken once in every span of `census.interval`, and not while one is open. The operation's id derives from the
 * span, so that several controllers ask for one.
 */
export const censusClock: Reconciler = {
  name: 'census-clock',
  everyMs: 30_000,
  async run(deps) {
    const seconds = await setting(deps.store.reader, 'census.interval')
    const span = Math.floor(Date.now() / 1000 / seconds)
    const operation = derivedId('census-clock', String(seconds), String(span))
    const asked = await deps.store.transact(async (tx) => {
      if ((await outcomeOf(tx, operation)) || (await isBusy(tx, resourceName('census', 'all')))) return false
      await submitInternal(tx, deps.jobs, { head: census, input: {}, id: operation, account: '' })
      return true
    })
    if (!asked) return
    deps.log.info({ operation }, 'asked for a census')
  },
}
