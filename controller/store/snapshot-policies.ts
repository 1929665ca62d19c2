import { type Insertable, sql } from 'kysely'
import type { Interval } from '../domain/schedule.ts'
import type { Point } from '../domain/retention.ts'
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

/** Says when a policy is due again. */
export async function setPolicyNext(tx: Tx, id: string, nextAt: Date): Promise<void> {
  await later(tx.updateTable('snapshotPolicy').set({ nextAt }).where('id', '=', id))
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

/** A snapshot that a policy took, with what decides whether it stays. */
export interface PolicyPoint extends Point {
  readonly policyId: string
  readonly accountId: string
}

/** Usable snapshots of policies that have more of them than they keep as the newest: nothing of another policy goes. */
export async function pointsOfPolicies(reader: Reader): Promise<readonly PolicyPoint[]> {
  const rows = await reader
    .selectFrom('snapshot')
    .innerJoin('snapshotPolicy', 'snapshotPolicy.id', 'snapshot.policyId')
    .where('snapshot.removedAt', 'is', null)
    .where('snapshot.state', '=', 'BackedUp')
    .where(({ eb, selectFrom }) =>
      eb(
        'snapshotPolicy.maxSnaps',
        '<',
        selectFrom('snapshot as taken')
          .whereRef('taken.policyId', '=', 'snapshotPolicy.id')
          .where('taken.removedAt', 'is', null)
          .where('taken.state', '=', 'BackedUp')
          .select(({ fn }) => fn.countAll<number>().as('n')),
      ),
    )
    .select(['snapshot.id', 'snapshot.accountId', 'snapshotPolicy.id as policyId'])
    .select(sql<Date>`coalesce(snapshot.taken_at, snapshot.created_at)`.as('takenAt'))
    .execute()
  return rows.map(({ takenAt, ...row }) => ({ ...row, at: takenAt.getTime() }))
}
