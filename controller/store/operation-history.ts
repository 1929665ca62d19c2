import { sql } from 'kysely'
import type { OperationState } from '../jobs/journal.ts'
import type { Reader, Tx } from './store.ts'

/** How the operations of one saga about one thing went lately. */
export interface Attempts {
  /** The latest operation. */
  readonly last: string
  /** Milliseconds since it ended; absent while it is open. */
  readonly endedAgoMs?: number
  /** Failed or aborted ones since the last that did not fail, the latest included; not more than `LOOK_BACK`. */
  readonly failures: number
}

/** How many operations about a thing are looked back upon. */
const LOOK_BACK = 10

/** The attempts at each of `subjects`, by id, in one query. A subject without any is absent. */
export async function attemptsAt(
  reader: Reader,
  saga: string,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, Attempts>> {
  const { rows } = await sql<AttemptRow>`
    select s.subject, o.id, o.state, (extract(epoch from now() - o.ended_at) * 1000)::bigint as ended_ago_ms
    from unnest(${subjects}::uuid[]) as s (subject) cross join lateral (
      select id, seq, state, ended_at from operation where subject_id = s.subject and saga = ${saga}
      order by seq desc limit ${LOOK_BACK}
    ) o
    order by o.seq desc`.execute(reader)
  const attempts = new Map<string, Attempts>()
  for (const [subject, [last, ...before]] of Map.groupBy(rows, (row) => row.subject)) {
    if (!last) continue
    const well = [last, ...before].findIndex(({ state }) => state !== 'failed' && state !== 'aborted')
    attempts.set(subject, {
      last: last.id,
      failures: well === -1 ? before.length + 1 : well,
      ...(last.endedAgoMs === null ? {} : { endedAgoMs: last.endedAgoMs }),
    })
  }
  return attempts
}

interface AttemptRow {
  readonly subject: string
  readonly id: string
  readonly state: OperationState
  readonly endedAgoMs: number | null
}

/**
 * Deletes up to `most` of the operations that ended more than `days` ago, the oldest first, with their steps and logs.
 * Answers how many; fewer than `most`: there are no more, or another controller is deleting them.
 */
export async function deleteEndedOperations(
  tx: Tx,
  what: { readonly days: number; readonly most: number },
): Promise<number> {
  const rows = await tx
    .selectFrom('operation')
    .select('id')
    .where('endedAt', '<', sql<Date>`now() - make_interval(days => ${what.days})`)
    .orderBy('endedAt')
    .limit(what.most)
    .forUpdate()
    .skipLocked()
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return 0
  await tx.deleteFrom('operationLog').where('operationId', 'in', ids).execute()
  await tx.deleteFrom('operationStep').where('operationId', 'in', ids).execute()
  // Ended operations hold no locks and wait for none.
  await tx.deleteFrom('operation').where('id', 'in', ids).execute()
  return ids.length
}
