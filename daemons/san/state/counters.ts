import type { VolumeId } from '@moorage/contract'
import type { Database } from './database.ts'

/** I/O that was done: operations and bytes. */
export interface Counted {
  readonly readOps: number
  readonly writeOps: number
  readonly readBytes: number
  readonly writeBytes: number
}

/** Nothing counted. */
export const NOTHING: Counted = { readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0 }

/** The sum of two. */
export function plus(one: Counted, other: Counted): Counted {
  return {
    readOps: one.readOps + other.readOps,
    writeOps: one.writeOps + other.writeOps,
    readBytes: one.readBytes + other.readBytes,
    writeBytes: one.writeBytes + other.writeBytes,
  }
}

/** Workers of one outlet, which count until they are gone. */
export interface Tap {
  readonly outlet: string
  readonly volume: VolumeId
  /** Which tgtd they belong to: counters of another are worth nothing. */
  readonly tgtd: string
  /** Thread ids. */
  readonly threads: readonly number[]
  /** What was last read from them. */
  readonly seen: Counted
}

interface TapRow {
  readonly outlet: string
  readonly volume: VolumeId
  readonly tgtd: string
  readonly threads: string
  readonly seen: string
}

/** Rows of counters and taps. */
export class CounterRows {
  readonly #database: Database
  constructor(database: Database) {
    this.#database = database
  }

  /** What was counted by workers that are gone. */
  counted(volume: VolumeId): Counted {
    const row = this.#database.one<{ counted: string }>('SELECT counted FROM counters WHERE volume = ?', volume)
    return row ? (JSON.parse(row.counted) as Counted) : NOTHING // Written by `end`.
  }

  taps(): readonly Tap[] {
    return this.#database.all<TapRow>('SELECT * FROM taps').map(({ threads, seen, ...rest }) => ({
      ...rest,
      threads: JSON.parse(threads) as readonly number[], // Written by `save`.
      seen: JSON.parse(seen) as Counted, // Written by `save`.
    }))
  }

  /** Remembers taps with what was last read from them, in one transaction. */
  save(taps: readonly Tap[]): void {
    const sql = 'INSERT OR REPLACE INTO taps VALUES (?, ?, ?, ?, ?)'
    this.#database.transaction(() => {
      for (const { outlet, volume, tgtd, threads, seen } of taps) {
        this.#database.run(sql, outlet, volume, tgtd, JSON.stringify(threads), JSON.stringify(seen))
      }
    })
  }

  /** Adds what a tap has seen to its volume, and forgets the tap, in one transaction. */
  end(tap: Tap): void {
    this.#database.transaction(() => {
      if (this.#database.run('DELETE FROM taps WHERE outlet = ?', tap.outlet) === 0) return
      const sum = plus(this.counted(tap.volume), tap.seen)
      this.#database.run('INSERT OR REPLACE INTO counters VALUES (?, ?)', tap.volume, JSON.stringify(sum))
    })
  }
}
