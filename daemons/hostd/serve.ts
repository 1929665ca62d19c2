import { mkdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import { join, resolve } from 'node:path'
import { writeDurably } from '@moorage/files'
import { wireServer } from '@moorage/wire'
import type { Logger } from 'pino'
import { parsePortal } from './block-nodes.ts'
import { Hostd } from './hostd.ts'
import { hostdMethods } from './service.ts'

/** What `main.ts` is called with. */
export interface ServeOptions {
  /** Data directory; made when missing. */
  readonly data: string
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  /** JSON file `{ "user": ..., "password": ... }`, readable by its owner only. */
  readonly credentials: string
  /** iSCSI name of this host. */
  readonly initiator: string
  /** Directory of boot images: `<name>/vmlinux` and `<name>/initrd.cpio`. */
  readonly images?: string
  /** Name in reports; the machine's name when absent. */
  readonly name?: string
  readonly log: Logger
}

/** A daemon that listens. */
export interface ServedHostd {
  readonly url: string
  /** Stops the daemon; its machines run on. */
  close(): Promise<void>
}

/** Socket paths end at 107 bytes; `/vms/<id>/q` takes 43 of them. */
const LONGEST_DATA_PATH = 64

/**
 * Adopts what runs, then listens, then writes `ready.json` (pid, url, initiator) into the data directory. Rejects with a
 * plain message when an option is wrong or another daemon holds the directory.
 */
export async function serveHostd(options: ServeOptions): Promise<ServedHostd> {
  const { log, initiator, name = os.hostname() } = options
  const address = parsePortalOrFreePort(options.listen)
  const credentials = await readCredentials(options.credentials)
  await mkdir(options.data, { recursive: true, mode: 0o700 })
  const data = await realpath(options.data)
  if (Buffer.byteLength(data) > LONGEST_DATA_PATH) {
    throw new Error(`--data ${data} is too long: sockets in it allow ${LONGEST_DATA_PATH} bytes`)
  }
  const lock = await lockDirectory(data)
  const images = options.images === undefined ? {} : { images: resolve(options.images) }
  const hostd = new Hostd({ data, initiator, name, log, ...images })
  await hostd.open()
  const server = wireServer({
    methods: hostdMethods(hostd),
    ...credentials,
    onCall: ({ method, key, ms, failure }) => {
      if (failure) log.warn({ method, key, ms, code: failure.code, effect: failure.effect }, failure.message)
      else log.info({ method, key, ms }, 'call')
    },
    onBug: (error) => log.error({ err: error }, 'bug'),
  })
  const url = await server.listen(address)
  const ready = join(data, 'ready.json')
  await writeDurably(ready, JSON.stringify({ pid: process.pid, url, initiator }))
  log.info({ url, data, machines: hostd.machines().length }, 'listening')
  return {
    url,
    close: async () => {
      await rm(ready, { force: true })
      await server.close()
      hostd.close()
      lock.close()
    },
  }
}

function parsePortalOrFreePort(listen: string): { readonly host: string; readonly port: number } {
  const free = /^(.+):0$/.exec(listen)?.[1]
  return free === undefined ? parsePortal(listen) : { host: parsePortal(`${free}:1`).host, port: 0 }
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

/**
 * One daemon per data directory. An abstract socket goes with its process, however that ends, so no stale lock can remain;
 * the directory's device and inode name it.
 */
async function lockDirectory(data: string): Promise<net.Server> {
  const { dev, ino } = await stat(data)
  const server = net.createServer((socket) => socket.destroy())
  await new Promise<void>((done, fail) => {
    server.once('error', (error) => fail(new Error(`another host daemon holds ${data}`, { cause: error })))
    server.listen(`\0moorage-hostd-${dev}-${ino}`, done)
  })
  server.unref()
  return server
}
