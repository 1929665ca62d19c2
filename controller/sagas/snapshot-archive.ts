import { randomUUID } from 'node:crypto'
import {
  type ArchiveResult,
  asPluginError,
  type ChangeListFacet,
  type Extent,
  type MoverJobId,
  type SnapshotId,
  type VolumeId,
} from '@moorage/contract'
import { settleBase } from '../domain/archiving.ts'
import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { inService } from '../domain/pool.ts'
import { resourceName } from '../domain/resource.ts'
import { SNAPSHOT_MACHINE } from '../domain/snapshot.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { deleteOfMover, givenToMover, intendForMover } from '../store/connections.ts'
import type { SnapshotRow } from '../store/generated/schema.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { pinPools } from '../store/pools.ts'
import { unique } from '../store/resources.ts'
import {
  archiveCopyOf,
  archivedOf,
  arrayCopyOf,
  baseFor,
  deleteIntendedCopy,
  insertCopy,
  lockSnapshot,
  updateCopiesIn,
  updateSnapshot,
} from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { chapAccountOf, volumeById } from '../store/volumes.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { sagaHead } from './head.ts'
import { submitInternal } from './internal.ts'
import { checkLimits } from './limits.ts'
import {
  archiveAccess,
  archiveFor,
  carryOut,
  connectionOf,
  exposeToMover,
  forgetJob,
  giveUp,
  makeReady,
  moverFor,
  type MoverWork,
  removeFromArchive,
  withdrawFromMover,
} from './archiving.ts'
import { ends, type Outcome } from './outcome.ts'
import { snapshotDelete } from './snapshot-delete.ts'

/**
 * Archive `snapshot`. `keepPrimary`: its copy on the array stays. `base`: an archived snapshot of the same volume to tell it
 * apart from; locked as well, and not used where that cannot be any more.
 */
export interface SnapshotArchiveInput {
  readonly snapshot: string
  readonly keepPrimary: boolean
  readonly base?: string
}

/** Copies a snapshot from its array into an archive. Its volume stays as usable as it was. */
export const snapshotArchive = sagaHead<SnapshotArchiveInput>({
  name: 'snapshot-archive',
  version: 1,
  lane: 'motion',
  needs: async (_tx, { snapshot, base }) =>
    unique([snapshot, ...(base === undefined ? [] : [base])].map((id) => resourceName('snapshot', id))),
  about: ({ snapshot }) => ({ kind: 'snapshot', id: snapshot }),
})

/** What to ask for so that a snapshot is archived, told apart from the one of its volume that was archived before it. */
export async function archivingOf(
  tx: Tx,
  {
    snapshot,
    volume,
    keepPrimary,
  }: { readonly snapshot: string; readonly volume: string; readonly keepPrimary: boolean },
): Promise<SnapshotArchiveInput> {
  const base = await baseFor(tx, { snapshot, volume })
  return { snapshot, keepPrimary, ...(base === undefined ? {} : { base }) }
}

const OUTCOME: Outcome<SnapshotArchiveInput> = {
  type: 'SNAPSHOT.ARCHIVE',
  kind: 'Snapshot',
  id: ({ snapshot }) => snapshot,
  doing: 'archiving snapshot',
}

interface Begun {
  readonly snapshot: string
  readonly owner: string
  readonly volume: string
  readonly bytes: number
  /** Epoch milliseconds of the point in time. */
  readonly takenAt: number
  readonly work: MoverWork
  readonly chunkBytes: number
  /** Archived before, and still on the array. */
  readonly base?: string
  /** The array tells what changed. */
  readonly increments: boolean
}

/**
 * Steps: begin, expose (to a mover, read-only), ready (the archive), move (into it), withdraw. What is in the archive counts once all of it
 * is done; when it fails, the snapshot is as it was. The array's copy then goes in an operation of its own.
 */
export function snapshotArchiveSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<SnapshotArchiveInput, Tx>(snapshotArchive)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.snapshot, under),
    })
    .step('expose', {
      run: async ({ begin: { work } }, context) => ({ sealed: await exposeToMover(deps, work.grant, context) }),
      record: async (tx, { begin: { work } }) => givenToMover(tx, work.grant),
      undo: async ({ begin: { work } }, context) => withdrawFromMover(deps, work.grant, context),
      unrecord: async (tx, { begin: { work } }) => deleteOfMover(tx, work.grant),
    })
    .step('ready', {
      run: async ({ begin: { work, chunkBytes } }, context) => makeReady(deps, work, { chunkBytes, context }),
      undo: async () => {},
    })
    .step('move', {
      run: async ({ begin, expose }, context) => move(deps, { ...begin, sealed: expose.sealed }, context),
      undo: async ({ begin }, context) => giveUp(deps, begin, context),
    })
    .step('withdraw', {
      run: async ({ begin: { work } }, context) => {
        await withdrawFromMover(deps, work.grant, context)
        await forgetJob(deps, work, context)
      },
      record: async (tx, { begin: { work } }) => deleteOfMover(tx, work.grant),
      undo: async ({ begin: { work, snapshot } }, context) => removeFromArchive(deps, { ...work, snapshot }, context),
    })
    .build(ends(OUTCOME, async (tx, { input, begin, move }, under) => settle(deps, tx, { input, begin, move, under })))
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: SnapshotArchiveInput; readonly under: Under },
): Promise<Begun> {
  const snapshot = await lockSnapshot(tx, input.snapshot)
  const volume = snapshot && (await volumeById(tx, snapshot.volumeId))
  if (!snapshot || !volume) throw new Refusal('NOT_FOUND', `There is no snapshot ${input.snapshot}`)
  const { pool, facts } = await sourceOf(deps, tx, snapshot)
  const [chain] = await archivedOf(tx, volume.id)
  const archive = await archiveFor(tx, snapshot.zoneId, chain?.archive)
  const { protocols } = facts
  const mover = await moverFor(tx, snapshot.zoneId, { provider: archive.provider, protocols })
  await checkLimits(tx, snapshot.accountId, { secondaryBytes: snapshot.bytes })
  await hold(tx, 'snapshot', { id: snapshot.id, operation: under.operation })
  const of = `Snapshot ${snapshot.id}`
  const state = next(SNAPSHOT_MACHINE, snapshot.state, { event: 'BackupToSecondary', of })
  await updateSnapshot(tx, snapshot.id, { state })
  const copy = { id: randomUUID(), snapshotId: snapshot.id, kind: 'archive', archiveId: archive.id } as const
  await insertCopy(tx, { ...copy, state: 'intended', bytes: snapshot.bytes })
  const account = await chapAccountOf(tx, volume.accountId)
  const access = { kind: 'snapshot', source: snapshot.id, mover: mover.id, pool } as const
  await intendForMover(tx, access)
  const base = await baseOf(tx, { volume: volume.id, archive: archive.id, pool, base: input.base })
  return {
    snapshot: snapshot.id,
    owner: snapshot.accountId,
    volume: volume.id,
    bytes: snapshot.bytes,
    takenAt: (snapshot.takenAt ?? snapshot.createdAt).getTime(),
    work: {
      job: copy.id,
      archive: archive.id,
      zone: snapshot.zoneId,
      grant: { ...access, initiator: mover.initiator, account },
    },
    chunkBytes: archive.chunkBytes,
    increments: facts.can.has('changeList'),
    ...(base === undefined ? {} : { base }),
  }
}

/** The pool that the snapshot is read from. Throws `Refusal` where there is nothing to read, or it is archived already. */
async function sourceOf(deps: SagaDeps, tx: Tx, snapshot: SnapshotRow) {
  const { id, state } = snapshot
  const copy = await arrayCopyOf(tx, id)
  if (state !== 'BackedUp' || !copy)
    throw new Refusal('INVALID', `Snapshot ${id} is in state ${state}, it must be in BackedUp and on its array`)
  if (await archiveCopyOf(tx, id)) throw new Refusal('INVALID', `Snapshot ${id} is in secondary storage already`)
  const [row] = await pinPools(tx, [copy.poolId])
  if (!row || !inService(row.state))
    throw new Refusal('UNAVAILABLE', `The storage pool of snapshot ${id} is not in service`)
  return { pool: row.id, facts: await poolFacts(deps, row) }
}

async function baseOf(
  tx: Tx,
  of: { readonly volume: string; readonly archive: string; readonly pool: string; readonly base: string | undefined },
): Promise<string | undefined> {
  if (of.base === undefined) return undefined
  const archived = await archivedOf(tx, of.volume)
  const found = archived.find(({ snapshot }) => snapshot === of.base)
  return found?.archive === of.archive && found.pool === of.pool ? found.snapshot : undefined
}

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'snapshot', { id, operation }))) return
  await deleteIntendedCopy(tx, id)
  await updateSnapshot(tx, id, { state: 'BackedUp' })
  await release(tx, 'snapshot', { id, operation })
}

async function move(
  deps: SagaDeps,
  what: Begun & { readonly sealed: string },
  context: StepContext,
): Promise<Pick<ArchiveResult, 'dataBytes' | 'readBytes' | 'addedBytes'>> {
  const { work } = what
  const changes = await changesOf(deps, what, context)
  const archive = await archiveAccess(deps, work.archive)
  const task = {
    kind: 'archive',
    id: work.job as MoverJobId, // Ids of ours are made by us; the brands only keep kinds apart.
    archive,
    snapshot: what.snapshot as SnapshotId, // As above.
    volume: what.volume as VolumeId, // As above.
    source: connectionOf(deps, work.grant, what.sealed),
    bytes: what.bytes,
    takenAt: what.takenAt,
    ...(changes?.base === undefined ? {} : { base: changes.base }),
    ...(changes === undefined ? {} : { changes: changes.extents }),
  } as const
  const mover = work.grant.mover
  const { dataBytes, readBytes, addedBytes } = await carryOut(deps, { mover, task, note: 'archived' }, context)
  return { dataBytes, readBytes, addedBytes }
}

/**
 * What differs from the base, or without one holds anything; `undefined` where the array does not tell. One that cannot tell
 * it of this base any more is not asked without: all is read and compared, which is as right.
 */
async function changesOf(deps: SagaDeps, what: Begun, context: StepContext) {
  const pool = await deps.plugins.pool(what.work.grant.pool)
  const { changeList } = pool.provider(context.log)
  if (!changeList) return undefined
  const snapshot = what.snapshot as SnapshotId // Ids of ours are made by us; the brands only keep kinds apart.
  const base = what.base as SnapshotId | undefined // As above.
  try {
    const extents = await saying('The storage system did not tell what changed', async () =>
      allExtents(changeList, { snapshot, ...(base === undefined ? {} : { base }) }, context),
    )
    return { base, extents }
  } catch (error) {
    const { code } = asPluginError(error)
    if (code === 'NOT_FOUND' || code === 'UNSUPPORTED') return undefined
    throw error
  }
}

async function allExtents(
  changeList: ChangeListFacet,
  range: { readonly base?: SnapshotId; readonly snapshot: SnapshotId },
  context: StepContext,
): Promise<readonly Extent[]> {
  const extents: Extent[] = []
  let cursor: string | undefined
  for (let page = 0; page === 0 || cursor !== undefined; page += 1) {
    const from = { ...range, ...(cursor === undefined ? {} : { cursor }) }
    const { items, next: more } = await changeList.extents(from, part(context.call, `extents/${page}`))
    extents.push(...items)
    cursor = more
  }
  return extents
}

async function settle(
  deps: SagaDeps,
  tx: Tx,
  what: {
    readonly input: SnapshotArchiveInput
    readonly begin: Begun
    readonly move: Pick<ArchiveResult, 'dataBytes'>
    readonly under: Under
  },
): Promise<void> {
  const { input, begin, move, under } = what
  const { snapshot, volume, takenAt, increments } = begin
  const others = await archivedOf(tx, volume)
  const archive = { state: 'present', bytes: move.dataBytes } as const
  await updateCopiesIn(tx, { snapshot, kind: 'archive' }, archive)
  const state = next(SNAPSHOT_MACHINE, 'BackingUp', { event: 'OperationSucceeded', of: `Snapshot ${snapshot}` })
  await updateSnapshot(tx, snapshot, { state })
  await release(tx, 'snapshot', { id: snapshot, operation: under.operation })
  const row = await volumeById(tx, volume)
  const settled = settleBase(
    { snapshot, takenAt, base: false },
    others.flatMap(({ snapshot: other, takenAt: at, pool, base }) =>
      pool === null ? [] : [{ snapshot: other, takenAt: at.getTime(), base }],
    ),
    { increments: increments && row?.removedAt === null, keepPrimary: input.keepPrimary },
  )
  await updateCopiesIn(tx, { snapshot, kind: 'array' }, { base: settled.base })
  // The array's copy goes in an operation of its own, which finds out first that the snapshot has another.
  for (const dropped of settled.drop) {
    await submitInternal(tx, deps.jobs(), {
      head: snapshotDelete,
      input: { snapshot: dropped, only: 'array' },
      id: derivedId(under.operation, 'drop', dropped),
      account: begin.owner,
    })
  }
}
