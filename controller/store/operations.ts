import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { LANES } from '../jobs/saga.ts'
import type { Failure, Lane, Progress } from '../jobs/saga.ts'
import type { OperationState } from '../jobs/journal.ts'
import { keysetPage } from './paging.ts'
import type { KeysetPage } from './paging.ts'
import type { Reader, Store } from './store.ts'

/** An operation as it is shown. Times are of the database's clock. */
export interface OperationView {
  readonly id: string
  readonly seq: number
  readonly command: string
  readonly saga: string
  readonly version: number
  readonly lane: Lane
  readonly state: OperationState
  /** The step at work, or the next one while it waits; absent once it ended well. */
  readonly step: string | undefined
  /** Failed attempts at that step so far; the next one is at `retryAt`. */
  readonly attempt: number
  readonly retryAt: Date | undefined
  /** Why the last attempt failed, for operators; present while `retryAt` is. */
  readonly retryWhy: string | undefined
  readonly progress: Progress | undefined
  readonly accountId: string | undefined
  readonly principalId: string | undefined
  readonly subject: { readonly kind: string; readonly id: string } | undefined
  readonly createdAt: Date
  /** When it was first taken up; absent while it waits. */
  readonly startedAt: Date | undefined
  readonly endedAt: Date | undefined
  /** Milliseconds from submission until it was taken up, or until now. */
  readonly queueMs: number
  /** The node that runs it, or ran it last. */
  readonly node: string | undefined
  /** True when no node holds it: its lease has run out and it will be taken over. */
  readonly abandoned: boolean
  readonly takeovers: number
  /** Grows with every claim and take-over; 0 before the first. */
  readonly fence: number
  /** Why it waits: the resources it needs that others have or wanted before it. Empty unless it is queued. */
  readonly waitsFor: readonly WaitView[]
  readonly abortAsked: boolean
  readonly failure: Failure | undefined
}

/** One thing that a queued operation waits for. `holds`: the other has the lock; else it is before this one in line. */
export interface WaitView {
  readonly resource: string
  readonly operation: string
  readonly command: string
  readonly holds: boolean
}

/** Which operations to list; what is absent does not matter. */
export interface OperationFilter {
  /** All of these accounts; an empty list finds nothing. */
  readonly accounts?: readonly string[]
  readonly states?: readonly OperationState[]
  readonly subject?: string
  /** Submitted at or after. */
  readonly since?: Date
  readonly command?: string
}

/** An entry of an operation's log. `detail` of a `call` is a `CallRecord`. */
export interface LogView {
  readonly seq: number
  readonly at: Date
  readonly kind: string
  readonly step: string | undefined
  readonly node: string | undefined
  readonly fence: number | undefined
  readonly detail: Readonly<Record<string, unknown>>
}

/** A controller. `alive`: it was heard of within `seconds`. */
export interface NodeView {
  readonly id: string
  readonly startedAt: Date
  readonly seenAt: Date
  readonly operations: number
}

/** How much there is to do, per lane: for metrics. */
export interface QueueView {
  readonly lane: Lane
  readonly queued: number
  readonly running: number
  /** Age of the oldest queued operation in seconds; 0 without any. */
  readonly oldestSeconds: number
  /** Seconds since the operation that runs for longest was first taken up; 0 without any. */
  readonly oldestRunningSeconds: number
}

/** The operation, or `undefined`. */
export async function findOperation(reader: Reader, id: string): Promise<OperationView | undefined> {
  const [view] = await select(reader, sql`o.id = ${id}`, {})
  return view
}

/** Newest first. Throws `RangeError` for a cursor that no listing returned. */
export function listOperations(
  reader: Reader,
  filter: OperationFilter,
  page: { readonly cursor?: string; readonly rows?: number },
): Promise<KeysetPage<OperationView>> {
  return keysetPage(page, (after, limit) => {
    const conditions = after === undefined ? conditionsOf(filter) : [...conditionsOf(filter), sql`o.seq < ${after}`]
    return select(reader, sql.join(conditions, sql` and `), { limit })
  })
}

/** One part in CloudStack's way, newest first: `limit` operations after the first `offset`; all of them without `limit`. */
export async function operationsAt(
  reader: Reader,
  filter: OperationFilter,
  window: { readonly offset: number; readonly limit?: number },
): Promise<readonly OperationView[]> {
  return await select(reader, sql.join(conditionsOf(filter), sql` and `), window)
}

/** How many match. */
export async function countOperations(reader: Reader, filter: OperationFilter): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from operation o where ${sql.join(conditionsOf(filter), sql` and `)}`.execute(reader)
  return rows[0]?.count ?? 0
}

/** Oldest first. */
export function operationLog(
  reader: Reader,
  id: string,
  page: { readonly cursor?: string; readonly rows?: number } = {},
): Promise<KeysetPage<LogView>> {
  return keysetPage(page, async (after, limit) => {
    const { rows } = await sql<Nullable<LogView>>`
      select seq, at, kind, step, node, fence, detail from operation_log
      where operation_id = ${id} and seq > ${after ?? 0} order by seq limit ${limit}`.execute(reader)
    return rows.map(present)
  })
}

/** All controllers that are running or died without signing off, the newest first. */
export async function listNodes(reader: Reader): Promise<readonly NodeView[]> {
  const { rows } = await sql<NodeView>`
    select id, started_at, seen_at, (
      select count(*) from operation o where o.node = node.id and o.state in ('running', 'undoing')
    ) as operations
    from node order by started_at desc`.execute(reader)
  return rows
}

/**
 * Says that a node has died, which must be certain: its operations can be taken over at once instead of when their leases
 * run out. Answers how many there are.
 */
export async function buryNode(store: Pick<Store, 'transact'>, node: string): Promise<number> {
  return await store.transact(async (tx) => {
    await tx.deleteFrom('node').where('id', '=', node).execute()
    const { numUpdatedRows } = await tx
      .updateTable('operation')
      .set({ leaseUntil: sql`now()` })
      .where('node', '=', node)
      .where('state', 'in', ['running', 'undoing'])
      .executeTakeFirst()
    return Number(numUpdatedRows)
  })
}

/** One row per lane. */
export async function queueDepth(reader: Reader): Promise<readonly QueueView[]> {
  const { rows } = await sql<LaneRow>`
    select lane, count(*) filter (where state = 'queued') as queued, count(*) filter (where state <> 'queued') as running,
      extract(epoch from now() - min(created_at) filter (where state = 'queued')) as oldest,
      extract(epoch from now() - min(started_at) filter (where state <> 'queued')) as oldest_running
    from operation where state in ('queued', 'running', 'undoing') group by lane`.execute(reader)
  return LANES.map((lane, index) => {
    const row = rows.find((one) => one.lane === index)
    const { queued = 0, running = 0 } = row ?? {}
    return { lane, queued, running, oldestSeconds: row?.oldest ?? 0, oldestRunningSeconds: row?.oldestRunning ?? 0 }
  })
}

interface LaneRow {
  readonly lane: number
  readonly queued: number
  readonly running: number
  readonly oldest: number | null
  readonly oldestRunning: number | null
}

type Nullable<View> = { readonly [Key in keyof View]: undefined extends View[Key] ? View[Key] | null : View[Key] }

/** SQL's nulls as absent values. */
function present<View extends object>(row: Nullable<View>): View {
  // Only the fields that may be absent are null in a row, and those become absent here.
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value ?? undefined])) as View
}

function conditionsOf(filter: OperationFilter): readonly RawBuilder<unknown>[] {
  const { accounts, states, subject, since, command } = filter
  return [
    sql`true`,
    ...(accounts ? [sql`o.account_id = any(${accounts}::uuid[])`] : []),
    ...(states ? [sql`o.state = any(${states})`] : []),
    ...(subject === undefined ? [] : [sql`o.subject_id = ${subject}`]),
    ...(since ? [sql`o.created_at >= ${since}`] : []),
    ...(command === undefined ? [] : [sql`o.command = ${command}`]),
  ]
}

interface OperationRow extends Omit<Nullable<OperationView>, 'lane' | 'subject'> {
  readonly lane: number
  readonly subjectKind: string | null
  readonly subjectId: string | null
}

/** Why an operation waits is looked up when asked: kept in its row it would be wrong as soon as others move. */
async function select(
  reader: Reader,
  where: RawBuilder<unknown>,
  { offset = 0, limit }: { readonly offset?: number; readonly limit?: number },
): Promise<readonly OperationView[]> {
  // Without parameters where all are wanted, as where there is one: a plan that is kept knows nothing of a limit that is one.
  const part = limit === undefined && offset === 0 ? sql`` : sql`limit ${limit ?? null} offset ${offset}`
  const { rows } = await sql<OperationRow>`
    select o.id, o.seq, o.command, o.saga, o.version, o.lane, o.state, o.step, o.attempt, o.retry_at, ${retryWhy()} as retry_why, o.progress,
      o.account_id, o.principal_id, o.subject_kind, o.subject_id, o.created_at, o.started_at, o.ended_at,
      (extract(epoch from coalesce(o.started_at, o.ended_at, now()) - o.created_at) * 1000)::bigint as queue_ms,
      o.node, coalesce(o.lease_until <= now(), false) as abandoned, o.takeovers, o.fence, o.abort_asked, o.failure,
      case when o.state = 'queued' then ${waitsOf()} else '[]' end as waits_for
    from operation o where ${where} order by o.seq desc ${part}`.execute(reader)
  return rows.map(({ subjectKind, subjectId, lane, ...row }) => ({
    ...present<Omit<OperationView, 'lane' | 'subject'>>(row),
    lane: LANES[lane] ?? 'housekeeping',
    step: row.state === 'succeeded' ? undefined : (row.step ?? undefined),
    subject: subjectKind !== null && subjectId !== null ? { kind: subjectKind, id: subjectId } : undefined,
  }))
}

function retryWhy(): RawBuilder<unknown> {
  return sql`case when o.retry_at is not null then (
    select l.detail->>'why' from operation_log l
    where l.operation_id = o.id and l.kind = 'retry' order by l.seq desc limit 1) end`
}

function waitsOf(): RawBuilder<unknown> {
  return sql`(
    select coalesce(jsonb_agg(jsonb_build_object(
      'resource', w.resource, 'operation', b.id, 'command', b.command, 'holds', w.holds) order by w.resource), '[]')
    from (
      select l.resource, l.operation_id, true as holds from operation_lock l where l.resource = any(o.resources)
      union all
      select mine.resource, before.operation_id, false from operation_wait mine
        join operation_wait before on before.resource = mine.resource and before.seq = (
          select max(e.seq) from operation_wait e where e.resource = mine.resource and e.seq < mine.seq)
      where mine.operation_id = o.id
    ) w join operation b on b.id = w.operation_id)`
}
