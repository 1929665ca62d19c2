import { sql } from 'kysely'
import type { Claim, Submission } from '../jobs/journal.ts'
import { LANES } from '../jobs/saga.ts'
import { traceparent } from '../telemetry/trace.ts'
import { writeLog } from './journal-log.ts'
import { jsonb } from './json.ts'
import { LATER, later } from './pipeline.ts'
import type { Tx } from './store.ts'
import { afterCommit } from './transact.ts'

/** Implements `Journal.submit`. */
export async function submitOperation(tx: Tx, submission: Submission, step: string): Promise<void> {
  const recorded = await record(tx, submission, step)
  if (recorded) await queue(tx, recorded)
}

/** Implements `Journal.submitAndClaim`. */
export async function submitAndClaim(
  tx: Tx,
  submission: Submission,
  by: {
    readonly step: string
    readonly node?: string
    readonly leaseMs: number
    readonly committed: (claim: Claim | undefined) => void
  },
): Promise<void> {
  const recorded = await record(tx, submission, by.step)
  if (!recorded) return
  const taken: { claim?: Claim } = {}
  // Whose end is not told could never be run by the node that has it.
  const told = afterCommit(tx, () => by.committed(taken.claim))
  const fence = told && by.node !== undefined ? await takeLocks(tx, recorded) : undefined
  if (fence === undefined) return queue(tx, recorded)
  await sql`
    update operation set state = 'running', node = ${by.node}, fence = ${fence}, started_at = now(),
      lease_until = now() + ${by.leaseMs} * interval '1 millisecond'
    where id = ${submission.id} ${LATER}`.execute(tx)
  const detail = { waitedMs: 0 }
  await writeLog(tx, [{ operation: submission.id, kind: 'claimed', step: by.step, node: by.node, fence, detail }])
  const { id, saga, version, account } = submission
  const head = { id, saga, version, account, state: 'running', steps: [], abortAsked: false, firstRun: true } as const
  taken.claim = { ...head, fence, input: recorded.input, trace: recorded.trace }
}

interface Recorded {
  readonly id: string
  readonly seq: number
  readonly resources: readonly string[]
  /** As a reader of the journal would see it. */
  readonly input: unknown
  readonly trace: string
}

async function record(tx: Tx, submission: Submission, step: string): Promise<Recorded | undefined> {
  const trace = traceparent()
  const resources = [...new Set(submission.resources)].sort()
  const row = await tx
    .insertInto('operation')
    .values({
      id: submission.id,
      saga: submission.saga,
      version: submission.version,
      lane: LANES.indexOf(submission.lane),
      state: 'queued',
      input: jsonb(submission.input),
      resources,
      accountId: submission.account || null,
      principalId: submission.user || null,
      command: submission.command,
      subjectKind: submission.subject?.kind ?? null,
      subjectId: submission.subject?.id ?? null,
      step,
      trace,
    })
    .onConflict((oc) => oc.column('id').doNothing())
    .returning(['seq', 'input'])
    .executeTakeFirst()
  if (!row) return undefined
  const { id, command } = submission
  await writeLog(tx, [{ operation: id, kind: 'submitted', detail: { command, resources } }])
  return { id, resources, trace, ...row }
}

async function queue(tx: Tx, { id, seq, resources }: Recorded): Promise<void> {
  const waits = resources.map((resource) => ({ resource, seq, operationId: id }))
  if (waits.length > 0) await later(tx.insertInto('operationWait').values(waits))
}

/**
 * Takes the locks of an operation that is just being submitted, if they are free and nobody is in line before it; answers
 * its fence, drawn once it has them. Not under serializable isolation, where looking at the lines of others would make
 * every submission conflict with every other.
 */
async function takeLocks(tx: Tx, { id, resources }: Recorded): Promise<number | undefined> {
  const { rows } = await sql<{ taken: number; fence: number | null }>`
    with taken as (
      insert into operation_lock (resource, operation_id)
      select resource, ${id} from unnest(${resources}::text[]) as resource
      where current_setting('transaction_isolation') = 'read committed'
        and not exists (select from operation_wait w where w.resource = any(${resources}))
        and not exists (select from operation_lock l where l.resource = any(${resources}))
      order by resource on conflict do nothing returning resource
    ), counted as (select count(*) as taken from taken)
    select taken, case when taken = ${resources.length}
      and current_setting('transaction_isolation') = 'read committed' then nextval('fence_seq') end as fence
    from counted`.execute(tx)
  const { taken, fence } = rows[0] ?? { taken: 0, fence: null }
  if (fence !== null) return fence
  if (taken > 0) await later(tx.deleteFrom('operationLock').where('operationId', '=', id))
  return undefined
}
