import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Address } from './connect.ts'
import { connect } from './connect.ts'
import { openInstallation } from './installation.ts'
import type { StoreLog } from './log.ts'
import { migrate } from './migrate.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { createSealer } from './secrets.ts'
import type { Reader, Store } from './store.ts'
import { supervise } from './supervise.ts'
import { codeOf, transact } from './transact.ts'

/** How to open the store. */
export interface OpenOptions {
  /** An existing database: nothing is started then. Its name and rights are the operator's business. */
  readonly url?: string | undefined
  /** Holds `postgres/`, the supervised cluster, when there is no `url`. */
  readonly dataDir: string
  /** 32 bytes; the same on every controller of an installation. */
  readonly masterKey: Buffer
  readonly log: StoreLog
  /** Connections kept at most; 20 unless told. */
  readonly connections?: number
  /** `false` in tests only: no fsync. */
  readonly durable?: boolean
  /** PostgreSQL programs to use instead of what the machine offers. */
  readonly binaries?: readonly PostgresBinaries[]
}

/** A store that knows what it belongs to and where it is. */
export interface OpenedStore extends Store {
  /** Id of the installation: the ownership mark on back ends. */
  readonly installation: string
  /** Where the database is, for a connection of one's own (LISTEN). */
  readonly address: Address
  /** Connections of this process, and requests that wait for one: for metrics. */
  connections(): { readonly total: number; readonly idle: number; readonly waiting: number }
}

/**
 * Opens the database: the one at `url`, else a PostgreSQL server of our own under `dataDir`, started or, after a
 * controller crash, adopted. Brings the schema forward and proves the master key. `close` ends our server unless
 * another controller uses it. Throws when it cannot, and leaves no server running that it started.
 */
export async function openStore(options: OpenOptions): Promise<OpenedStore> {
  if (options.url !== undefined && !/^postgres(ql)?:\/\//.test(options.url)) {
    throw new Error('MOORAGE_DATABASE_URL: must be postgres://USER:PASSWORD@HOST:PORT/DATABASE')
  }
  const name = `moorage ${process.pid} ${randomBytes(4).toString('hex')}`
  const server =
    options.url === undefined
      ? await supervise({
          cluster: join(options.dataDir, 'postgres'),
          durable: options.durable ?? true,
          ...(options.binaries ? { binaries: options.binaries } : {}),
          name,
          log: options.log,
        })
      : undefined
  const address: Address = server?.address ?? { connectionString: options.url ?? '' }
  const sealer = createSealer(options.masterKey)
  const failed = (error: Error) => options.log.warn({ err: error }, 'a database connection broke')
  const { reader, pool } = connect(address, { name, connections: options.connections ?? 20, failed })
  const close = async () => {
    await reader.destroy()
    await server?.release()
  }
  try {
    if (options.url !== undefined) await answers(reader)
    await migrate(reader)
    const installation = await openInstallation(reader, sealer)
    return {
      reader,
      transact: (work) => transact(reader, work),
      seal: sealer.seal,
      unseal: sealer.unseal,
      mac: sealer.mac,
      close,
      installation,
      address,
      connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Says what is wrong in the operator's words: what `pg` throws names neither the setting nor, at times, the server. */
async function answers(reader: Reader): Promise<void> {
  try {
    await sql`select 1`.execute(reader)
  } catch (error) {
    const why = error instanceof Error ? error.message || codeOf(error) : String(error)
    throw new Error(`MOORAGE_DATABASE_URL: the database cannot be used: ${why}`, { cause: error })
  }
}
