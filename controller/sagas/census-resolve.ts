import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { lockFinding } from '../store/findings.ts'
import { unique } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { actOn, readBack } from './census-act.ts'
import { beginResolve, type CensusResolveInput } from './census-begin.ts'
import { lookAgain } from './census-look.ts'
import { settleResolve } from './census-settle.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** Does something about a finding: adopts or recycles the object, or repairs back end or record. */
export const censusResolve = sagaHead<CensusResolveInput>({
  name: 'census-resolve',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { finding }) => locksOfFinding(tx, finding),
  about: ({ finding }) => ({ kind: 'censusfinding', id: finding }),
})

const OUTCOME: Outcome<CensusResolveInput> = {
  type: ({ action }) => `CENSUS.${action.toUpperCase()}`,
  kind: 'CensusFinding',
  id: ({ finding }) => finding,
  doing: 'resolving finding',
}

/** The finding's own lock, and those under which what it tells of is changed. Submit in the same transaction. */
export async function locksOfFinding(tx: Tx, finding: string): Promise<readonly string[]> {
  const row = await lockFinding(tx, finding)
  return unique([resourceName('census', finding), ...(row?.resources ?? [])])
}

/**
 * Steps: begin, look (does the finding still hold?), act (on the back end), verify (it does not show any more), settle (the
 * record). Acting makes a back end as it is recorded, or takes access that nobody is recorded to have: undone, it would be the
 * fault again. When it fails half-way, the finding stays, and can be resolved again.
 */
export function censusResolveSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<CensusResolveInput, Tx>(censusResolve)
    .step('begin', { decide: async (tx, { input }) => beginResolve(tx, input) })
    .step('look', {
      run: async ({ begin }, context) => lookAgain(deps, begin.finding, context),
      undo: async () => {},
    })
    .step('act', {
      run: async ({ begin, look }, context) => actOn(deps, { begun: begin, seen: look }, context),
      undo: async () => {},
    })
    .step('verify', {
      run: async ({ begin, act }, context) => readBack(deps, { begun: begin, done: act }, context),
      undo: async () => {},
    })
    .step('settle', {
      decide: async (tx, { input, begin, look, act }) =>
        settleResolve(deps, tx, { input, what: { begun: begin, seen: look, done: act } }),
    })
    .build(ends(OUTCOME, async () => {}))
}
