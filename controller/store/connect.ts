import { Kysely } from 'kysely'
import { Pool, types } from 'pg'
import type { ClientConfig } from 'pg'
import type { Database } from './generated/schema.ts'
import { NamingDialect, names } from './names.ts'
import { preparing } from './prepared.ts'
import type { Reader } from './store.ts'

/** Where a database is, for `pg`. */
export type Address =
  | { readonly connectionString: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

/** Object ids in `pg_type` of the types that are parsed otherwise than `pg` does: int8, numeric. */
const READ_AS_NUMBER: ReadonlySet<number> = new Set([20, 1700])

/**
 * Settings of every connection. A transaction that its controller left open (paused, or cut off) is ended by the server
 * after 5 s, so that its row locks do not outlive the leases; nobody waits for a row lock longer than 10 s.
 */
export function connectionConfig(address: Address, name: string): ClientConfig {
  const isolation = process.env['MOORAGE_TEST_ISOLATION']
  return {
    ...address,
    ...('host' in address ? { ssl: false } : {}),
    application_name: name,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    idle_in_transaction_session_timeout: 5_000,
    lock_timeout: 10_000,
    ...(isolation ? { options: `-c default_transaction_isolation=${isolation.replaceAll(' ', '\\ ')}` } : {}),
    types: { getTypeParser },
  }
}

/** Bytes, operations and counts stay below 2^53, so bigint and the numeric that sums of bigint yield are read as numbers. */
function getTypeParser(
  ...[oid, format]: Parameters<typeof types.getTypeParser>
): ReturnType<typeof types.getTypeParser> {
  if (READ_AS_NUMBER.has(oid) && format !== 'binary') return Number
  return types.getTypeParser(oid, format)
}

/** A pool of connections behind Kysely. `failed` hears of idle connections that broke: the pool replaces them. */
export function connect(
  address: Address,
  options: { readonly name: string; readonly connections: number; readonly failed: (error: Error) => void },
): { readonly reader: Reader; readonly pool: Pool } {
  const pool = new Pool({
    ...connectionConfig(address, options.name),
    max: options.connections,
    // Statements do not wait for the answers of those before them; see `pipelined`.
    pipeline: true,
    idleTimeoutMillis: 30_000,
  })
  pool.on('error', options.failed)
  // The pool listens while a connection is idle only: the end of one that breaks between two statements of a transaction
  // would be an unhandled error, which ends the process. Its next statement fails instead, and so does the transaction.
  pool.on('connect', (client) => client.on('error', () => {}))
  const reader = new Kysely<Database>({
    dialect: new NamingDialect({ pool: preparing(pool) }),
    plugins: [names],
  })
  return { reader, pool }
}
