import { Refusal } from '../domain/failures.ts'
import { codeOf } from '../store/transact.ts'

/** PostgreSQL's code for a row that a unique index does not let in. */
const UNIQUE_VIOLATION = '23505'

/**
 * Runs a transaction that has looked whether something is there and then adds it. When another one has added it between
 * the two, the unique index decides, and this is refused with `text` as it would have been a moment later.
 */
export async function unlessTaken<Result>(text: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (codeOf(error) === UNIQUE_VIOLATION) throw new Refusal('INVALID', text, { cause: error })
    throw error
  }
}
