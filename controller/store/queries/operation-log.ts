import { sql } from 'kysely'
import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import type { Window } from './page.ts'

/** An entry of an operation's log as it is listed. `detail` depends on `kind`; of a `call` it is a `CallRecord`. */
export type LogEntryView = Awaited<ReturnType<typeof logPage>>['items'][number]

/** One part of the log of an operation, oldest first. */
export async function logPage(reader: Reader, operation: string, window: Window) {
  const query = reader
    .selectFrom('operationLog')
    .where('operationId', '=', operation)
    .select(['seq', 'at', 'kind', 'step', 'node', 'fence'])
    .select((eb) => eb.ref('detail').$castTo<Readonly<Record<string, unknown>>>().as('detail'))
  return await listed(query.orderBy('seq'), window)
}

/** The whole log of an operation, oldest first: bounded by its steps and their attempts. */
export async function logOf(reader: Reader, operation: string): Promise<readonly LogEntryView[]> {
  return (await logPage(reader, operation, { offset: 0 })).items
}

/** An operation that had to end before another could begin. `endedAt`: null while it has not. */
export interface WaitedView {
  readonly id: string
  readonly command: string
  /** What both need. */
  readonly resources: readonly string[]
  readonly endedAt: Date | null
}

/**
 * The operations that `operation` waited behind, or waits behind: operations that share a resource run in the order of
 * submission, so that they are those submitted before it that ended while it was queued. Oldest first.
 */
export async function waitedBehind(reader: Reader, operation: string): Promise<readonly WaitedView[]> {
  const { rows } = await sql<WaitedView>`
    select b.id, b.command, b.ended_at,
      array(select unnest(b.resources) intersect select unnest(o.resources) order by 1) as resources
    from operation o join operation b on b.seq < o.seq and b.resources && o.resources
      and (b.ended_at between o.created_at and coalesce(o.started_at, o.ended_at, now())
        or (b.state in ('queued', 'running', 'undoing') and o.state = 'queued'))
    where o.id = ${operation} order by b.seq`.execute(reader)
  return rows
}
