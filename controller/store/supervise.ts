import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { withClusterLock } from './cluster-lock.ts'
import type { Address } from './connect.ts'
import { connectionConfig } from './connect.ts'
import type { StoreLog } from './log.ts'
import { CLUSTER_USER, ensureServer, socketDirectory, stopServer } from './postgres-server.ts'
import type { ClusterOptions, RunningServer } from './postgres-server.ts'
import { alive, SOCKET_PORT } from './postmaster.ts'
import { codeOf } from './transact.ts'

/** Our PostgreSQL server, watched. */
export interface SupervisedServer {
  readonly address: Address & { readonly host: string }
  /** Ends the server, unless another controller of this machine still uses it. */
  release(): Promise<'stopped' | 'left'>
}

const DATABASE = 'moorage'
const PRESENCE = 'presence'
const LOCK_MS = 180_000

/**
 * Starts or adopts the server of a cluster and keeps it up while the controller lives. One connection, the presence, stays
 * open: it tells other controllers that we use the server, and its end tells us that the server died.
 */
export async function supervise(
  options: ClusterOptions & { readonly name: string; readonly log: StoreLog },
): Promise<SupervisedServer> {
  const supervisor = new Supervisor(options)
  await supervisor.enter()
  return supervisor
}

class Supervisor implements SupervisedServer {
  readonly #options: ClusterOptions & { readonly name: string; readonly log: StoreLog }
  #server: RunningServer | undefined
  #presence: Client | undefined
  #closing = false
  #recovery: Promise<void> | undefined

  constructor(options: ClusterOptions & { readonly name: string; readonly log: StoreLog }) {
    this.#options = options
  }

  get address(): Address & { readonly host: string } {
    return { ...this.#at, database: DATABASE }
  }

  get #at(): { readonly host: string; readonly port: number; readonly user: string } {
    return { host: socketDirectory(this.#options.cluster), port: SOCKET_PORT, user: CLUSTER_USER }
  }

  enter(): Promise<void> {
    const { cluster, log } = this.#options
    return withClusterLock(dirname(cluster), { withinMs: LOCK_MS }, async () => {
      const server = await ensureServer(this.#options)
      this.#server = server
      log.info({ pid: server.pid, cluster }, `database server ${server.how}`)
      this.#presence = await this.#connectPresence()
    })
  }

  async #connectPresence(): Promise<Client> {
    const name = `${this.#options.name} ${PRESENCE}`
    const client = new Client({ ...connectionConfig({ ...this.#at, database: 'postgres' }, name), options: '' })
    // The reason does not matter: whatever ends the presence is looked into by starting the server again.
    client.on('error', () => {})
    await client.connect()
    await createDatabase(client)
    client.on('end', () => {
      if (!this.#closing) this.#recovery ??= this.#recover()
    })
    return client
  }

  async #recover(): Promise<void> {
    for (let wait = 100; !this.#closing; wait = Math.min(wait * 2, 10_000)) {
      this.#options.log.warn({ pid: this.#server?.pid }, 'the database server went away: starting it again')
      try {
        await this.enter()
        break
      } catch (error) {
        this.#options.log.error({ err: error }, 'the database server could not be started')
        await pause(wait)
      }
    }
    this.#recovery = undefined
  }

  async release(): Promise<'stopped' | 'left'> {
    this.#closing = true
    await this.#recovery
    return withClusterLock(dirname(this.#options.cluster), { withinMs: LOCK_MS }, async () => {
      const [server, presence] = [this.#server, this.#presence]
      if (!server || !presence) return 'left'
      const others = await otherPresences(presence)
      await presence.end()
      if (others > 0) return 'left'
      if (!alive(server.pid)) return 'stopped'
      await stopServer(server.pid)
      this.#options.log.info({ pid: server.pid }, 'database server stopped')
      return 'stopped'
    })
  }
}

async function createDatabase(client: Client): Promise<void> {
  const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE])
  if (found.rows.length > 0) return
  await client.query(`create database ${DATABASE}`)
}

/** Other controllers on this server; none when it does not answer any more. */
async function otherPresences(presence: Client): Promise<number> {
  try {
    const { rows } = await presence.query<{ count: number }>(
      `select count(*) from pg_stat_activity where application_name like 'moorage % ${PRESENCE}' and pid <> pg_backend_pid()`,
    )
    return rows[0]?.count ?? 0
  } catch (error) {
    if (codeOf(error)?.startsWith('42')) throw error
    return 0
  }
}
