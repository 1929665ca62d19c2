import { randomInt } from 'node:crypto'
import type { AccessMode, Chap, HostId, Source } from '@moorage/contract'
import type { Database } from './database.ts'
import { outletName } from './names.ts'

/** Access of one consumer to one source as it is remembered. `withdrawing`: being taken back, never to return. */
export interface ExposureRecord {
  readonly source: Source
  readonly consumer: HostId
  readonly initiator: string
  readonly mode: AccessMode
  readonly account: string
  readonly owner: string
  readonly state: 'given' | 'withdrawing'
  /** Epoch milliseconds. */
  readonly createdAt: number
}

interface ExposureRow {
  readonly kind: Source['kind']
  readonly id: string
  readonly consumer: HostId
  readonly initiator: string
  readonly mode: AccessMode
  readonly account: string
  readonly owner: string
  readonly state: 'given' | 'withdrawing'
  readonly created_at: number
}

const LETTERS = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
/** RFC 3720 §8.2.1 asks for 96 bits where no IPsec runs; 16 of these letters hold 93, the most initiators accept. */
const SECRET_LETTERS = 16

/** Rows of exposures, outlets and CHAP accounts. Every method is one statement unless it says otherwise. */
export class Access {
  readonly #database: Database
  constructor(database: Database) {
    this.#database = database
  }

  exposures(source: Source): readonly ExposureRecord[] {
    const sql = 'SELECT * FROM exposures WHERE kind = ? AND id = ? ORDER BY created_at, consumer'
    return this.#database.all<ExposureRow>(sql, source.kind, source.id).map(exposureOf)
  }

  allExposures(): readonly ExposureRecord[] {
    return this.#database.all<ExposureRow>('SELECT * FROM exposures ORDER BY kind, id, created_at').map(exposureOf)
  }

  add(record: ExposureRecord): void {
    const { source, consumer, initiator, mode, account, owner, state, createdAt } = record
    const sql = 'INSERT INTO exposures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'
    this.#database.run(sql, source.kind, source.id, consumer, initiator, mode, account, owner, state, createdAt)
  }

  startWithdrawal(source: Source, consumer: HostId): void {
    const sql = "UPDATE exposures SET state = 'withdrawing' WHERE kind = ? AND id = ? AND consumer = ?"
    this.#database.run(sql, source.kind, source.id, consumer)
  }

  remove(source: Source, consumer: HostId): void {
    const sql = 'DELETE FROM exposures WHERE kind = ? AND id = ? AND consumer = ?'
    this.#database.run(sql, source.kind, source.id, consumer)
  }

  /** The target id of an outlet: the one it has, or the lowest that no outlet has and that is not in `taken`. */
  targetId(source: Source, mode: AccessMode, taken: ReadonlySet<number> = new Set()): number {
    const name = outletName(source, mode)
    const known = this.#database.one<{ tid: number }>('SELECT tid FROM outlets WHERE name = ?', name)
    if (known && !taken.has(known.tid)) return known.tid
    const rows = this.#database.all<{ tid: number }>('SELECT tid FROM outlets')
    const used = new Set([...rows.map(({ tid }) => tid), ...taken])
    let tid = 1
    while (used.has(tid)) tid += 1
    this.#database.run(
      'INSERT INTO outlets VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET tid = excluded.tid',
      name,
      tid,
    )
    return tid
  }

  removeOutlet(name: string): void {
    this.#database.run('DELETE FROM outlets WHERE name = ?', name)
  }

  /** The CHAP account of `account`, made at its first use. Accounts of different owners never mix. */
  chap(owner: string, account: string): Chap {
    const sql = 'SELECT user, secret FROM accounts WHERE owner = ? AND account = ?'
    const known = this.#database.one<Chap>(sql, owner, account)
    if (known) return { user: known.user, secret: known.secret }
    const chap = { user: `moorage-${letters(12)}`, secret: letters(SECRET_LETTERS) }
    this.#database.run('INSERT INTO accounts VALUES (?, ?, ?, ?)', owner, account, chap.user, chap.secret)
    return chap
  }
}

/** Letters and digits by chance, without those that people mix up. */
export function letters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join('')
}

function exposureOf(row: ExposureRow): ExposureRecord {
  const { kind, id, created_at: createdAt, ...rest } = row
  return { ...rest, createdAt, source: { kind, id } as Source } // Written by `add` from a source of the contract.
}
