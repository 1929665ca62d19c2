import { fail, inSpan } from '../telemetry/trace.ts'
import { ABORTED, goForward } from './forward.ts'
import { LostLease } from './journal.ts'
import type { Claim } from './journal.ts'
import { Released } from './run.ts'
import type { Run, RunDeps } from './run.ts'
import type { SagaDefinition } from './saga.ts'
import { undo } from './undo.ts'

/** How a run came to its end on this node. */
export type Outcome = 'ended' | 'released' | 'lost'

/** What the journal refused it will refuse again at once. */
const REFUSED_MS = 5_000

/** Takes an operation to its end, or until it is lost or released. Never rejects. */
export async function execute<Tx>(run: Run<Tx>): Promise<Outcome> {
  const { id: operation, saga, fence, trace: parent } = run.claim
  return await inSpan({ name: saga, parent, fields: { operation, saga, fence } }, async (span) => {
    const outcome = await carryOut(run)
    if (outcome !== 'ended') fail(span, outcome)
    return outcome
  })
}

async function carryOut<Tx>(run: Run<Tx>): Promise<Outcome> {
  const { claim, deps } = run
  try {
    await (claim.state === 'running' ? forwardOrUndo(run) : undo(run, claim.failure ?? ABORTED, claim.undoFrom))
    return 'ended'
  } catch (error) {
    if (error instanceof LostLease || run.lost) return 'lost'
    if (error instanceof Released) return await release(deps, claim, { inMs: 0, why: run.whyReleased })
    deps.log.error({ err: error, operation: claim.id, saga: claim.saga }, 'the journal refused a write')
    return await release(deps, claim, { inMs: REFUSED_MS, why: 'the journal refused a write' })
  }
}

async function forwardOrUndo<Tx>(run: Run<Tx>): Promise<void> {
  const setback = await goForward(run)
  if (!setback) return
  const { failure, step, mayHaveStarted, calls } = setback
  await run.write(() => run.deps.journal.beginUndo(run.held, { ...failure, step, mayHaveStarted }, calls))
  await undo(run, failure, mayHaveStarted ? step : undefined)
}

/** Gives a claim back so that any node may go on with it. */
export async function release<Tx>(
  deps: Pick<RunDeps<Tx>, 'journal' | 'log'>,
  claim: Claim,
  how: { readonly inMs: number; readonly why: string },
): Promise<Outcome> {
  try {
    await deps.journal.release(claim, how)
  } catch (error) {
    deps.log.warn({ err: error, operation: claim.id }, 'a lease was not given back: it will run out')
  }
  return 'released'
}

/** Why a claim cannot be run under this definition; `undefined` when it can. */
export function mismatch<Tx>(claim: Claim, definition: SagaDefinition<Tx> | undefined): string | undefined {
  const name = `saga ${claim.saga} version ${claim.version}`
  if (!definition) return `this release has no ${name}`
  if (definition.version !== claim.version) return `this release has version ${definition.version}, not ${name}`
  const odd = claim.steps.find((step, ordinal) => definition.steps[ordinal]?.name !== step.name)
  if (odd) return `the journal of ${name} has step ${odd.name} where this release has another`
  // The last step ends the operation in one transaction with its own end.
  if (claim.state === 'running' && claim.steps.length >= definition.steps.length) {
    return `the journal of ${name} has all steps but no end`
  }
  return undefined
}
