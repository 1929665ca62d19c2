import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SCHEMA } from './schema.ts'

const VERSION = 5

/**
 * The durable state of one simulator: a SQLite database and a folder of layer files, both readable by the owner only
 * because the database holds CHAP secrets. Nothing is ever synced to the disk: the simulator promises to survive the
 * death of its process, for which the page cache is enough, not the loss of power.
 */
export class Store {
  readonly layersFolder: string
  /** Made with the data folder and kept for ever: the root of identities. */
  readonly instance: string
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #onCommit: (() => void)[] = []
  #onRollback: (() => void)[] = []
  #pretending = false

  /** Opens or makes the state in `folder`. Throws when another process has it open. */
  constructor(folder: string) {
    this.layersFolder = path.join(folder, 'layers')
    mkdirSync(this.layersFolder, { recursive: true, mode: 0o700 })
    const file = path.join(folder, 'state.db')
    this.#db = new DatabaseSync(file, { timeout: 0 })
    try {
      // Exclusive: a second simulator on the same folder fails here instead of corrupting the first one's world.
      this.#db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
      chmodSync(file, 0o600)
      this.#migrate()
      this.instance = this.#instance()
      this.#sweepLayers()
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  /** True while `pretend` runs: bytes must not be touched then. */
  get pretending(): boolean {
    return this.#pretending
  }

  /** Runs `run` in a transaction: everything it did is undone when it throws. Must not be nested. */
  transaction<Result>(run: () => Result): Result {
    this.#onCommit = []
    this.#onRollback = []
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = run()
      if (this.#pretending) this.#rollback()
      else this.#commit()
      return result
    } catch (error) {
      if (this.#db.isTransaction) this.#rollback()
      throw error
    }
  }

  /** As `transaction`, but undone in any case: the answer is that of a success which never was. */
  pretend<Result>(run: () => Result): Result {
    this.#pretending = true
    try {
      return this.transaction(run)
    } finally {
      this.#pretending = false
    }
  }

  /** Runs `effect` once the running transaction has been committed. */
  afterCommit(effect: () => void): void {
    this.#onCommit.push(effect)
  }

  /** Runs `effect` if the running transaction is undone. */
  afterRollback(effect: () => void): void {
    this.#onRollback.push(effect)
  }

  /** The first row, or `undefined`. `Row` must be the shape that `sql` selects. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the query's writer knows its shape
  one<Row>(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined // The caller names the shape of its own query.
  }

  /** All rows. `Row` must be the shape that `sql` selects. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the query's writer knows its shape
  all<Row>(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as unknown as readonly Row[] // The caller names the shape of its own query.
  }

  /** Runs a change; answers how many rows changed and the last row id. */
  run(sql: string, ...values: readonly SQLInputValue[]): { readonly changes: number; readonly id: number } {
    const result = this.#prepare(sql).run(...values)
    return { changes: Number(result.changes), id: Number(result.lastInsertRowid) }
  }

  /** Closes the database; the store is of no use afterwards. */
  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  #commit(): void {
    this.#db.exec('COMMIT')
    for (const effect of this.#onCommit) effect()
  }

  #rollback(): void {
    this.#db.exec('ROLLBACK')
    for (const effect of this.#onRollback) effect()
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #migrate(): void {
    const found = this.one<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0
    if (found === VERSION) return
    if (found !== 0) throw new Error(`the data folder was written by version ${found}, this is version ${VERSION}`)
    this.transaction(() => this.#db.exec(`${SCHEMA}; PRAGMA user_version = ${VERSION}`))
  }

  #instance(): string {
    this.run(`INSERT INTO meta VALUES ('instance', ?) ON CONFLICT DO NOTHING`, randomUUID())
    const row = this.one<{ value: string }>(`SELECT value FROM meta WHERE name = 'instance'`)
    if (!row) throw new Error('the data folder has no instance id')
    return row.value
  }

  /** A process that died between a file and its row leaves a file that no row names. */
  #sweepLayers(): void {
    const known = new Set(this.all<{ id: number }>('SELECT id FROM layers').map((row) => String(row.id)))
    for (const name of readdirSync(this.layersFolder)) {
      if (!known.has(name)) rmSync(path.join(this.layersFolder, name))
    }
  }
}
