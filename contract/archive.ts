import type { Call, Page } from './call.ts'
import type { Endpoint, SettingSpec } from './settings.ts'

/** What a vendor ships for one kind of archive (secondary storage). Opened once per registered store. */
export interface ArchivePlugin {
  readonly kind: 'archive'
  /** Name in `listStorageProviders` and `addImageStore provider=`. */
  readonly name: string
  readonly title: string
  /** Version of the contract it was written for. */
  readonly contract: 1
  /** URL schemes it answers to, without colon. */
  readonly schemes: readonly string[]
  readonly settings: readonly SettingSpec[]
  /** Makes a store bound to one endpoint. No I/O; throws `INVALID` naming the setting that is wrong. */
  open(endpoint: Endpoint): ArchiveStore
}

/** Limits of a store as data. */
export interface ArchiveLimits {
  /** The largest object that one `put` may store. */
  readonly maxObjectBytes: number
  /** Bytes of the longest key; 200 at least. */
  readonly maxKeyBytes: number
}

/** What a probe found out by trying, not by asking. */
export interface ArchiveReport {
  /** Stable identity of the store: two registrations with the same identity are the same store. */
  readonly identity: string
  /**
   * What the back end does with two writers of one key: `atomic`: exactly one wins and the other is told. `none`: the
   * last one wins silently, so that only keys that name their content may be written by more than one writer.
   */
  readonly conditionalPut: 'atomic' | 'none'
  /** Whether a listing shows an object as soon as its `put` was answered. */
  readonly listing: 'strong' | 'eventual'
  /** Absent where the back end does not tell. */
  readonly totalBytes?: number
  readonly usedBytes?: number
  readonly version?: string
}

/** An object as a listing shows it. */
export interface ArchiveObject {
  readonly key: string
  readonly bytes: number
  /** Epoch milliseconds of the last write, by the clock of the back end. */
  readonly writtenAt: number
}

/** A run of an object's bytes. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/**
 * An archive: objects under keys, written whole, never changed in place. A key that `archiveKeyFault` finds fault with is
 * refused as `INVALID`, or as `LIMIT` where it is too long. Nobody stores both `a` and `a/b`: a store may refuse the second
 * as `CONFLICT`. The installation's objects lie below a prefix of its own only if its settings say so: a store may be shared.
 *
 * No fences: what a call has begun whose time is up may still come about, for as long as the back end takes.
 */
export interface ArchiveStore {
  readonly limits: ArchiveLimits
  /**
   * Proves address and credentials, and what the back end keeps, with an object of its own that it removes. The first
   * probe of all makes the store; until then, and where it is not the store that it was, the others answer `UNAVAILABLE`.
   */
  probe(call: Call): Promise<ArchiveReport>
  /**
   * Stores the object whole or not at all: durable, and complete to every reader, once answered `stored`. `present`: an
   * object was there already and is as it was; where `conditionalPut` is `none` a race may be answered `stored` twice.
   * Throws `NO_SPACE`, `LIMIT`, `DENIED`, `UNAVAILABLE`, `TIMEOUT`; after effect `possible`, ask again.
   */
  put(key: string, body: Uint8Array, call: Call): Promise<'stored' | 'present'>
  /**
   * The object, or the run of it; `undefined` when there is none. A run beyond the end is cut to what is there. Never
   * fewer bytes than the object or the run has: a cut body is `UNAVAILABLE`.
   */
  get(key: string, range: ByteRange | undefined, call: Call): Promise<Uint8Array | undefined>
  /** What is there; `undefined` when nothing is. */
  stat(key: string, call: Call): Promise<ArchiveObject | undefined>
  /** All objects whose key starts with the prefix, in the byte order of their keys. The cursor is the last key seen. */
  list(prefix: string, cursor: string | undefined, call: Call): Promise<Page<ArchiveObject>>
  /** Removing what is not there succeeds. */
  delete(key: string, call: Call): Promise<void>
}

/**
 * What is wrong with a key; `undefined` when nothing is. Keys are relative: parts of lower-case letters, digits, `-`, `_` and
 * `.`, that do not begin with `.`, joined by `/`. What a store keeps for itself may begin with `.`.
 */
export function archiveKeyFault(key: string): string | undefined {
  const fault = key.split('/').find((part) => !KEY_PART.test(part))
  return fault === undefined ? undefined : `key: ${JSON.stringify(fault.slice(0, 80))} is no part of a key`
}

const KEY_PART = /^[a-z0-9_-][a-z0-9._-]*$/
