import { FAILURES, PluginError } from '@moorage/contract'
import { fail, inSpan } from '../telemetry/trace.ts'
import type { StepEnd } from './journal.ts'
import type { Run, Try } from './run.ts'
import type { CallRecord, Failure, NamedStep } from './saga.ts'

/** The failure of an operation that was asked to stop. */
export const ABORTED: Failure = { code: 'ABORTED', text: 'The operation was aborted on request.' }

/** Why an operation must be undone, and from where. */
export interface Setback {
  readonly failure: Failure
  readonly step: string
  /** The step has no end in the journal, and its effect may be there. */
  readonly mayHaveStarted: boolean
  readonly calls: readonly CallRecord[]
}

type StepOutcome = { readonly done: unknown } | { readonly setback: Setback }

const LONGEST_RETRY_MS = 30_000

/** Runs the steps that have no end yet, the last of which ends the operation; answers what stands in the way of that. */
export async function goForward<Tx>(run: Run<Tx>): Promise<Setback | undefined> {
  const { steps } = run.definition
  const first = run.claim.steps.length
  for (const [ordinal, named] of steps.entries()) {
    if (ordinal < first) continue
    run.check()
    if (run.abortAsked.aborted) {
      const resumed = ordinal === first && !run.claim.firstRun
      return { failure: ABORTED, step: named.name, mayHaveStarted: resumed && 'run' in named.step, calls: [] }
    }
    const outcome = await runStep(run, named, ordinal)
    if ('setback' in outcome) return outcome.setback
    run.results.set(named.name, outcome.done)
  }
  run.observeEnd('succeeded')
  return undefined
}

function runStep<Tx>(run: Run<Tx>, named: NamedStep<Tx>, ordinal: number): Promise<StepOutcome> {
  return inSpan({ name: named.name, fields: { step: named.name } }, async (span) => {
    const outcome = await attempts(run, named, ordinal)
    if ('setback' in outcome) fail(span, outcome.setback.failure.code)
    return outcome
  })
}

async function attempts<Tx>(run: Run<Tx>, named: NamedStep<Tx>, ordinal: number): Promise<StepOutcome> {
  const began = performance.now()
  let quietSince = began
  const onProgress = () => {
    quietSince = performance.now()
  }
  for (let number = 1; ; number += 1) {
    const attempt: Try = { step: named.name, attempt: number, calls: [], alsoUntil: run.abortAsked, onProgress }
    try {
      const done = await runOnce(run, named, { ordinal, attempt })
      run.observe(named.name, 'done', began)
      return { done }
    } catch (error) {
      run.sift(error)
      const patient = performance.now() - quietSince < run.deps.patienceMs
      const later = isForLater(error) || run.deps.journal.unavailable(error)
      if (patient && !run.abortAsked.aborted && later) {
        await run.retryLater(attempt, error, LONGEST_RETRY_MS)
        if (!run.abortAsked.aborted) continue
      }
      run.observe(named.name, 'failed', began)
      const failure = run.abortAsked.aborted ? ABORTED : run.deps.describe(error)
      return { setback: { failure, step: named.name, mayHaveStarted: 'run' in named.step, calls: attempt.calls } }
    }
  }
}

async function runOnce<Tx>(
  run: Run<Tx>,
  { name, step }: NamedStep<Tx>,
  at: { readonly ordinal: number; readonly attempt: Try },
): Promise<unknown> {
  const { ordinal, attempt } = at
  const seen = run.seenBefore(ordinal)
  const end: StepEnd = { name, ordinal, calls: attempt.calls, next: run.definition.steps[ordinal + 1]?.name }
  const commit = (record: (tx: Tx) => Promise<unknown>) =>
    run.write(() =>
      end.next === undefined
        ? run.deps.journal.commitLast(run.held, end, {
            record,
            succeeded: async (tx, out) => run.definition.succeeded?.(tx, { ...seen, [name]: out }, run.under),
          })
        : run.deps.journal.commitStep(run.held, end, record),
    )
  if ('decide' in step) return commit((tx) => step.decide(tx, seen, run.under))
  const out = await run.call(attempt, (context) => step.run(seen, context))
  return commit(async (tx) => {
    await step.record?.(tx, seen, out, run.under)
    return out
  })
}

/** Whether the plug-in says that the same call may succeed later. What a call reads of the database may be out of reach too. */
function isForLater(error: unknown): boolean {
  return error instanceof PluginError && FAILURES[error.code].retry === 'later'
}
