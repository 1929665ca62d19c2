import {
  type ArchiveDamage,
  asPluginError,
  type MoverJobId,
  type SnapshotId,
  type VerifyResult,
} from '@moorage/contract'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { isInArchive, recordUpkeep } from '../store/archive-upkeep.ts'
import { recordEvent } from '../store/events.ts'
import type { Tx } from '../store/store.ts'
import { archiveAccess, carryOut } from './archiving.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'
import { beginUpkeep, endUpkeep, forgetUpkeep, type Upkeep } from './upkeep.ts'

/** Read and check every byte that restoring `snapshot` from `archive` would take. */
export interface ArchiveDrillInput {
  readonly archive: string
  readonly snapshot: string
}

/** A restore drill. It locks no snapshot: what is deleted meanwhile says nothing. */
export const archiveDrill = sagaHead<ArchiveDrillInput>({
  name: 'archive-drill',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { archive }) => [resourceName('archive', archive)],
  about: ({ archive }) => ({ kind: 'archive', id: archive }),
})

const OUTCOME: Outcome<ArchiveDrillInput> = {
  type: 'IMAGE.STORE.DRILL',
  kind: 'ImageStore',
  id: ({ archive }) => archive,
  doing: 'checking what would be restored from image store',
}

/** Damages that are told of, each by an event. */
const TOLD = 10

/** What a drill found. */
interface Drilled extends Pick<VerifyResult, 'checkedBytes' | 'damaged' | 'damages'> {
  readonly tookMs: number
}

/** Steps: begin, verify (by a mover), forget (its job). */
export function archiveDrillSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<ArchiveDrillInput, Tx>(archiveDrill)
    .step('begin', { decide: async (tx, { input }, { operation }) => beginUpkeep(tx, input.archive, operation) })
    .step('verify', {
      run: async ({ input, begin }, context) => verify(deps, { ...input, upkeep: begin }, context),
      undo: async ({ begin }, context) => endUpkeep(deps, begin, context),
    })
    .step('forget', {
      run: async ({ begin }, context) => forgetUpkeep(deps, begin, context),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input, verify: { found } }, { operation }) => {
        // Its deletion may have begun while it was read: then what was found is nothing to go by.
        if (found !== undefined && (await isInArchive(tx, input))) await settle(tx, input, { found, operation })
      }),
    )
}

/** What it found; `undefined`: the snapshot is not there, because it was deleted meanwhile. */
async function verify(
  deps: SagaDeps,
  what: ArchiveDrillInput & { readonly upkeep: Upkeep },
  context: StepContext,
): Promise<{ readonly found?: Drilled }> {
  const { upkeep } = what
  const archive = await archiveAccess(deps, upkeep.archive)
  // Ids of ours are made by us; the brands only keep kinds apart.
  const [id, snapshot] = [upkeep.job as MoverJobId, what.snapshot as SnapshotId]
  try {
    const task = { kind: 'verify', id, archive, snapshot } as const
    const done = await carryOut(deps, { mover: upkeep.mover, task, note: 'checked' }, context)
    const { checkedBytes, damaged, damages } = done
    return { found: { checkedBytes, damaged, damages: damages.slice(0, TOLD), tookMs: Date.now() - upkeep.at } }
  } catch (error) {
    if (asPluginError(error).code === 'NOT_FOUND' && !(await isInArchive(deps.store.reader, what))) return {}
    throw error
  }
}

async function settle(
  tx: Tx,
  { archive, snapshot }: ArchiveDrillInput,
  { found, operation }: { readonly found: Drilled; readonly operation: string },
): Promise<void> {
  const { checkedBytes: bytes, damaged, damages, tookMs } = found
  await recordUpkeep(tx, { archiveId: archive, kind: 'drill', tookMs, bytes, damaged, snapshotId: snapshot })
  for (const damage of damages) {
    await recordEvent(tx, {
      type: 'IMAGE.STORE.DAMAGED',
      state: 'Completed',
      level: 'ERROR',
      description: toldOf(damage, snapshot),
      resource: { kind: 'ImageStore', id: archive },
      operation,
    })
  }
}

function toldOf({ object, chunk, what, snapshots }: ArchiveDamage, checked: string): string {
  const where = chunk === undefined ? object : `${object}, chunk ${chunk}`
  const [first] = snapshots
  const at = first === undefined ? '' : ` at ${first.offset}`
  return `Snapshot ${first?.snapshot ?? checked} cannot be restored${at}: ${where}: ${what}`
}
