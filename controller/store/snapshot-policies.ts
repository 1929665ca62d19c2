import { type Insertable, sql, type Updateable } from 'kysely'
import type { Interval } from '../domain/schedule.ts'
import type { HeldPoint } from '../domain/retention.ts'
import type { SnapshotPolicyRow, SnapshotPolicyTable } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a policy, or changes the one that the volume has for that interval; answers the id of either. */
export async function putPolicy(tx: Tx, policy: Insertable<SnapshotPolicyTable>): Promise<string> {
  const { id: _id, accountId: _account, volumeId: _volume, intervalType: _interval, ...changes } = policy
  const { id } = await tx
    .insertInto('snapshotPolicy')
    .values(policy)
    .onConflict((conflict) => conflict.columns(['volumeId', 'intervalType']).doUpdateSet(changes))
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** The policy that the volume has for an interval. */
export async function policyOf(
  reader: Reader,
  of: { readonly volume: string; readonly interval: Interval },
): Promise<SnapshotPolicyRow | undefined> {
  return reader
    .selectFrom('snapshotPolicy')
    .selectAll()
    .where('volumeId', '=', of.volume)
    .where('intervalType', '=', of.interval)
    .executeTakeFirst()
}

/** The policy, its row locked until the transaction ends. */
export async function lockPolicy(tx: Tx, id: string): Promise<SnapshotPolicyRow | undefined> {
  return tx.selectFrom('snapshotPolicy').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** The policies of these ids. */
export async function policiesById(reader: Reader, ids: readonly string[]): Promise<readonly SnapshotPolicyRow[]> {
  if (ids.length === 0) return []
  return reader.selectFrom('snapshotPolicy').selectAll().where('id', 'in', ids).execute()
}

/** Removes policies: snapshots that they took stay. */
export async function deletePolicies(tx: Tx, ids: readonly string[]): Promise<void> {
  await later(tx.deleteFrom('snapshotPolicy').where('id', 'in', ids))
}

/** Removes the policies of volumes that are gone for good. */
export async function deletePoliciesOfRemoved(tx: Tx): Promise<void> {
  const removed = tx.selectFrom('volume').select('volume.id').where('volume.removedAt', 'is not', null)
  await later(tx.deleteFrom('snapshotPolicy').where('volumeId', 'in', removed))
}

/** Ids of policies that are due, the longest due first. */
export async function policiesDue(reader: Reader, most: number): Promise<readonly string[]> {
  const due = await reader
    .selectFrom('snapshotPolicy')
    .select('id')
    .where('nextAt', '<=', sql<Date>`now()`)
    .orderBy('nextAt')
    .limit(most)
    .execute()
  return due.map(({ id }) => id)
}

/** The policy, its row locked, with the time of the database; `undefined` when it is not due or not there any more. */
export async function lockPolicyDue(
  tx: Tx,
  id: string,
): Promise<(SnapshotPolicyRow & { readonly now: Date }) | undefined> {
  return tx
    .selectFrom('snapshotPolicy')
    .selectAll()
    .select(sql<Date>`now()`.as('now'))
    .where('id', '=', id)
    .where('nextAt', '<=', sql<Date>`now()`)
    .forUpdate()
    .executeTakeFirst()
}

/** Changes columns of a policy. */
export async function updatePolicy(tx: Tx, id: string, changes: Updateable<SnapshotPolicyTable>): Promise<void> {
  await later(tx.updateTable('snapshotPolicy').set(changes).where('id', '=', id))
}

/** Whether a snapshot that the policy took is still on its way. */
export async function isTaking(reader: Reader, policy: string): Promise<boolean> {
  const open = await reader
    .selectFrom('snapshot')
    .select('id')
    .where('policyId', '=', policy)
    .where('state', 'in', ['Allocated', 'Creating'])
    .where('removedAt', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return open !== undefined
}

/** A snapshot that a policy took, with what decides where it stays. */
export interface PolicyPoint extends HeldPoint {
  readonly policyId: string
  readonly accountId: string
  readonly volumeId: string
}

/**
 * Usable snapshots of policies of which one may have to go or to be archived: those that have more than they keep as the
 * newest, something that is not in the archive yet, or more on its array than stays there.
 */
export async function pointsOfPolicies(reader: Reader): Promise<readonly PolicyPoint[]> {
  const { rows } = await sql<Omit<PolicyPoint, 'at'> & { readonly takenAt: Date }>`
    with usable as (
      select snapshot.id, snapshot.account_id, snapshot.volume_id, snapshot.policy_id,
        coalesce(snapshot.taken_at, snapshot.created_at) as taken_at,
        ${present('archive')} as archived, ${present('array')} as on_array, ${present('array', sql`and copy.base`)} as is_base
      from snapshot
      where snapshot.policy_id is not null and snapshot.removed_at is null and snapshot.state = 'BackedUp'
    ), unsettled as (
      select policy.id from snapshot_policy policy join usable on usable.policy_id = policy.id group by policy.id
      having count(*) > policy.max_snaps or policy.location = 'SECONDARY' and (
        count(*) filter (where not archived) > 0 or count(*) filter (where on_array and not is_base) > policy.max_primary)
    )
    select usable.id, account_id, volume_id, policy_id, taken_at, archived, on_array,
      case when is_base then 'only' when on_array and archived and not exists (
        select from snapshot
        where snapshot.volume_id = usable.volume_id and snapshot.taken_at > usable.taken_at and snapshot.removed_at is null
          and ${present('archive')} and ${present('array')}) then 'also' else 'no' end as base
    from usable join unsettled on unsettled.id = usable.policy_id`.execute(reader)
  return rows.map(({ takenAt, ...row }) => ({ ...row, at: takenAt.getTime() }))
}

function present(kind: 'array' | 'archive', more = sql``) {
  return sql<boolean>`exists (select from snapshot_copy copy
    where copy.snapshot_id = snapshot.id and copy.kind = ${kind} and copy.state = 'present' ${more})`
}
