import { type AuditOutcome, insertAuditRecord, type NewAuditRecord } from '../store/audit.ts'
import type { Tx } from '../store/store.ts'
import type { Caller, System } from './context.ts'
import type { Told } from './refusals.ts'

/** What came of an attempt to keep a record: its outcome; `lost` when it could not be written, `suppressed` when not tried. */
export type Audited = AuditOutcome | 'lost' | 'suppressed'

/** A mutating command that somebody asks for. */
export interface Attempt {
  readonly request: string
  readonly source: string
  readonly command: string
  /** JSON of the parameters, without secrets. */
  readonly params: string
  /** Absent while nobody was recognised. */
  readonly caller: Caller | undefined
}

/** Keeps the record of one attempt. */
export interface AttemptAudit {
  /**
   * The system to run the command on: the first transaction that changes something writes the record, too, so that neither
   * is there without the other; a request to abort or retry is recorded before it is passed on.
   */
  readonly system: System
  /** Records what became of it where no transaction has: `refused` absent means that it went well. Never throws. */
  settle(refused?: Told): Promise<void>
}

/** Keeps the audit of a controller. */
export interface Auditor {
  attempt(system: System, attempt: Attempt): AttemptAudit
}

/** What an auditor needs. */
export interface AuditorOptions {
  /** Name of this controller. */
  readonly node: string
  readonly log: { error(fields: object, message: string): void }
  readonly observe?: (outcome: Audited) => void
  /** Records of callers that were not recognised, per minute; 60 unless told. More are counted and not kept. */
  readonly strangersPerMinute?: number
}

const LONGEST_TEXT = 500
const MINUTE_MS = 60_000

/** Makes the auditor of a controller. What strangers send is bounded: they must not be able to fill the database. */
export function createAuditor(options: AuditorOptions): Auditor {
  const { node, log, observe = () => {}, strangersPerMinute = 60 } = options
  const strangers = bucket(strangersPerMinute)
  return {
    attempt: (system, attempt) => {
      const kept: { written: boolean; operation: string | undefined } = { written: false, operation: undefined }
      const write = (tx: Tx, record: Pick<NewAuditRecord, 'outcome' | 'text'> & Partial<NewAuditRecord>) =>
        insertAuditRecord(system.store, tx, { ...headOf(node, attempt), ...record })
      const inTransaction = async <Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> => {
        if (kept.written) return await system.store.transact(work)
        const result = await system.store.transact(async (tx) => {
          kept.operation = undefined
          const done = await work(tx)
          const { operation } = kept
          const how =
            operation === undefined ? { outcome: 'done' as const } : { outcome: 'accepted' as const, operation }
          await write(tx, { ...how, text: '' })
          return done
        })
        kept.written = true
        observe(kept.operation === undefined ? 'done' : 'accepted')
        return result
      }
      return {
        system: watched(system, inTransaction, (operation) => {
          kept.operation = operation
        }),
        settle: async (refused) => {
          if (kept.written && refused === undefined) return
          if (attempt.caller === undefined && refused !== undefined && !strangers()) return observe('suppressed')
          const outcome = outcomeOf(refused)
          const text = (refused?.internal ?? refused?.text ?? '').slice(0, LONGEST_TEXT)
          const code = refused === undefined ? {} : { code: refused.http }
          try {
            await system.store.transact((tx) => write(tx, { outcome, text, ...code }))
            observe(outcome)
          } catch (error) {
            observe('lost')
            log.error(
              { err: error, ...headOf(node, attempt), outcome, ...code },
              'an audit record could not be written',
            )
          }
        },
      }
    },
  }
}

function watched(
  system: System,
  transact: System['store']['transact'],
  submitted: (operation: string) => void,
): System {
  const { jobs } = system
  // Nothing but the record: what is asked of an operation is written by its journal.
  const recorded = () => transact(() => Promise.resolve())
  return {
    ...system,
    store: { ...system.store, transact },
    jobs: {
      submit: async (tx, submission) => {
        await jobs.submit(tx, submission)
        submitted(submission.id)
      },
      ended: (...asked) => jobs.ended(...asked),
      abort: async (operation) => {
        await recorded()
        await jobs.abort(operation)
      },
      retry: async (operation) => {
        await recorded()
        await jobs.retry(operation)
      },
    },
  }
}

function outcomeOf(refused: Told | undefined): AuditOutcome {
  if (refused === undefined) return 'done'
  return refused.internal !== undefined && refused.http === 530 ? 'failed' : 'refused'
}

function headOf(node: string, { caller, ...attempt }: Attempt) {
  const { accountId, principalId, accountName = '', username = '' } = caller ?? {}
  return {
    node,
    ...attempt,
    account: accountName,
    username,
    ...(accountId ? { accountId } : {}),
    ...(principalId ? { principalId } : {}),
  }
}

/** True as often as `most` within a minute. */
function bucket(most: number): () => boolean {
  let since = -MINUTE_MS
  let taken = 0
  return () => {
    const now = performance.now()
    if (now - since >= MINUTE_MS) [since, taken] = [now, 0]
    taken += 1
    return taken <= most
  }
}
