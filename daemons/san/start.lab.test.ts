import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { remoteStorage, wireClient } from '@moorage/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mounts } from './engine/mounts.ts'
import { iscsi, newCall, newHost, newId, qemuIo } from './initiator.ts'
import { freePort } from '@moorage/wire/testing'
import { SAN_LIMITS, startTestSan } from './testing.ts'

let data: string
let credentials: string

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'san-'))
  credentials = join(data, 'credentials')
  await writeFile(credentials, JSON.stringify({ user: 'u', password: 'p' }), { mode: 0o600 })
})
afterEach(() => rm(data, { recursive: true }))

interface Outcome {
  readonly status: number | null
  readonly output: string
}

/** Runs a SAN that is not expected to come up. */
async function runSan(options: {
  readonly listen?: string
  readonly portal?: string
  readonly data?: string
}): Promise<Outcome> {
  const { listen = '127.0.0.1:0', portal = `127.0.0.1:${await freePort()}` } = options
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const args = ['--data', options.data ?? data, '--listen', listen, '--portal', portal, '--credentials', credentials]
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, output }
}

async function leftovers(of: string): Promise<readonly string[]> {
  const found = (await mounts()).map(({ point }) => point).filter((point) => point.startsWith(`${of}/`))
  for (const pid of await readdir('/proc')) {
    const args = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (args.includes(`${of}/`)) found.push(args)
  }
  return found
}

async function occupy(): Promise<{ readonly address: string; release(): Promise<unknown> }> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo // A TCP server that listens has one.
  return { address: `127.0.0.1:${port}`, release: () => new Promise((resolve) => server.close(resolve)) }
}

test('a taken API address ends the start before anything is touched', async () => {
  const taken = await occupy()
  const { status, output } = await runSan({ listen: taken.address })
  await taken.release()
  expect(status).toBe(1)
  expect(output).toContain('EADDRINUSE')
  expect(await readdir(data)).not.toContain('pool.img')
  expect(await leftovers(data)).toEqual([])
})

test('a taken portal ends the start, with a reason and nothing left running', async () => {
  const taken = await occupy()
  const { status, output } = await runSan({ portal: taken.address })
  await taken.release()
  expect(status).toBe(1)
  expect(output).toContain(`tgtd cannot listen on ${taken.address}`)
  expect(await leftovers(data)).toEqual([])
})

test('a second SAN on the same data is refused, and the first does not notice', async () => {
  const san = await startTestSan()
  try {
    const { status, output } = await runSan({ data: san.data })
    expect(status).toBe(1)
    expect(output).toContain('another SAN is using')
    expect((await fetch(`${san.url}/healthz`)).status).toBe(200)
  } finally {
    await san.stop()
  }
})

test('secrets are in no command line, in no log, and in no file that others may read', async () => {
  const san = await startTestSan()
  try {
    const remote = wireClient({ url: san.url, user: san.user, password: san.password })
    const context = { pool: 'pool1', owner: san.endpoint.owner }
    const provider = remoteStorage({ remote, limits: SAN_LIMITS, can: [], context })
    const id = newId<'volume'>()
    await provider.volumes.create({ id, bytes: 1024 ** 2, qos: {}, settings: {} }, newCall())
    const exposure = { source: { kind: 'volume', id }, consumer: newHost(), mode: 'rw', account: 'a' } as const
    const connection = await provider.access.expose(exposure, newCall())
    expect(await qemuIo(connection, ['read 0 4k'])).toMatchObject({ status: 0 })
    const secret = iscsi(connection).chap?.secret ?? ''
    expect(secret).toMatch(/^[A-Za-z0-9]{12,16}$/)
    for (const pid of await readdir('/proc')) {
      const args = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      expect(args.includes(secret) || args.includes(san.password)).toBe(false)
    }
    for (const name of await readdir(san.data)) {
      const path = join(san.data, name)
      const { mode } = await stat(path)
      if (name.endsWith('.log'))
        expect(await readFile(path, 'utf8')).not.toMatch(new RegExp(`${secret}|${san.password}`))
      if (/^(state|ready|credentials)/.test(name)) expect([name, mode & 0o077]).toEqual([name, 0])
    }
    const { mode } = await stat(san.data)
    expect(mode & 0o077).toBe(0)
    await provider.access.withdraw(exposure, newCall())
    await provider.volumes.delete(id, newCall())
  } finally {
    await san.stop()
  }
})
