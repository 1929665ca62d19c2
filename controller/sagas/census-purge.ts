import type { SnapshotId, VolumeId } from '@moorage/contract'
import { isFindingClass } from '../domain/census-classes.ts'
import { Refusal } from '../domain/failures.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { setting } from '../store/configurations.ts'
import { isOverdue, lockFinding, updateFinding } from '../store/findings.ts'
import type { Tx } from '../store/store.ts'
import { part, saying } from './calls.ts'
import { type FindingRef, lookFor, type Seen, stale } from './census-look.ts'
import { locksOfFinding } from './census-resolve.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** Delete what `finding` tells of, which is in the recycle bin. */
export interface CensusPurgeInput {
  readonly finding: string
}

/** Deletes a recycled object whose time is over, if a fresh look shows that it is still ours and unused. */
export const censusPurge = sagaHead<CensusPurgeInput>({
  name: 'census-purge',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { finding }) => locksOfFinding(tx, finding),
  about: ({ finding }) => ({ kind: 'censusfinding', id: finding }),
})

const OUTCOME: Outcome<CensusPurgeInput> = {
  type: 'CENSUS.PURGE',
  kind: 'CensusFinding',
  id: ({ finding }) => finding,
  doing: 'deleting the recycled object of finding',
}

/** Steps: begin, look, delete. What is gone already is what was wanted. */
export function censusPurgeSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<CensusPurgeInput, Tx>(censusPurge)
    .step('begin', { decide: async (tx, { input }) => begin(tx, input) })
    .step('look', {
      run: async ({ begin }, context) => (begin.finding ? lookIfThere(deps, begin.finding, context) : null),
      undo: async () => {},
    })
    .step('delete', {
      run: async ({ begin, look }, context) => {
        if (begin.finding && look) await remove(deps, { finding: begin.finding, seen: look }, context)
      },
      record: async (tx, { input }) => updateFinding(tx, input.finding, { state: 'gone', resolution: 'deleted' }),
      undo: async () => {},
    })
    .build(ends(OUTCOME, async () => {}))
}

/** `finding` absent: there is nothing left to do. */
async function begin(tx: Tx, input: CensusPurgeInput): Promise<{ readonly finding?: FindingRef }> {
  const row = await lockFinding(tx, input.finding)
  if (!row) throw new Refusal('NOT_FOUND', `There is no finding ${input.finding}`)
  if (row.state === 'gone') return {}
  const { class: name, object } = row
  if (row.state !== 'recycled' || !isFindingClass(name))
    throw new Refusal('INVALID', `Finding ${row.id} is ${row.state}: only what is recycled is deleted`)
  if (!(await isOverdue(tx, row.id, await setting(tx, 'census.recycle.retention'))))
    throw new Refusal('INVALID', `What finding ${row.id} tells of has not been in the recycle bin for long enough`)
  return { finding: { class: name, object, place: { kind: 'pool', id: row.place.slice('pool:'.length) } } }
}

/** `null`: it is gone. Throws `Refusal` when it is there, and is not what was recycled any more. */
async function lookIfThere(deps: SagaDeps, finding: FindingRef, context: StepContext): Promise<Seen | null> {
  const { holds, seen } = await lookFor(deps, finding, context)
  if (!seen.present) return null
  if (!holds) throw stale()
  return seen
}

async function remove(
  deps: SagaDeps,
  what: { readonly finding: FindingRef; readonly seen: Seen },
  context: StepContext,
): Promise<void> {
  const { finding, seen } = what
  if (seen.consumers.length > 0)
    throw new Refusal('IN_USE', `Somebody has access to ${finding.object} again: it is not deleted`)
  const { volumes, snapshots } = (await deps.plugins.pool(finding.place.id)).provider(context.log)
  const [kind, id = ''] = finding.object.split(':')
  const call = part(context.call, `delete/${id}`)
  // Ids of ours are made by us; the brands only keep kinds apart.
  await saying(
    'The storage system did not delete it',
    async () => (kind === 'volume' ? volumes.delete(id as VolumeId, call) : snapshots?.delete(id as SnapshotId, call)), // As above.
  )
}
