import { sql } from 'kysely'
import type { Claim, JournaledStep } from '../jobs/journal.ts'
import type { Failure } from '../jobs/saga.ts'
import { writeLog } from './journal-log.ts'
import type { Reader, Tx } from './store.ts'
import { transact } from './transact.ts'

interface Candidate {
  readonly id: string
  readonly lane: number
  readonly resources: readonly string[]
  /** Asked to stop before it began: it needs no locks to end. */
  readonly abortAsked: boolean
}

interface ClaimedRow {
  readonly id: string
  readonly saga: string
  readonly version: number
  readonly state: 'running' | 'undoing'
  readonly input: unknown
  readonly fence: number
  readonly accountId: string | null
  readonly failure: Failure | null
  readonly undoFrom: string | null
  readonly abortAsked: boolean
  readonly waitedMs: number
  readonly step: string | null
  readonly trace: string | null
  /** Whose lease ran out; the row before the update is out of reach in it. */
  readonly from?: string | null
}

/** Who claims, and how long its lease lasts. */
export interface Claimant {
  readonly node: string
  readonly leaseMs: number
}

/** Implements `Journal.claim`. */
export async function claimOperations(
  reader: Reader,
  who: Claimant,
  limit: { readonly max: number; readonly background: number },
): Promise<readonly Claim[]> {
  const seen = await lookAround(reader, limit.max)
  const over = seen.expired.length > 0 ? await takeOver(reader, who, seen.expired.slice(0, limit.max)) : []
  const room = limit.max - over.length
  const access = seen.candidates.filter(({ lane }) => lane === 0)
  const background = seen.candidates.filter(({ lane }) => lane > 0).slice(0, limit.background)
  const chosen = [...access, ...background].slice(0, room)
  const fresh = chosen.length > 0 ? await takeUp(reader, who, chosen) : []
  return [...over, ...fresh]
}

/**
 * What could be claimed, without a promise: another node may be faster, which `takeUp` finds out. It reads without
 * serializable isolation, which would make every submission and every claim conflict. That keeps the order of
 * submission all the same: who has nobody before it in line never gets somebody before it later.
 */
function lookAround(
  reader: Reader,
  max: number,
): Promise<{ readonly expired: readonly string[]; readonly candidates: readonly Candidate[] }> {
  return reader
    .transaction()
    .setIsolationLevel('read committed')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const expired = await sql<{ id: string }>`
        select id from operation where state in ('running', 'undoing') and lease_until <= now()
        order by lane, seq limit ${max}`.execute(tx)
      const candidates = await sql<Candidate>`
        with runnable as (
          select id, lane, seq, coalesce(account_id::text, '') as account, resources, abort_asked
          from operation o
          where state = 'queued' and (abort_asked or (
            not exists (select from operation_lock l where l.resource = any(o.resources))
            and not exists (
              select from operation_wait mine join operation_wait before
                on before.resource = mine.resource and before.seq < mine.seq
              where mine.operation_id = o.id)))
        ), busy as (
          select coalesce(account_id::text, '') as account, count(*) as operations
          from operation where state in ('running', 'undoing') group by 1
        )
        select id, lane, resources, abort_asked from runnable left join busy using (account)
        order by lane, coalesce(operations, 0) + row_number() over (partition by account order by lane, seq), seq
        limit ${max}`.execute(tx)
      return { expired: expired.rows.map(({ id }) => id), candidates: candidates.rows }
    })
}

/**
 * Takes what is left of dead nodes. Its locks stay; its fence is new. Rows that somebody has locked are left for the next
 * time: a paused node may hold one in an open transaction, and must not keep us from all the others.
 */
function takeOver(reader: Reader, who: Claimant, ids: readonly string[]): Promise<readonly Claim[]> {
  return transact(reader, async (tx) => {
    const { rows } = await sql<ClaimedRow>`
      update operation o
      set node = ${who.node}, fence = nextval('fence_seq'), lease_until = ${until(who)}, takeovers = o.takeovers + 1
      from (
        select id, node as from_node from operation
        where id = any(${ids}) and state in ('running', 'undoing') and lease_until <= now()
        order by id for update skip locked
      ) gone
      where o.id = gone.id
      returning ${columns('o')}, gone.from_node as "from"`.execute(tx)
    const entries = rows.map((row) => ({
      operation: row.id,
      kind: 'taken over' as const,
      step: row.step ?? undefined,
      node: who.node,
      fence: row.fence,
      detail: { from: row.from },
    }))
    await writeLog(tx, entries)
    const steps = await journaledSteps(
      tx,
      rows.map(({ id }) => id),
    )
    return rows.map((row) => claimOf(row, { firstRun: false, steps: steps.get(row.id) ?? [] }))
  })
}

/** Takes the locks of queued operations and begins those that got all of theirs. */
function takeUp(reader: Reader, who: Claimant, chosen: readonly Candidate[]): Promise<readonly Claim[]> {
  return transact(reader, async (tx) => {
    const open = await stillQueued(tx, chosen)
    const got = await lock(tx, open)
    const whole = open.filter((one) => one.abortAsked || one.resources.every((name) => got.get(name) === one.id))
    const ids = whole.map(({ id }) => id)
    const { rows } = await sql<ClaimedRow>`
      update operation o
      set state = 'running', node = ${who.node}, fence = nextval('fence_seq'), lease_until = ${until(who)}, started_at = now()
      where id = any(${ids}) and state = 'queued'
      returning ${columns('o')}`.execute(tx)
    const begun = new Set(rows.map(({ id }) => id))
    const inVain = [...got].filter(([, id]) => !begun.has(id)).map(([resource]) => resource)
    if (inVain.length > 0) await sql`delete from operation_lock where resource = any(${inVain})`.execute(tx)
    await sql`delete from operation_wait where operation_id = any(${[...begun]})`.execute(tx)
    const entries = rows.map(({ id, step, fence, waitedMs }) => ({
      operation: id,
      kind: 'claimed' as const,
      step: step ?? undefined,
      node: who.node,
      fence,
      detail: { waitedMs },
    }))
    await writeLog(tx, entries)
    const inOrder = ids.flatMap((id) => rows.filter((row) => row.id === id))
    return inOrder.map((row) => claimOf(row, { firstRun: true, steps: [] }))
  })
}

/** Those that nobody else takes up just now; a claimer that was paused while it did so is not waited for. */
async function stillQueued(tx: Tx, chosen: readonly Candidate[]): Promise<readonly Candidate[]> {
  const { rows } = await sql<{ id: string }>`
    select id from operation where id = any(${chosen.map(({ id }) => id)}) and state = 'queued'
    order by id for update skip locked`.execute(tx)
  const free = new Set(rows.map(({ id }) => id))
  return chosen.filter(({ id }) => free.has(id))
}

/** Which resource was locked for which operation. In one order for all claimers, so that they cannot wait in a circle. */
async function lock(tx: Tx, chosen: readonly Candidate[]): Promise<ReadonlyMap<string, string>> {
  const wanted = chosen
    .filter(({ abortAsked }) => !abortAsked)
    .flatMap(({ id, resources }) => resources.map((resource) => ({ resource, operationId: id })))
    .sort((a, b) => (a.resource < b.resource ? -1 : 1))
  if (wanted.length === 0) return new Map()
  const rows = await tx
    .insertInto('operationLock')
    .values(wanted)
    .onConflict((oc) => oc.doNothing())
    .returningAll()
    .execute()
  return new Map(rows.map(({ resource, operationId }) => [resource, operationId]))
}

async function journaledSteps(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, readonly JournaledStep[]>> {
  if (ids.length === 0) return new Map()
  const rows = await tx
    .selectFrom('operationStep')
    .select(['operationId', 'name', 'state', 'result'])
    .where('operationId', 'in', ids)
    .orderBy('ordinal')
    .execute()
  return Map.groupBy(rows, ({ operationId }) => operationId)
}

function claimOf(
  row: ClaimedRow,
  run: { readonly firstRun: boolean; readonly steps: readonly JournaledStep[] },
): Claim {
  const { id, saga, version, state, input, fence, abortAsked, failure, undoFrom } = row
  return {
    ...run,
    id,
    saga,
    version,
    state,
    input,
    fence,
    abortAsked,
    account: row.accountId ?? '',
    ...(failure ? { failure } : {}),
    ...(undoFrom === null ? {} : { undoFrom }),
    ...(row.trace === null ? {} : { trace: row.trace }),
  }
}

function until(who: Claimant) {
  return sql`now() + ${who.leaseMs} * interval '1 millisecond'`
}

function columns(alias: string) {
  const names = 'id saga version state input fence account_id failure undo_from abort_asked step trace'.split(' ')
  const waited = sql`(extract(epoch from now() - ${sql.ref(`${alias}.created_at`)}) * 1000)::bigint as waited_ms`
  return sql.join([...names.map((name) => sql.ref(`${alias}.${name}`)), waited])
}
