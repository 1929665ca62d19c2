import { createHash } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import type { ArchiveRow, HostRow, MoverRow, PoolRow } from './generated/schema.ts'
import type { Store } from './store.ts'

/** What is registered with settings that may be secret. */
type RegisteredKind = 'pool' | 'host' | 'archive' | 'mover'

/** A pool, host, archive or mover as it was registered, secrets in clear: held in memory only. `version` changes whenever the rest does. */
export interface StoredRegistration {
  readonly id: string
  readonly plugin: string
  readonly url: string
  readonly settings: Readonly<Record<string, string>>
  readonly lost?: boolean
  readonly version: string
}

/** The secret settings of what is registered, by name, as its row keeps them: bound to that row. */
export function sealSettings(
  store: Store,
  of: { readonly kind: RegisteredKind; readonly id: string },
  secrets: Readonly<Record<string, string>>,
): Buffer {
  return store.seal(`${of.kind}:${of.id}`, JSON.stringify(secrets))
}

/** The registration that a pool's row holds. Throws when its secrets cannot be opened. */
export function poolRegistration(store: Store, row: PoolRow): StoredRegistration {
  return registration(store, { ...row, kind: 'pool', plugin: row.provider })
}

/** The registration that a host's row holds. Throws when its secrets cannot be opened. */
export function hostRegistration(store: Store, row: HostRow): StoredRegistration {
  return { ...registration(store, { ...row, kind: 'host' }), lost: row.lostAt !== null }
}

/** The registration that an archive's row holds. Throws when its secrets cannot be opened. */
export function archiveRegistration(store: Store, row: ArchiveRow): StoredRegistration {
  return registration(store, { ...row, kind: 'archive', plugin: row.provider })
}

/** The registration that a mover's row holds. Throws when its secrets cannot be opened. */
function moverRegistration(store: Store, row: MoverRow): StoredRegistration {
  return registration(store, { ...row, kind: 'mover', plugin: 'mover' })
}

/** The key of an archive as its row keeps it: bound to that row. `null` for one that is not encrypted. */
export function sealArchiveKey(store: Store, id: string, key: string | undefined): Buffer | null {
  return key === undefined ? null : store.seal(`archive-key:${id}`, key)
}

/** The key that opens an archive, in clear; `undefined` for one that is not encrypted. Throws when it cannot be opened. */
export function archiveKey(store: Store, { id, sealedKey }: ArchiveRow): string | undefined {
  return sealedKey === null ? undefined : store.unseal(`archive-key:${id}`, sealedKey)
}

/** Reads registrations by id. Throws `Refusal` `NOT_FOUND` for what is not registered, or no more. */
export function registrationLoader(store: Store): {
  pool(id: string): Promise<StoredRegistration>
  host(id: string): Promise<StoredRegistration>
} {
  const { reader } = store
  return {
    pool: async (id) => {
      const row = await reader
        .selectFrom('pool')
        .selectAll()
        .where('id', '=', id)
        .where('removedAt', 'is', null)
        .executeTakeFirst()
      if (!row) throw new Refusal('NOT_FOUND', `There is no storage pool ${id}`)
      return poolRegistration(store, row)
    },
    host: async (id) => {
      const row = await reader
        .selectFrom('host')
        .selectAll()
        .where('id', '=', id)
        .where('removedAt', 'is', null)
        .executeTakeFirst()
      if (!row) throw new Refusal('NOT_FOUND', `There is no host ${id}`)
      return hostRegistration(store, row)
    },
  }
}

/** Reads the registration of a mover. Throws `Refusal` `NOT_FOUND` for one that is not registered, or no more. */
export async function loadMover(store: Store, id: string): Promise<StoredRegistration> {
  const row = await store.reader
    .selectFrom('mover')
    .selectAll()
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .executeTakeFirst()
  if (!row) throw new Refusal('NOT_FOUND', `There is no mover ${id}`)
  return moverRegistration(store, row)
}

interface Stored {
  readonly kind: RegisteredKind
  readonly id: string
  readonly plugin: string
  readonly url: string
  readonly settings: unknown
  readonly sealedSettings: Buffer
}

/**
 * What was opened last of each row, by what opens it, which a store keeps when it is wrapped for a request: unsealing costs more than
 * all the rest of a placement. In memory only.
 */
const opened = new WeakMap<Store['unseal'], Map<string, Opened>>()

interface Opened {
  /** What it was made of: what is in the open, and what is sealed. */
  readonly of: string
  readonly sealed: Buffer
  readonly is: StoredRegistration
}

function registration(store: Store, row: Stored): StoredRegistration {
  const known = opened.get(store.unseal) ?? new Map<string, Opened>()
  const key = `${row.kind}:${row.id}`
  const of = JSON.stringify([row.plugin, row.url, row.settings])
  const last = known.get(key)
  if (last && last.of === of && last.sealed.equals(row.sealedSettings)) return last.is
  const is = unsealed(store, row)
  known.set(key, { of, sealed: row.sealedSettings, is })
  opened.set(store.unseal, known)
  return is
}

function unsealed(store: Store, row: Stored): StoredRegistration {
  const open = texts(row.settings)
  // Sealing draws a fresh nonce, so the sealed bytes change whenever secrets are stored anew.
  const version = createHash('sha1')
    .update(JSON.stringify([row.plugin, row.url, open]))
    .update(row.sealedSettings)
    .digest('base64')
  const secrets = texts(JSON.parse(store.unseal(`${row.kind}:${row.id}`, row.sealedSettings)))
  return { id: row.id, plugin: row.plugin, url: row.url, settings: { ...open, ...secrets }, version }
}

/** Settings as a row keeps them: an object of texts. Throws on anything else. */
export function texts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('stored settings are no object')
  const entries = Object.entries(value).map(([name, text]: readonly [string, unknown]) => {
    if (typeof text !== 'string') throw new TypeError(`stored setting ${name} is no text`)
    return [name, text] as const
  })
  return Object.fromEntries(entries)
}
