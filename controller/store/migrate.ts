import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Reader, Tx } from './store.ts'
import { codeOf, transact } from './transact.ts'

/** One step of the schema: a file `NNNN-name.sql`, never changed once it has been released. */
export interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file. */
  readonly checksum: string
}

const DIRECTORY = join(import.meta.dirname, 'migrations')

/** The migrations that this release brings, in order, without gaps. */
export function migrations(): readonly Migration[] {
  const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.sql'))
  return files.sort().map((name, index) => {
    const number = Number.parseInt(name, 10)
    if (number !== index + 1) throw new Error(`migration ${name} should have number ${index + 1}`)
    const text = readFileSync(join(DIRECTORY, name), 'utf8')
    return { number, name, sql: text, checksum: createHash('sha256').update(text).digest('hex') }
  })
}

/**
 * Brings the schema forward, one transaction per migration. Safe for controllers that start at once: each takes the row
 * of `migration_lock`. Throws, and changes nothing, when an applied migration is not the one that this release knows, or
 * when the database was migrated by a newer release.
 */
export async function migrate(reader: Reader): Promise<void> {
  await prepare(reader)
  const known = migrations()
  while (await applyNext(reader, known)) continue
}

async function prepare(reader: Reader): Promise<void> {
  try {
    await transact(reader, async (tx) => {
      await sql`create table if not exists migration (
        number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now()
      )`.execute(tx)
      await sql`create table if not exists migration_lock (one boolean primary key default true check (one))`.execute(
        tx,
      )
      await sql`insert into migration_lock values (true) on conflict do nothing`.execute(tx)
    })
  } catch (error) {
    // `if not exists` does not keep two starters from colliding in the catalogue; the tables are there then.
    if (!['23505', '42P07', '42710'].includes(codeOf(error) ?? '')) throw error
    await prepare(reader)
  }
}

/** Answers whether there was something to apply. */
function applyNext(reader: Reader, known: readonly Migration[]): Promise<boolean> {
  return transact(reader, async (tx) => {
    // Another starter may be at a long migration.
    await sql`set local lock_timeout = 0`.execute(tx)
    // A write, not only a lock: a serializable transaction that waited for it is repeated and sees what was done.
    await sql`update migration_lock set one = true`.execute(tx)
    const applied = await verified(tx, known)
    const next = known[applied]
    if (!next) return false
    await sql.raw(next.sql).execute(tx)
    await sql`insert into migration (number, name, checksum) values (${next.number}, ${next.name}, ${next.checksum})`.execute(
      tx,
    )
    return true
  })
}

/** How many migrations stand; throws when they are not the known ones. */
async function verified(tx: Tx, known: readonly Migration[]): Promise<number> {
  const { rows } = await sql<{ number: number; name: string; checksum: string }>`
    select number, name, checksum from migration order by number`.execute(tx)
  for (const row of rows) {
    const same = known[row.number - 1]
    if (!same)
      throw new Error(`the database has migration ${row.name}, which this release does not know: use a newer one`)
    if (same.checksum !== row.checksum) {
      throw new Error(
        `migration ${row.name} was applied from another text than this release has: the schema is not known`,
      )
    }
  }
  return rows.length
}
