import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SCHEMA } from './schema.ts'

/**
 * The durable memory of one SAN: SQLite with a write-ahead log and `synchronous=FULL`, so that what was committed
 * survives the machine. The file holds CHAP secrets and has mode 0600, which SQLite gives to its side files too.
 */
export class Database {
  readonly #sqlite: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** Opens or makes the file. Throws when another process holds it: the lock goes with its holder, however that dies. */
  constructor(path: string) {
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
    this.#sqlite = new DatabaseSync(path)
    this.#sqlite.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL')
    this.transaction(() => this.#sqlite.exec(SCHEMA))
  }

  /** The first row, or `undefined`. `Row` is the caller's claim; tables are STRICT and written by this package alone. */
  one<Row>(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined // See the doc comment.
  }

  /** All rows. `Row` is the caller's claim. */
  all<Row>(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as readonly unknown[] as readonly Row[] // See the doc comment of `one`.
  }

  /** Changes rows; returns how many. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  /** Commits what `work` does as a whole, or nothing of it when it throws. Not to be nested. */
  transaction<Result>(work: () => Result): Result {
    this.#sqlite.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#sqlite.exec('COMMIT')
      return result
    } catch (error) {
      this.#sqlite.exec('ROLLBACK')
      throw error
    }
  }

  /** Ends the session; nothing may be called afterwards. */
  close(): void {
    this.#statements.clear()
    this.#sqlite.close()
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#sqlite.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}
