import { census } from '../sagas/census.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Submits a census. `graceSeconds`: what a back end holds for less than that is not called an orphan. */
export async function runCensus(by: By, request: { readonly graceSeconds?: number }): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const operation = await submit(tx, by, {
      command: 'runCensus',
      head: census,
      input: request,
      event: { type: 'CENSUS.RUN', description: 'Taking a census' },
    })
    // A census is about nothing in particular: its operation stands for it.
    return { operation, id: operation }
  })
}
