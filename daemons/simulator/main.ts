import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { simulatorServer } from './server.ts'
import { Store } from './store.ts'

const USAGE = 'usage: node main.ts --data DIR --listen HOST:PORT --credentials FILE'

interface Options {
  readonly data: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

const log = pino({ name: 'simulator' }, pino.destination(2))

/**
 * The simulator: arrays and hypervisor hosts in one process of its own, in the foreground. When it serves, `DIR/ready.json`
 * holds {pid, url}; SIGTERM and SIGINT stop it cleanly, and it goes on where it was when it is started again on the same
 * folder, also after a SIGKILL.
 */
async function main(): Promise<void> {
  const options = readOptions()
  const ready = path.join(options.data, 'ready.json')
  const store = new Store(options.data)
  rmSync(ready, { force: true })
  const server = simulatorServer({
    store,
    user: options.user,
    password: options.password,
    onBug: (error) => log.error({ err: error }, 'a bug of the simulator'),
  })
  const url = await server.listen({ host: options.host, port: options.port })
  // Renamed into place, so that who waits for the file never reads half of it.
  writeFileSync(`${ready}.new`, JSON.stringify({ pid: process.pid, url }), { mode: 0o600 })
  renameSync(`${ready}.new`, ready)
  log.info({ url, data: options.data }, 'serving')
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', resolve)
  process.once('SIGINT', resolve)
  const signal = await promise
  rmSync(ready, { force: true })
  await server.close()
  store.close()
  log.info({ signal }, 'stopped')
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: { data: { type: 'string' }, listen: { type: 'string' }, credentials: { type: 'string' } },
  })
  const { data, listen, credentials } = values
  const address = /^(.+):(\d{1,5})$/.exec(listen ?? '')
  if (data === undefined || credentials === undefined || !address) throw new Error(USAGE)
  const [, host = '', port = ''] = address
  return { data: path.resolve(data), host, port: Number(port), ...readCredentials(credentials) }
}

function readCredentials(file: string): { readonly user: string; readonly password: string } {
  if ((statSync(file).mode & 0o077) !== 0) throw new Error(`${file}: others may read it; set mode 0600`)
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (typeof content === 'object' && content !== null && 'user' in content && 'password' in content) {
    const { user, password } = content
    if (typeof user === 'string' && typeof password === 'string' && user !== '' && password !== '')
      return { user, password }
  }
  throw new Error(`${file}: must hold {"user": text, "password": text}`)
}

try {
  await main()
} catch (error) {
  log.fatal({ err: error }, error instanceof Error ? error.message : 'failed')
  process.exitCode = 1
}
