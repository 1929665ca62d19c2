import { asPluginError, type CollectResult, type MoverJobId } from '@moorage/contract'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { recordUpkeep } from '../store/archive-upkeep.ts'
import type { Tx } from '../store/store.ts'
import { archiveAccess, carryOut } from './archiving.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'
import { beginUpkeep, endUpkeep, forgetUpkeep, type Upkeep } from './upkeep.ts'

/** Remove from `archive` what no snapshot refers to. */
export interface ArchiveCollectInput {
  readonly archive: string
}

/** Collects an archive. Snapshots are archived, restored and deleted meanwhile. */
export const archiveCollect = sagaHead<ArchiveCollectInput>({
  name: 'archive-collect',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { archive }) => [resourceName('archive', archive)],
  about: ({ archive }) => ({ kind: 'archive', id: archive }),
})

const OUTCOME: Outcome<ArchiveCollectInput> = {
  type: 'IMAGE.STORE.COLLECT',
  kind: 'ImageStore',
  id: ({ archive }) => archive,
  doing: 'collecting image store',
}

/** What a collection did; `note`: why it did nothing. */
interface Collected extends Pick<CollectResult, 'removed' | 'removedBytes' | 'condemned'> {
  readonly tookMs: number
  readonly note?: string
}

/** Steps: begin, collect (by a mover), forget (its job). */
export function archiveCollectSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<ArchiveCollectInput, Tx>(archiveCollect)
    .step('begin', { decide: async (tx, { input }, { operation }) => beginUpkeep(tx, input.archive, operation) })
    .step('collect', {
      run: async ({ begin }, context) => collect(deps, begin, context),
      undo: async ({ begin }, context) => endUpkeep(deps, begin, context),
    })
    .step('forget', {
      run: async ({ begin }, context) => forgetUpkeep(deps, begin, context),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input, collect: { removed, removedBytes, condemned, tookMs, note } }) =>
        recordUpkeep(tx, {
          archiveId: input.archive,
          kind: 'collect',
          tookMs,
          bytes: removedBytes,
          objects: removed,
          waiting: condemned,
          note: note ?? null,
        }),
      ),
    )
}

async function collect(deps: SagaDeps, upkeep: Upkeep, context: StepContext): Promise<Collected> {
  const archive = await archiveAccess(deps, upkeep.archive)
  const task = { kind: 'collect', id: upkeep.job as MoverJobId, archive } as const // An id of ours is made by us.
  try {
    const done = await carryOut(deps, { mover: upkeep.mover, task, note: 'collected' }, context)
    const { removed, removedBytes, condemned } = done
    return { removed, removedBytes, condemned, tookMs: Date.now() - upkeep.at }
  } catch (error) {
    const { code, message: note } = asPluginError(error)
    if (code !== 'UNSUPPORTED') throw error
    // It stays so, and to be told of it each time would help nobody.
    return { removed: 0, removedBytes: 0, condemned: 0, tookMs: Date.now() - upkeep.at, note }
  }
}
