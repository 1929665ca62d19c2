import { randomUUID } from 'node:crypto'
import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { expired, type Retention } from '../domain/retention.ts'
import { parseSchedule, settle } from '../domain/schedule.ts'
import { submitInternal } from '../sagas/internal.ts'
import { checkLimits } from '../sagas/limits.ts'
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
  setPolicyNext,
} from '../store/snapshot-policies.ts'
import { insertSnapshot } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { askFor } from './ask.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** Policies that are seen to in one turn. */
const MOST = 500

/**
 * Takes the snapshots that policies say are due, and deletes those that they keep no more. Runs that were missed are made
 * up for by one. A run is left out, and said to be, where the last one has not ended, where the volume lives nowhere, and
 * where its account may have no more snapshots.
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
    await dropExpired(deps, turn)
  },
}

async function takeOne(deps: ReconcilerDeps, tx: Tx, id: string): Promise<void> {
  const policy = await lockPolicyDue(tx, id)
  const schedule = policy && parseSchedule(policy.intervalType, policy.schedule)
  if (!policy || !schedule) return
  const delay = policy.delay * 1000
  const due = policy.nextAt.getTime() - delay
  const { next } = settle(schedule, policy.timezone, { due, now: policy.now.getTime() - delay })
  await setPolicyNext(tx, id, new Date(next + delay))
  const volume = await volumeStanding(tx, policy.volumeId)
  if (!volume || volume.removedAt !== null) return
  const why = await obstacle(tx, policy, volume)
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
  await submitTaking(deps, tx, { policy, volume })
}

/** Why a run is left out; `undefined` when it is not. Whether the volume is ready is found out under its locks. */
async function obstacle(
  tx: Tx,
  policy: SnapshotPolicyRow,
  volume: { readonly state: string; readonly busy: boolean },
): Promise<string | undefined> {
  if (await isTaking(tx, policy.id)) return 'the last one that the policy asked for has not ended'
  if (!volume.busy && volume.state !== 'Ready') return `the volume is ${volume.state}`
  try {
    await checkLimits(tx, policy.accountId, { snapshots: 1 })
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error.message
    throw error
  }
}

async function submitTaking(
  deps: ReconcilerDeps,
  tx: Tx,
  what: {
    readonly policy: SnapshotPolicyRow & { readonly now: Date }
    readonly volume: NonNullable<Awaited<ReturnType<typeof volumeStanding>>>
  },
): Promise<void> {
  const { policy, volume } = what
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
}

async function dropExpired(deps: ReconcilerDeps, turn: Turn): Promise<void> {
  const points = Map.groupBy(await pointsOfPolicies(deps.store.reader), ({ policyId }) => policyId)
  const policies = await policiesById(deps.store.reader, [...points.keys()])
  const over = policies.flatMap((policy) => expired(points.get(policy.id) ?? [], retentionOf(policy), policy.timezone))
  await askFor(deps, turn, {
    head: snapshotDelete,
    reason: 'its policy keeps it no more',
    wishes: over.map(({ id, accountId }) => ({ kind: 'snapshot', id, account: accountId, input: { snapshot: id } })),
  })
}

function retentionOf(policy: SnapshotPolicyRow): Retention {
  return {
    newest: policy.maxSnaps,
    days: policy.keepDays,
    weeks: policy.keepWeeks,
    months: policy.keepMonths,
    years: policy.keepYears,
  }
}
