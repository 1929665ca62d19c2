import { randomUUID } from 'node:crypto'
import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { type Kept, settlePoints } from '../domain/retention.ts'
import { parseSchedule, settle } from '../domain/schedule.ts'
import { submitInternal } from '../sagas/internal.ts'
import { checkLimits } from '../sagas/limits.ts'
import { archivingOf, snapshotArchive, type SnapshotArchiveInput } from '../sagas/snapshot-archive.ts'
import { snapshotCreate } from '../sagas/snapshot-create.ts'
import { snapshotDelete } from '../sagas/snapshot-delete.ts'
import { recordEvent } from '../store/events.ts'
import type { SnapshotPolicyRow } from '../store/generated/schema.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import {
  deletePoliciesOfRemoved,
  isTaking,
  lockPolicyDue,
  pointsOfPolicies,
  policiesById,
  policiesDue,
  type PolicyPoint,
  updatePolicy,
} from '../store/snapshot-policies.ts'
import { insertSnapshot, updateCopiesIn } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { askFor, type Wish } from './ask.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** Policies that are seen to in one turn. */
const MOST = 500

/**
 * Takes the snapshots that policies say are due and archives those that are to be in an archive, again and again where that
 * fails; deletes what policies keep no more. Runs that were missed are made up for by one. A run is left out, and said to be,
 * where the last one has not ended, where the volume lives nowhere, and where its account may have no more snapshots.
 */
export const snapshotSchedule: Reconciler = {
  name: 'snapshot-schedule',
  everyMs: 15_000,
  async run(deps, turn) {
    await deps.store.transact(deletePoliciesOfRemoved)
    for (const id of await policiesDue(deps.store.reader, MOST)) {
      if (turn.signal.aborted) return
      await deps.store.transact(async (tx) => takeOne(deps, tx, id))
    }
    await settleAll(deps, turn)
  },
}

async function takeOne(deps: ReconcilerDeps, tx: Tx, id: string): Promise<void> {
  const policy = await lockPolicyDue(tx, id)
  const schedule = policy && parseSchedule(policy.intervalType, policy.schedule)
  if (!policy || !schedule) return
  const delay = policy.delay * 1000
  const due = policy.nextAt.getTime() - delay
  const { next } = settle(schedule, policy.timezone, { due, now: policy.now.getTime() - delay })
  const volume = await volumeStanding(tx, policy.volumeId)
  // Snapshots of volumes on unmanaged storage go to the archive: where it came to live there, its policy says so from now on.
  const location = volume?.poolManaged === false ? 'SECONDARY' : policy.location
  await updatePolicy(tx, id, { nextAt: new Date(next + delay), location })
  if (!volume || volume.removedAt !== null) return
  const taking = { policy: { ...policy, location }, volume }
  const why = await obstacle(tx, taking)
  if (why !== undefined) {
    await recordEvent(tx, {
      type: 'SNAPSHOT.POLICY.SKIPPED',
      state: 'Completed',
      level: 'WARN',
      description: `No snapshot of volume ${volume.name} was taken: ${why}`,
      account: policy.accountId,
      resource: { kind: 'Volume', id: volume.id },
    })
    return
  }
  await submitTaking(deps, tx, taking)
}

/** A policy that is due, and its volume. */
interface Taking {
  readonly policy: SnapshotPolicyRow & { readonly now: Date }
  readonly volume: NonNullable<Awaited<ReturnType<typeof volumeStanding>>>
}

/** Why a run is left out; `undefined` when it is not. Whether the volume is ready is found out under its locks. */
async function obstacle(tx: Tx, { policy, volume }: Taking): Promise<string | undefined> {
  if (await isTaking(tx, policy.id)) return 'the last one that the policy asked for has not ended'
  if (!volume.busy && volume.state !== 'Ready') return `the volume is ${volume.state}`
  try {
    const more = policy.location === 'SECONDARY' ? { secondaryBytes: volume.bytes } : {}
    await checkLimits(tx, policy.accountId, { snapshots: 1, ...more })
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error.message
    throw error
  }
}

async function submitTaking(deps: ReconcilerDeps, tx: Tx, { policy, volume }: Taking): Promise<void> {
  const snapshot = randomUUID()
  const name = `${volume.name}_${policy.now.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}`
  await insertSnapshot(tx, {
    id: snapshot,
    accountId: volume.accountId,
    zoneId: volume.zoneId,
    volumeId: volume.id,
    name,
    state: 'Allocated',
    bytes: volume.bytes,
    policyId: policy.id,
    intervalType: policy.intervalType,
  })
  const operation = derivedId('snapshot-policy', policy.id, policy.nextAt.toISOString())
  await submitInternal(tx, deps.jobs, {
    head: snapshotCreate,
    input: { snapshot },
    id: operation,
    account: policy.accountId,
  })
  await recordEvent(tx, {
    type: 'SNAPSHOT.CREATE',
    state: 'Scheduled',
    description: `Taking snapshot ${name} of volume ${volume.name}, as its policy says`,
    account: volume.accountId,
    resource: { kind: 'Snapshot', id: snapshot },
    operation,
  })
  deps.log.info({ operation, policy: policy.id, volume: volume.id }, 'a snapshot is due')
  if (policy.location === 'PRIMARY') return
  // It waits for its turn behind the other. Where either fails, what was taken is archived by and by: see `settleAll`.
  await submitInternal(tx, deps.jobs, {
    head: snapshotArchive,
    input: await archivingOf(tx, { snapshot, volume: volume.id, keepPrimary: policy.maxPrimary > 0 }),
    id: derivedId(operation, 'archive'),
    account: policy.accountId,
  })
}

/** Has what policies keep be where they keep it, and nothing besides. */
async function settleAll(deps: ReconcilerDeps, turn: Turn): Promise<void> {
  const points = Map.groupBy(await pointsOfPolicies(deps.store.reader), ({ policyId }) => policyId)
  const policies = await policiesById(deps.store.reader, [...points.keys()])
  const settling = policies.map((policy) => {
    const keepPrimary = policy.maxPrimary > 0
    return { keepPrimary, ...settlePoints(points.get(policy.id) ?? [], keptBy(policy), policy.timezone) }
  })
  await askFor(deps, turn, {
    head: snapshotArchive,
    reason: 'its policy keeps it in an archive',
    wishes: settling.flatMap(({ archive, keepPrimary }) => archive.map((point) => archivingWish(point, keepPrimary))),
  })
  for (const { id } of settling.flatMap(({ base }) => base))
    await deps.store.transact(async (tx) => updateCopiesIn(tx, { snapshot: id, kind: 'array' }, { base: true }))
  await askFor(deps, turn, {
    head: snapshotDelete,
    reason: 'its policy keeps it no more',
    wishes: settling.flatMap(({ withdraw, expire }) => [
      ...withdraw.map((point) => wish(point, { snapshot: point.id, only: 'array' as const })),
      ...expire.map((point) => wish(point, { snapshot: point.id })),
    ]),
  })
}

function wish<Input>({ id, accountId: account }: PolicyPoint, input: Input): Wish<Input> {
  return { kind: 'snapshot', id, account, input }
}

function archivingWish(point: PolicyPoint, keepPrimary: boolean): Wish<SnapshotArchiveInput> {
  const input = { snapshot: point.id, keepPrimary }
  return { ...wish(point, input), inputNow: async (tx) => archivingOf(tx, { ...input, volume: point.volumeId }) }
}

function keptBy(policy: SnapshotPolicyRow): Kept {
  const { location, maxPrimary: onArray } = policy
  const retention = {
    newest: policy.maxSnaps,
    days: policy.keepDays,
    weeks: policy.keepWeeks,
    months: policy.keepMonths,
    years: policy.keepYears,
  }
  return location === 'PRIMARY' ? { location, retention } : { location, retention, onArray }
}
