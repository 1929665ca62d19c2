import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { Client } from 'pg'
import { withClusterLock } from './cluster-lock.ts'
import { connect } from './connect.ts'
import { migrate, migrations } from './migrate.ts'
import type { OpenedStore } from './open.ts'
import { openStore } from './open.ts'
import { CLUSTER_USER, ensureServer } from './postgres-server.ts'
import { SOCKET_PORT } from './postmaster.ts'

/** A store on a database of its own. `close` drops the database. */
export interface TestStore extends OpenedStore {
  /** For processes that a test starts: `MOORAGE_DATABASE_URL`. */
  readonly url: string
}

/** The master key of every test store. */
export const TEST_MASTER_KEY = Buffer.alloc(32, 7)

/** Named after the migrations in it, so that an edit while tests run makes a new one. */
function templateName(): string {
  const texts = migrations().map(({ checksum }) => checksum)
  return `template_${createHash('sha256').update(texts.join()).digest('hex').slice(0, 16)}`
}
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/**
 * A fresh, migrated database, in some 100 ms; the second argument of `beforeAll` is never needed. One PostgreSQL server
 * without fsync serves all files of a test run; a watcher ends it and removes its files when the run ends, however it
 * ends. With `MOORAGE_TEST_ISOLATION=serializable` every transaction is serializable. Close it in `afterAll`.
 */
export async function testStore(): Promise<TestStore> {
  const { url, drop } = await testDatabase()
  const store = await openStore({ url, dataDir: '', masterKey: TEST_MASTER_KEY, log: SILENT, connections: 10 })
  return {
    ...store,
    url,
    close: async () => {
      await store.close()
      await drop()
    },
  }
}

/** As `testStore`, without opening it; `empty` leaves out the schema. */
export async function testDatabase(
  options: { readonly empty?: boolean } = {},
): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  server ??= startServer()
  const { cluster } = await server
  const template = options.empty ? 'template0' : await ensureTemplate(await server)
  const name = `test_${randomBytes(6).toString('hex')}`
  await administer(cluster, `create database ${name} template ${template}`)
  return { url: urlOf(cluster, name), drop: () => administer(cluster, `drop database ${name} with (force)`) }
}

interface TestServer {
  readonly dir: string
  readonly cluster: string
}

let server: Promise<TestServer> | undefined
const templates = new Map<string, Promise<string>>()

function urlOf(cluster: string, database: string): string {
  return `postgres://${CLUSTER_USER}@localhost:${SOCKET_PORT}/${database}?host=${encodeURIComponent(cluster)}`
}

async function administer(cluster: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: urlOf(cluster, 'postgres'), ssl: false })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** The directory is named after the process that the run hangs on, so that all its workers find the same server. */
function startServer(): Promise<TestServer> {
  const owner = isMainThread ? process.ppid : process.pid
  const dir = join(tmpdir(), `moorage-test-${owner}-${startTime(owner)}`)
  const cluster = join(dir, 'pg')
  return withClusterLock(dir, { withinMs: 60_000 }, async () => {
    const running = await ensureServer({ cluster, durable: false })
    if (running.how === 'started') watch({ owner, postmaster: running.pid, dir })
    return { dir, cluster }
  })
}

/** Clock ticks since boot when a process began: with its id, that is one process for ever. */
function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function ensureTemplate({ dir, cluster }: TestServer): Promise<string> {
  const name = templateName()
  const made =
    templates.get(name) ??
    withClusterLock(dir, { withinMs: 60_000 }, () => makeTemplate(cluster, name).then(() => name))
  templates.set(name, made)
  return made
}

async function makeTemplate(cluster: string, name: string): Promise<void> {
  const client = new Client({ connectionString: urlOf(cluster, 'postgres'), ssl: false })
  await client.connect()
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [name])
    if (found.rows.length > 0) return
    const draft = `${name}_draft`
    await client.query(`drop database if exists ${draft} with (force)`)
    await client.query(`create database ${draft} template template0`)
    const address = { connectionString: urlOf(cluster, draft) }
    const { reader } = connect(address, { name: 'moorage test template', connections: 1, failed: () => {} })
    try {
      await migrate(reader)
    } finally {
      await reader.destroy()
    }
    await client.query(`alter database ${draft} rename to ${name}`)
  } finally {
    await client.end()
  }
}

/** Ends the server once its owner is gone; proves by its working directory that the process is the server still. */
function watch(run: { readonly owner: number; readonly postmaster: number; readonly dir: string }): void {
  const script = `
    tail -s 0.1 --pid="$1" -f /dev/null
    if [ "$(readlink "/proc/$2/cwd")" = "$3/pg" ]; then
      kill -INT "$2"
      tail -s 0.1 --pid="$2" -f /dev/null
    fi
    rm -rf "$3"`
  const args = ['-c', script, 'moorage-test-watcher', String(run.owner), String(run.postmaster), run.dir]
  spawn('/bin/sh', args, { detached: true, stdio: 'ignore', cwd: '/' }).unref()
}
