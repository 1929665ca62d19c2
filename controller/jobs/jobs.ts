import type { Submission } from './journal.ts'

/** What the rest of the controller may do with operations. */
export interface Jobs<Tx> {
  /**
   * Records the operation in the caller's transaction: it exists exactly when that commits. Idempotent on `id`. It is taken
   * up as soon as the transaction has committed, where that is one of the store's `transact`.
   */
  submit(tx: Tx, submission: Submission): Promise<void>
  /** Resolves once the operation has ended, whoever ran it, or after `timeoutMs`, or on `until`; answers whether it ended. */
  ended(operation: string, timeoutMs: number, options?: { readonly until?: AbortSignal }): Promise<boolean>
  /** Asks a running or waiting operation to stop and undo what it started. Idempotent; no effect on ended ones. */
  abort(operation: string): Promise<void>
  /** Lets a waiting attempt run now instead of at its time. Idempotent. */
  retry(operation: string): Promise<void>
}
