import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Database } from './generated/schema.ts'
import type { Reader } from './store.ts'

/** Where a database is, for `pg`. */
export type Address =
  | { readonly connectionString: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

/** Types of `pg_type` that are parsed otherwise than `pg` does. */
const INT8 = 20
const NUMERIC = 1700

/**
 * Settings of every connection. A transaction that its controller left open (paused, or cut off) is ended by the server
 * after 15 s, so that its row locks do not outlive the leases.
 */
export function connectionConfig(address: Address, name: string): pg.ClientConfig {
  const isolation = process.env['MOORAGE_TEST_ISOLATION']
  return {
    ...address,
    ...('host' in address ? { ssl: false } : {}),
    application_name: name,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    idle_in_transaction_session_timeout: 15_000,
    ...(isolation ? { options: `-c default_transaction_isolation=${isolation}` } : {}),
    types: { getTypeParser },
  }
}

/** Bytes, operations and counts stay below 2^53, so bigint and the numeric that sums of bigint yield are read as numbers. */
function getTypeParser(
  ...[oid, format]: Parameters<typeof pg.types.getTypeParser>
): ReturnType<typeof pg.types.getTypeParser> {
  if ((oid === INT8 || oid === NUMERIC) && format !== 'binary') return Number
  return pg.types.getTypeParser(oid, format)
}

/** A pool of connections behind Kysely. `failed` hears of idle connections that broke: the pool replaces them. */
export function connect(
  address: Address,
  options: { readonly name: string; readonly connections: number; readonly failed: (error: Error) => void },
): { readonly reader: Reader; readonly pool: pg.Pool } {
  const pool = new pg.Pool({
    ...connectionConfig(address, options.name),
    max: options.connections,
    idleTimeoutMillis: 30_000,
  })
  pool.on('error', options.failed)
  const reader = new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  })
  return { reader, pool }
}
