import type { AccessMode, Consumer, HostId, Source } from '@moorage/contract'
import { writeFile } from 'node:fs/promises'
import { refuse, textOf } from '@moorage/files'
import { appear } from './durable.ts'

/** Access of one consumer to a source. */
export interface Access {
  readonly mode: AccessMode
  readonly account: string
  readonly initiator: string
  readonly kind: Consumer['kind']
}

/**
 * What is remembered of a volume or a snapshot beside its bytes, also when it is gone or never was: the highest fence. The
 * rest tells how it was asked for, and counts only while its file is there.
 */
export interface ObjectRecord {
  readonly fence: number
  /** Bytes that a volume was asked with, rounded up; it may have grown since. */
  readonly askedBytes?: number
  /** That all of a volume's space is taken ahead; absent: when it is written. */
  readonly preallocation?: 'full'
  /** What a volume is a clone of. */
  readonly origin?: Source
  /** The volume that a snapshot is of. */
  readonly volume?: string
  /** Epoch milliseconds: when it was made, for a snapshot its point in time. */
  readonly createdAt?: number
  readonly accesses: Readonly<Record<HostId, Access>>
}

const NOTHING: ObjectRecord = { fence: -1, accesses: {} }

/** The record of an object; of one that was never heard of, an empty one that any call may follow. */
export async function recordAt(path: string): Promise<ObjectRecord> {
  const text = await textOf(path)
  return text === undefined ? NOTHING : (JSON.parse(text) as ObjectRecord) // Only `writeRecord` makes these files.
}

/** Replaces a record: on disk when it resolves. */
export async function writeRecord(path: string, record: ObjectRecord): Promise<void> {
  await appear(path, (draft) => writeFile(draft, JSON.stringify(record), { mode: 0o600 }))
}

/**
 * The record after a call with that fence; on disk before anything else happens, also when the call is refused for another
 * reason later: that somebody took over is a fact of its own. Throws `FENCED`, effect `none`.
 */
export async function claim(path: string, fence: number, what: string): Promise<ObjectRecord> {
  const record = await recordAt(path)
  if (fence < record.fence) {
    throw refuse('FENCED', `${what} was taken over: fence ${fence} is below ${record.fence}`)
  }
  if (fence === record.fence) return record
  const claimed = { ...record, fence }
  await writeRecord(path, claimed)
  return claimed
}
