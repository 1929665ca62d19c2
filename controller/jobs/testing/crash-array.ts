import { DatabaseSync } from 'node:sqlite'
import { PluginError } from '@moorage/contract'

/** What the array of the crash test holds and what it saw, in a file of its own that survives every process. */
export interface CrashArray {
  /** Makes an object for an operation; making it again changes nothing. Fenced per volume. */
  make(call: {
    readonly operation: string
    readonly volume: string
    readonly part: string
    readonly fence: number
  }): void
  /** Removes it; removing what is not there succeeds. Fenced per volume. */
  remove(call: {
    readonly operation: string
    readonly volume: string
    readonly part: string
    readonly fence: number
  }): void
  objects(): readonly { readonly operation: string; readonly part: string }[]
  /** Every accepted call in order. */
  history(): readonly {
    readonly operation: string
    readonly volume: string
    readonly what: string
    readonly part: string
  }[]
  /** Calls refused because a higher fence had been there. */
  refused(): number
  close(): void
}

const TABLES = `
  pragma journal_mode = wal;
  create table if not exists object (operation text, part text, primary key (operation, part)) without rowid;
  create table if not exists fence (volume text primary key, highest integer not null);
  create table if not exists history (seq integer primary key, operation text, volume text, what text, part text);
  create table if not exists refused (seq integer primary key);`

/** Opens the file, or makes it. Every call is one transaction, as an array's would be. */
export function openCrashArray(path: string): CrashArray {
  const db = new DatabaseSync(path, { timeout: 20_000 })
  db.exec(TABLES)
  const change = (
    what: 'make' | 'remove',
    { operation, volume, part, fence }: { operation: string; volume: string; part: string; fence: number },
  ): void => {
    db.exec('begin immediate')
    try {
      const row = db.prepare('select highest from fence where volume = ?').get(volume)
      const fenced = Number(row?.['highest'] ?? 0) > fence
      if (fenced) db.exec('insert into refused default values')
      else {
        db.prepare('insert into fence values (?, ?) on conflict (volume) do update set highest = ?').run(
          volume,
          fence,
          fence,
        )
        const statement =
          what === 'make'
            ? 'insert or ignore into object values (?, ?)'
            : 'delete from object where operation = ? and part = ?'
        db.prepare(statement).run(operation, part)
        db.prepare('insert into history (operation, volume, what, part) values (?, ?, ?, ?)').run(
          operation,
          volume,
          what,
          part,
        )
      }
      db.exec('commit')
      if (fenced) throw new PluginError('FENCED', `fence ${fence} of ${volume} is in the past`, 'none')
    } catch (error) {
      if (db.isTransaction) db.exec('rollback')
      throw error
    }
  }
  const rows = (query: string): readonly Record<string, string>[] =>
    // Every column of these tables that is read is text.
    db.prepare(query).all() as Record<string, string>[]
  const text = (row: Record<string, string>, name: string): string => row[name] ?? ''
  return {
    make: (call) => change('make', call),
    remove: (call) => change('remove', call),
    objects: () =>
      rows('select operation, part from object').map((row) => ({
        operation: text(row, 'operation'),
        part: text(row, 'part'),
      })),
    history: () =>
      rows('select operation, volume, what, part from history order by seq').map((row) => ({
        operation: text(row, 'operation'),
        volume: text(row, 'volume'),
        what: text(row, 'what'),
        part: text(row, 'part'),
      })),
    refused: () => rows('select seq from refused').length,
    close: () => db.close(),
  }
}

/** What a device takes to hear of a call or to answer it: up to 8 ms. */
export function latency(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  setTimeout(resolve, Math.random() * 8)
  return promise
}
