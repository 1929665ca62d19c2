import { PluginError } from '@moorage/contract'
import { inSpan } from '../telemetry/trace.ts'
import { ABORTED } from './forward.ts'
import type { StepEnd } from './journal.ts'
import { Released } from './run.ts'
import type { Run, Try } from './run.ts'
import type { Failure, NamedStep } from './saga.ts'

const LONGEST_RETRY_MS = 60_000
/** Step name under which trouble with the end itself is shown. */
const END = 'end'

/**
 * Undoes, last first, every step that has an end and is not undone, and the one that may have started; then ends the
 * operation. It never gives up: what is not undone would be lost from sight with the locks. Attempts are in the log.
 */
export async function undo<Tx>(run: Run<Tx>, failure: Failure, undoFrom: string | undefined): Promise<void> {
  const undone = new Set(run.claim.steps.filter(({ state }) => state === 'undone').map(({ name }) => name))
  for (const [ordinal, named] of [...run.definition.steps.entries()].reverse()) {
    const started = run.results.has(named.name) || named.name === undoFrom
    if (!started || undone.has(named.name)) continue
    const work = { name: `undo ${named.name}`, fields: { step: named.name } }
    await inSpan(work, () => undoStep(run, named, ordinal))
  }
  await fail(run, failure)
}

async function undoStep<Tx>(run: Run<Tx>, named: NamedStep<Tx>, ordinal: number): Promise<void> {
  const began = performance.now()
  for (let number = 1; ; number += 1) {
    run.check()
    const attempt: Try = { step: named.name, attempt: number, calls: [] }
    try {
      await undoOnce(run, named, { ordinal, attempt })
      run.observe(named.name, 'undone', began)
      return
    } catch (error) {
      run.sift(error)
      await run.retryLater(attempt, error, LONGEST_RETRY_MS)
      // Fences grow with every claim, so a new claim is above whatever refused this one; unless we are the past ourselves.
      if (error instanceof PluginError && error.code === 'FENCED') throw new Released()
    }
  }
}

async function undoOnce<Tx>(
  run: Run<Tx>,
  { name, step }: NamedStep<Tx>,
  at: { readonly ordinal: number; readonly attempt: Try },
): Promise<void> {
  const { ordinal, attempt } = at
  const seen = run.seenBefore(ordinal)
  const end: StepEnd = { name, ordinal, calls: attempt.calls, next: run.definition.steps[ordinal - 1]?.name }
  const commit = (unrecord: (tx: Tx) => Promise<void>) =>
    run.write(() => run.deps.journal.commitUndo(run.held, end, unrecord))
  if ('decide' in step) return commit(async (tx) => step.unrecord?.(tx, seen, run.under))
  const found = await run.call(attempt, (context) => step.undo(seen, context))
  await commit(async (tx) => step.unrecord?.(tx, seen, { ...run.under, found }))
}

async function fail<Tx>(run: Run<Tx>, failure: Failure): Promise<void> {
  const state = failure.code === ABORTED.code ? 'aborted' : 'failed'
  for (let number = 1; ; number += 1) {
    run.check()
    try {
      await run.write(() =>
        run.deps.journal.finish(run.held, { state, failure }, async (tx) => {
          await run.definition.failed?.(tx, run.claim.input, { ...run.under, failure })
        }),
      )
      run.observeEnd(state, failure)
      return
    } catch (error) {
      run.sift(error)
      await run.retryLater({ step: END, attempt: number, calls: [] }, error, LONGEST_RETRY_MS)
    }
  }
}
