import { sql } from 'kysely'
import { LostLease } from '../jobs/journal.ts'
import type { Held, Journal, Renewed, RetryNote, StepEnd } from '../jobs/journal.ts'
import type { CallRecord, Failure, Progress } from '../jobs/saga.ts'
import type { Address } from './connect.ts'
import { claimOperations } from './journal-claim.ts'
import { createHints } from './journal-hints.ts'
import { callEntries, writeLog } from './journal-log.ts'
import type { LogEntry } from './journal-log.ts'
import { submitAndClaim, submitOperation } from './journal-submit.ts'
import { jsonb, jsonText } from './json.ts'
import type { StoreLog } from './log.ts'
import type { Reader, Store, Tx } from './store.ts'
import { LATER, later } from './pipeline.ts'
import { isUnavailable } from './transact.ts'

/** What a journal needs. */
export interface JournalOptions {
  readonly store: Pick<Store, 'reader' | 'transact'> & { readonly address: Address }
  /** How long a claim is held without a heartbeat, by the database's clock. */
  readonly leaseMs: number
  readonly log: StoreLog
}

/** The journal of operations on PostgreSQL. Close the store after the runner has stopped. */
export function createJournal(options: JournalOptions): Journal<Tx> {
  const { reader, transact, address } = options.store
  const hints = createHints({ reader, address, log: options.log })
  return {
    submit: submitOperation,
    submitAndClaim: (tx, submission, by) => submitAndClaim(tx, submission, { ...by, leaseMs: options.leaseMs }),
    claim: (node, limit) => claimOperations(reader, { node, leaseMs: options.leaseMs }, limit),
    heartbeat: (node, held) => transact((tx) => renew(tx, { node, leaseMs: options.leaseMs }, held)),
    commitStep: (held, step, record) => transact((tx) => commitStep(tx, held, { step, record })),
    commitLast: (held, step, work) => transact((tx) => commitLast(tx, held, { step, ...work })),
    noteRetry: (held, retry) => transact((tx) => noteRetry(tx, held, retry)),
    beginUndo: (held, failure, calls) => transact((tx) => beginUndo(tx, held, { failure, calls })),
    commitUndo: (held, step, unrecord) => transact((tx) => commitUndo(tx, held, { step, unrecord })),
    finish: (held, end, record) => transact((tx) => finish(tx, held, { ...end, record })),
    release: (held, how) => transact((tx) => release(tx, held, how)),
    askAbort: (operation) => transact((tx) => ask(tx, operation, 'abort asked')),
    askRetry: (operation) => transact((tx) => ask(tx, operation, 'retry asked')),
    endedAmong: (operations) => endedAmong(reader, operations),
    leave: async (node) => {
      await reader.deleteFrom('node').where('id', '=', node).execute()
    },
    unavailable: isUnavailable,
    hint: hints.send,
    listen: hints.listen,
  }
}

interface Leaseholder {
  readonly node: string
  readonly leaseMs: number
}

async function renew(
  tx: Tx,
  who: Leaseholder,
  held: readonly (Held & { readonly progress?: Progress })[],
): Promise<Renewed> {
  const alive = await sql<{ others: number }>`
    with me as (
      insert into node (id) values (${who.node}) on conflict (id) do update set seen_at = now() returning id
    )
    select count(*) as others from node where id <> ${who.node} and seen_at > now() - ${who.leaseMs} * interval '1 millisecond'`.execute(
    tx,
  )
  const others = alive.rows[0]?.others ?? 0
  if (held.length === 0) return { lost: [], abortAsked: [], retryNow: [], others }
  const { rows } = await sql<{ id: string; abortAsked: boolean; retryNow: boolean }>`
    update operation o
    set lease_until = now() + ${who.leaseMs} * interval '1 millisecond', progress = coalesce(mine.progress, o.progress)
    from jsonb_to_recordset(${jsonText(held)}::jsonb) as mine (id uuid, fence bigint, progress jsonb)
    where o.id = mine.id and o.fence = mine.fence and o.state in ('running', 'undoing')
    returning o.id, o.abort_asked, o.retry_at is null as retry_now`.execute(tx)
  const kept = new Set(rows.map(({ id }) => id))
  return {
    lost: held.filter(({ id }) => !kept.has(id)).map(({ id }) => id),
    abortAsked: rows.filter(({ abortAsked }) => abortAsked).map(({ id }) => id),
    retryNow: rows.filter(({ retryNow }) => retryNow).map(({ id }) => id),
    others,
  }
}

async function commitStep(
  tx: Tx,
  held: Held,
  { step, record }: { readonly step: StepEnd; readonly record: (tx: Tx) => Promise<unknown> },
): Promise<unknown> {
  // It only reads, so that it goes out with the beginning of the transaction; the lock keeps the fence until the commit.
  const { rows } = await sql<{ journaled: boolean; result: unknown }>`
    select s.state is not null as journaled, s.result
    from operation o left join operation_step s on s.operation_id = o.id and s.ordinal = ${step.ordinal}
    where o.id = ${held.id} and o.fence = ${held.fence} and o.state = 'running' for update of o`.execute(tx)
  const row = rows[0]
  if (!row) throw new LostLease(held.id)
  // An earlier commit of the same step, whose answer was lost, did all of this.
  if (row.journaled) return row.result
  await sql`
    update operation set step = ${step.next ?? step.name}, attempt = 0, retry_at = null, progress = null
    where id = ${held.id} ${LATER}`.execute(tx)
  const text = jsonText(await record(tx))
  await insertDone(tx, held, { step, text })
  await writeLog(tx, doneEntries(held, step))
  const result: unknown = JSON.parse(text)
  return result
}

async function commitLast(
  tx: Tx,
  held: Held,
  work: {
    readonly step: StepEnd
    readonly record: (tx: Tx) => Promise<unknown>
    readonly succeeded: (tx: Tx, result: unknown) => Promise<void>
  },
): Promise<void> {
  const { step, record, succeeded } = work
  const mine = await sql`
    select 1 from operation where id = ${held.id} and fence = ${held.fence} and state = 'running' for update`.execute(
    tx,
  )
  if (mine.rows.length === 0) return endedBefore(tx, held)
  await sql`
    update operation set state = 'succeeded', step = ${step.name}, attempt = 0, retry_at = null, progress = null,
      ended_at = now(), lease_until = null
    where id = ${held.id} ${LATER}`.execute(tx)
  const text = jsonText(await record(tx))
  await succeeded(tx, JSON.parse(text))
  await insertDone(tx, held, { step, text })
  await releaseLocks(tx, held)
  await writeLog(tx, [...doneEntries(held, step), endedEntry(held, { state: 'succeeded' })])
}

/** `text`: its result as JSON, written as it stands. */
async function insertDone(
  tx: Tx,
  held: Held,
  { step, text }: { readonly step: StepEnd; readonly text: string },
): Promise<void> {
  await later(
    tx.insertInto('operationStep').values({
      operationId: held.id,
      ordinal: step.ordinal,
      name: step.name,
      state: 'done',
      result: sql`${text}::jsonb`,
    }),
  )
}

function doneEntries(held: Held, step: StepEnd): readonly LogEntry[] {
  return [
    ...callEntries(held.id, step.name, step.calls),
    { operation: held.id, kind: 'step done', step: step.name, fence: held.fence },
  ]
}

async function releaseLocks(tx: Tx, held: Held): Promise<void> {
  await later(tx.deleteFrom('operationLock').where('operationId', '=', held.id))
}

function endedEntry(held: Held, detail: Partial<Failure> & { readonly state: string }): LogEntry {
  return { operation: held.id, kind: 'ended', fence: held.fence, detail }
}

async function noteRetry(tx: Tx, held: Held, retry: RetryNote): Promise<void> {
  const { step, attempt, why, inMs, calls } = retry
  await mustHold(
    tx,
    held,
    sql`step = ${step}, attempt = ${attempt}, retry_at = now() + ${inMs} * interval '1 millisecond'`,
  )
  await writeLog(tx, [
    ...callEntries(held.id, step, calls),
    { operation: held.id, kind: 'retry', step, fence: held.fence, detail: { attempt, why, inMs } },
  ])
}

async function beginUndo(
  tx: Tx,
  held: Held,
  turn: {
    readonly failure: Failure & { readonly step: string; readonly mayHaveStarted: boolean }
    readonly calls: readonly CallRecord[]
  },
): Promise<void> {
  const { step, mayHaveStarted, reasons, ...failure } = turn.failure
  await mustHold(
    tx,
    held,
    sql`state = 'undoing', failure = ${jsonb(failure)}, step = ${step}, undo_from = ${mayHaveStarted ? step : null},
      attempt = 0, retry_at = null`,
  )
  await writeLog(tx, [
    ...callEntries(held.id, step, turn.calls),
    {
      operation: held.id,
      kind: 'undo begun',
      step,
      fence: held.fence,
      detail: { ...failure, ...(reasons ? { reasons } : {}) },
    },
  ])
}

async function commitUndo(
  tx: Tx,
  held: Held,
  { step, unrecord }: { readonly step: StepEnd; readonly unrecord: (tx: Tx) => Promise<void> },
): Promise<void> {
  await mustHold(tx, held, sql`step = ${step.next ?? step.name}, attempt = 0, retry_at = null, progress = null`)
  const known = await tx
    .selectFrom('operationStep')
    .select('state')
    .where('operationId', '=', held.id)
    .where('ordinal', '=', step.ordinal)
    .executeTakeFirst()
  if (known?.state === 'undone') return
  await unrecord(tx)
  await tx
    .insertInto('operationStep')
    .values({ operationId: held.id, ordinal: step.ordinal, name: step.name, state: 'undone' })
    .onConflict((oc) => oc.columns(['operationId', 'ordinal']).doUpdateSet({ state: 'undone', endedAt: sql`now()` }))
    .execute()
  await writeLog(tx, [
    ...callEntries(held.id, step.name, step.calls),
    { operation: held.id, kind: 'step undone', step: step.name, fence: held.fence },
  ])
}

async function finish(
  tx: Tx,
  held: Held,
  end: {
    readonly state: 'failed' | 'aborted'
    readonly failure?: Failure
    readonly record: (tx: Tx) => Promise<void>
  },
): Promise<void> {
  const ended = await sql`
    update operation set state = ${end.state}, failure = ${end.failure ? jsonb(end.failure) : null}, ended_at = now(),
      lease_until = null, retry_at = null
    where id = ${held.id} and fence = ${held.fence} and state in ('running', 'undoing')`.execute(tx)
  if (ended.numAffectedRows === 0n) return endedBefore(tx, held)
  await end.record(tx)
  await releaseLocks(tx, held)
  await writeLog(tx, [endedEntry(held, { state: end.state, ...end.failure })])
}

/** An earlier end whose answer was lost did it all; else the lease is lost. */
async function endedBefore(tx: Tx, held: Held): Promise<void> {
  const row = await tx.selectFrom('operation').select(['fence', 'endedAt']).where('id', '=', held.id).executeTakeFirst()
  if (row?.fence !== held.fence || row.endedAt === null) throw new LostLease(held.id)
}

async function release(
  tx: Tx,
  held: Held,
  { inMs, why }: { readonly inMs: number; readonly why: string },
): Promise<void> {
  const released = await sql`
    update operation set lease_until = now() + ${inMs} * interval '1 millisecond'
    where id = ${held.id} and fence = ${held.fence} and state in ('running', 'undoing')`.execute(tx)
  if (released.numAffectedRows === 0n) return
  await writeLog(tx, [{ operation: held.id, kind: 'released', fence: held.fence, detail: { why, inMs } }])
}

async function ask(tx: Tx, operation: string, what: 'abort asked' | 'retry asked'): Promise<void> {
  const change = what === 'abort asked' ? sql`abort_asked = true` : sql`retry_at = null`
  const open =
    what === 'abort asked' ? sql`state in ('queued', 'running') and not abort_asked` : sql`retry_at is not null`
  const done = await sql`update operation set ${change} where id = ${operation} and ${open}`.execute(tx)
  if (done.numAffectedRows !== 0n) await writeLog(tx, [{ operation, kind: what }])
}

async function endedAmong(reader: Reader, operations: readonly string[]): Promise<readonly string[]> {
  if (operations.length === 0) return []
  const rows = await reader
    .selectFrom('operation')
    .select('id')
    .where('id', 'in', operations)
    .where('endedAt', 'is not', null)
    .execute()
  return rows.map(({ id }) => id)
}

/** Changes the operation under its fence, or throws `LostLease`. */
async function mustHold(tx: Tx, held: Held, change: ReturnType<typeof sql>): Promise<void> {
  const { numAffectedRows } = await sql`
    update operation set ${change}
    where id = ${held.id} and fence = ${held.fence} and state in ('running', 'undoing')`.execute(tx)
  if (numAffectedRows === 0n) throw new LostLease(held.id)
}
