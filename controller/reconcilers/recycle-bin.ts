import { censusPurge } from '../sagas/census-purge.ts'
import { setting } from '../store/configurations.ts'
import { recycledFor } from '../store/findings.ts'
import { askFor } from './ask.ts'
import type { Reconciler } from './reconciler.ts'

/** What was recycled and not taken back within `census.recycle.retention` is deleted, if it is still ours and unused. */
export const recycleBin: Reconciler = {
  name: 'recycle-bin',
  everyMs: 60_000,
  async run(deps, turn) {
    const { reader } = deps.store
    const found = await recycledFor(reader, await setting(reader, 'census.recycle.retention'))
    const wishes = found.map(({ id }) => ({ kind: 'census', id, account: '', input: { finding: id } }) as const)
    await askFor(deps, turn, { head: censusPurge, reason: 'recycled for long enough', wishes })
  },
}
