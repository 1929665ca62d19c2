import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import type { HostId } from '@moorage/contract'
import { textOf, writeDurably } from '@moorage/files'
import { wireServer } from '@moorage/wire'
import type { Logger } from 'pino'
import { Fences } from './fences.ts'
import { Jobs } from './jobs.ts'
import { JobRecords } from './records.ts'
import { moverMethods } from './service.ts'

/** What `main.ts` is called with. */
export interface ServeOptions {
  /** Data directory; made when missing. */
  readonly data: string
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** JSON file `{ "user": ..., "password": ... }`, readable by its owner only. */
  readonly credentials: string
  /** iSCSI name under which the mover logs in. */
  readonly initiator: string
  readonly log: Logger
}

/** A daemon that listens. */
export interface ServedMover {
  readonly url: string
  /** Stops the daemon; its jobs are paused. */
  close(): Promise<void>
}

/**
 * Listens, then writes `ready.json` (pid, url) into the data directory. Rejects with a plain message when an option is wrong
 * or another daemon holds the directory. Jobs that were running are paused until somebody asks again.
 */
export async function serveMover(options: ServeOptions): Promise<ServedMover> {
  const { log, initiator } = options
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(options.listen) ?? []
  if (host === undefined) throw new Error(`--listen ${options.listen} must read HOST:PORT`)
  const credentials = await readCredentials(options.credentials)
  await mkdir(options.data, { recursive: true, mode: 0o700 })
  const data = await realpath(options.data)
  const lock = await lockDirectory(data)
  const id = await identityIn(data)
  const paths = { footers: join(data, 'footers'), spools: join(data, 'spools') }
  const jobs = await Jobs.open(await JobRecords.open(join(data, 'jobs')), { log, ...paths })
  const fences = await Fences.open(join(data, 'fences'))
  const server = wireServer({
    methods: moverMethods({ jobs, fences, identity: { id, initiator, version: packageVersion() } }),
    ...credentials,
    onCall: ({ method, key, ms, failure }) => {
      if (failure) log.warn({ method, key, ms, code: failure.code, effect: failure.effect }, failure.message)
      else log.debug({ method, key, ms }, 'call')
    },
    onBug: (error) => log.error({ err: error }, 'bug'),
  })
  const url = await server.listen({ host, port: Number(port) })
  const ready = join(data, 'ready.json')
  await writeDurably(ready, JSON.stringify({ pid: process.pid, url }))
  log.info({ url, data }, 'listening')
  return {
    url,
    close: async () => {
      await rm(ready, { force: true })
      await server.close()
      await jobs.close()
      await fences.close()
      lock.close()
    },
  }
}

/** Who this mover is, from its first start on. */
async function identityIn(data: string): Promise<HostId> {
  const path = join(data, 'identity')
  const known = await textOf(path)
  if (known === undefined) await writeDurably(path, randomUUID())
  return (known ?? (await readFile(path, 'utf8'))) as HostId // A UUID that we wrote.
}

function packageVersion(): string {
  const text = readFileSync(new URL('package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version // Our own package.json.
}

async function readCredentials(path: string): Promise<{ readonly user: string; readonly password: string }> {
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0) throw new Error(`--credentials ${path} must be readable by its owner only (chmod 600)`)
  const value: unknown = JSON.parse(await readFile(path, 'utf8'))
  const { user, password } = { user: undefined, password: undefined, ...Object(value) } as Record<string, unknown> // Fields of any JSON value.
  if (typeof user === 'string' && typeof password === 'string' && user !== '' && password !== '')
    return { user, password }
  throw new Error(`--credentials ${path} must hold { "user": ..., "password": ... }`)
}

/** One daemon per data directory: an abstract socket goes with its process, however that ends. */
async function lockDirectory(data: string): Promise<net.Server> {
  const { dev, ino } = await stat(data)
  const server = net.createServer((socket) => socket.destroy())
  await new Promise<void>((done, fail) => {
    server.once('error', (error) => fail(new Error(`another mover holds ${data}`, { cause: error })))
    server.listen(`\0moorage-mover-${dev}-${ino}`, done)
  })
  server.unref()
  return server
}
