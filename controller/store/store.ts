import type { Kysely, Transaction } from 'kysely'
import type { Database } from './generated/schema.ts'

/** A transaction in progress. Everything it did is retried as a whole on serialization failures (40001, 40P01). */
export type Tx = Transaction<Database>
/** For reads that need no transaction; a `Tx` is accepted wherever a `Reader` is. */
export type Reader = Kysely<Database>

/** The database, opened. */
export interface Store {
  readonly reader: Reader
  /**
   * The one transaction helper: runs `work`, commits, and repeats it with jitter when the database says that it could not
   * be serialized. `work` may run several times and touches nothing but the database.
   */
  transact<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>
  /** Seals a secret with AES-256-GCM; `context` (table and row) is authenticated, so that a value cannot move to another row. */
  seal(context: string, clear: string): Buffer
  /** Opens what `seal` made with the same context; throws on anything else. */
  unseal(context: string, sealed: Buffer): string
  /** 32 bytes that prove that who made them has the master key; `context` keeps uses apart. */
  mac(context: string, text: string): Buffer
  close(): Promise<void>
}
