import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { openData } from './cli/data.ts'
import { livePostmaster } from './store/postmaster.ts'
import { createLogger } from './telemetry/logger.ts'
import { exitOf, type Started, usePrograms } from './testing-program.ts'

const { root, data, moorage, serving } = usePrograms()

/** Children of a controller that run the plug-in at a path, which is the last word of their command lines. */
function besides({ child }: Started, path: string): readonly number[] {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')
  return children.map(Number).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith(`\0${path}\0`))
}

/** A process that ended has no command line, also while nobody has asked how it ended. */
function lives(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}

async function counts(): Promise<Readonly<Record<string, number>>> {
  const { store } = await openData(data(), { log: createLogger({ level: 'silent' }), create: false })
  const tables = ['zone', 'pod', 'cluster', 'host', 'pool', 'template', 'offering', 'principal'] as const
  const found: Record<string, number> = {}
  for (const table of tables) {
    const { count } = await store.reader
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    found[table] = count
  }
  await store.close()
  return found
}

/** Makes a certificate for 127.0.0.1, trusted by whoever has it, and answers it. */
function certify(files: { readonly cert: string; readonly key: string }): string {
  const named = ['-subj', '/CN=moorage', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', files.key, '-out', files.cert]
  execFileSync('openssl', ['req', '-x509', '-noenc', ...made, ...named], { stdio: 'pipe' })
  return readFileSync(files.cert, 'utf8')
}

/** What `/readyz` answers over a connection of its own that trusts only `ca`. */
async function readyOver(url: string, ca: string, query = ''): Promise<unknown> {
  const asked = request(`${url}/readyz${query}`, { ca, agent: false })
  asked.end()
  const [response] = (await once(asked, 'response')) as [Parameters<typeof text>[0]] // The only argument of the event.
  return JSON.parse(await text(response))
}

describe('a controller', () => {
  test('seeds a cloud once, survives a kill with its database and simulator, and stops cleanly', async () => {
    const first = await serving('--seed', 'simulator', '--integration-listen', '127.0.0.1:0')
    expect(await (await fetch(`${first.url}/readyz`)).json()).toMatchObject({ status: 'ready' })
    const seeded = await counts()
    expect(seeded).toEqual({ zone: 1, pod: 1, cluster: 1, host: 2, pool: 2, template: 1, offering: 7, principal: 1 })
    for (const name of ['ready.json', 'admin.json', 'master.key', 'simulator.credentials.json', 'postgres.log']) {
      expect({ name, mode: statSync(join(data(), name)).mode & 0o777 }).toEqual({ name, mode: 0o600 })
    }
    const database = livePostmaster(join(data(), 'postgres'))
    await first.started.end('SIGKILL')
    const second = await serving('--seed', 'simulator', '--integration-listen', '127.0.0.1:0')
    expect(livePostmaster(join(data(), 'postgres'))).toBe(database)
    expect(second.started.out()).toContain('simulator adopted')
    expect(second.started.out()).toContain('a controller had died')
    expect(await counts()).toEqual(seeded)
    const lines = second.started.out().trim().split('\n')
    for (const line of lines)
      expect(JSON.parse(line)).toMatchObject({ time: expect.any(String) as string, name: 'controller' }) // A matcher has no type.
    expect(await second.started.end('SIGTERM')).toBe(0)
    expect(existsSync(join(data(), 'ready.json'))).toBe(false)
  }, 60_000)

  test('prints the keys that the first start made, whether it runs or not', async () => {
    const { started } = await serving()
    // Written by the controller.
    const admin = JSON.parse(readFileSync(join(data(), 'admin.json'), 'utf8')) as Readonly<Record<string, string>>
    expect(admin['password']).toMatch(/^[\w-]{24}$/)
    const printed = async () => {
      const keys = moorage(['keys', '--data', data()])
      expect({ exit: await exitOf(keys), err: keys.err() }).toMatchObject({ exit: 0 })
      const read: unknown = JSON.parse(keys.out())
      return read
    }
    const { username, apiKey, secretKey } = admin
    expect(await printed()).toEqual({ username, apiKey, secretKey })
    expect(await started.end('SIGTERM')).toBe(0)
    expect(await printed()).toEqual({ username, apiKey, secretKey })
    expect(started.out()).not.toContain(secretKey)
  }, 60_000)

  test('shares its database with another one on the same directory', async () => {
    const [one, two] = [await serving(), await serving()]
    expect(await one.started.end('SIGTERM')).toBe(0)
    expect(await (await fetch(`${two.url}/readyz`)).json()).toMatchObject({ status: 'ready' })
    expect(await two.started.end('SIGTERM')).toBe(0)
  }, 60_000)

  test('keeps an audit that can be verified while it runs and afterwards', async () => {
    const { started, url } = await serving('--integration-listen', '127.0.0.1:0')
    await fetch(`${url}/client/api?command=createZone`)
    const verified = async (...more: readonly string[]) => {
      const audit = moorage(['audit', 'verify', '--data', data(), ...more])
      return { exit: await exitOf(audit), out: audit.out() }
    }
    const whole = async () => {
      const { out } = await verified()
      return /^the audit is whole\n1 records; 0 not sealed yet\nlast: (1:[0-9a-f]{64})\n$/.exec(out)?.[1]
    }
    await expect.poll(whole, { timeout: 30_000 }).toBeDefined()
    const last = await whole()
    expect(await started.end('SIGTERM')).toBe(0)
    expect(await verified('--expect', last ?? '')).toMatchObject({ exit: 0 })
    const other = await verified('--expect', `1:${'0'.repeat(64)}`)
    expect(other).toMatchObject({ exit: 1, out: expect.stringContaining('record 1 is not the one') as string }) // A matcher has no type.
  }, 60_000)

  test('serves metrics where it is told to, and says so', async () => {
    const { metricsUrl, url } = await serving('--metrics-listen', '127.0.0.1:0')
    await fetch(`${url}/client/api?command=listZones`)
    const text = await (await fetch(`${metricsUrl}/metrics`)).text()
    expect(text).toContain(
      'moorage_api_request_duration_seconds_count{command="listZones",outcome="unauthenticated"} 1',
    )
    expect(text).toMatch(/^moorage_controllers 1$/m)
    expect(text).toMatch(/^moorage_lease_renewals_total\{outcome="ok"\} \d+$/m)
    expect(text).toMatch(/^moorage_operations\{lane="access",state="queued"\} 0$/m)
    expect(text).not.toMatch(/^moorage_scrape_errors_total\{/m)
  }, 60_000)

  test('lists a plug-in of its command line, whose process ends with it, even killed and blocked', async () => {
    const odd = join(import.meta.dirname, 'plugin-host/outside/testing/misbehaving.ts')
    const integration = ['--integration-listen', '127.0.0.1:0', '--plugin', `${odd},memory=64`]
    const { started, integrationUrl } = await serving(...integration)
    const listed = await fetch(`${integrationUrl}/client/api?command=listStorageProviders&type=primary&response=json`)
    expect(JSON.stringify(await listed.json())).toContain('"name":"odd"')
    const beside = besides(started, odd)
    expect(beside).toHaveLength(1)
    process.kill(beside[0] ?? 0, 'SIGSTOP')
    await started.end('SIGKILL')
    await expect.poll(() => beside.filter(lives)).toEqual([])
    const again = await serving(...integration)
    const besideAgain = besides(again.started, odd)
    expect(besideAgain).toHaveLength(1)
    expect(await again.started.end('SIGTERM')).toBe(0)
    expect(besideAgain.filter(lives)).toEqual([])
  }, 120_000)

  test('speaks TLS, and takes up a renewed certificate without a restart, but none that cannot be used', async () => {
    const files = { cert: join(root(), 'cert.pem'), key: join(root(), 'key.pem') }
    const first = certify(files)
    const { url, started } = await serving('--tls-certificate', files.cert, '--tls-key', files.key)
    // As long as a query may be in the clear.
    expect(await readyOver(url, first, `?${'x'.repeat(60_000)}`)).toMatchObject({ status: 'ready' })
    writeFileSync(files.cert, 'nothing of the kind')
    started.child.kill('SIGHUP')
    await expect.poll(started.out, { timeout: 10_000 }).toContain('the new certificate cannot be used')
    expect(await readyOver(url, first)).toMatchObject({ status: 'ready' })
    const second = certify(files)
    started.child.kill('SIGHUP')
    await expect.poll(started.out, { timeout: 10_000 }).toContain('the certificate was read again')
    expect(await readyOver(url, second)).toMatchObject({ status: 'ready' })
    await expect(readyOver(url, first)).rejects.toThrow(/certificate/)
    await expect(fetch(url.replace('https', 'http'))).rejects.toThrow('fetch failed')
  }, 60_000)
})
