import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../testing.ts'
import { textOf } from '../testing-client.ts'
import { watchLeases } from '../telemetry/lease-watch.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { createMetricsServer } from './probes.ts'
import { type ApiServer, createApiServer } from './server.ts'

let controller: TestController
let ground: Ground
let server: ApiServer
const logged: { readonly level: string; readonly fields: object }[] = []

const observed: unknown[] = []

const keep = (level: string) => (fields: object) => void logged.push({ level, fields })
const log = { debug: keep('debug'), info: keep('info'), error: keep('error') }
const PASSWORD = 'correct horse battery'

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const listen = { host: '127.0.0.1', port: 0 }
  const { system } = controller
  const observe = (of: object) => void observed.push(of)
  server = await createApiServer({ system, listen, integrationListen: listen, log, observe })
  await controller.api.run('createAccount', {
    accounttype: 0,
    username: 'ann',
    password: PASSWORD,
    firstname: 'Ann',
    lastname: 'Other',
    email: 'ann@example.com',
  })
})
afterAll(async () => {
  await server.close()
  await controller.stop()
})

interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

async function send(
  query: string,
  options: {
    readonly body?: string
    readonly cookies?: string
    readonly base?: string
    readonly headers?: object
  } = {},
): Promise<Answered> {
  const { body, cookies, base = server.url } = options
  const response = await fetch(`${base}/client/api${query === '' ? '' : `?${query}`}`, {
    ...(body === undefined ? {} : { method: 'POST', body }),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(cookies === undefined ? {} : { cookie: cookies }),
      ...options.headers,
    },
  })
  const parsed: unknown = await response.json()
  // Envelopes are one key over one object: the tests check what is in it.
  return { status: response.status, headers: response.headers, body: parsed as Answered['body'] }
}

/** What comes back for these bytes until the other side ends. */
async function exchange(base: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname)
  socket.write(bytes)
  return await text(socket)
}

async function logIn(
  more = 'domain=%2F',
): Promise<{ readonly cookies: string; readonly key: string; readonly answered: Answered }> {
  const body = `command=login&username=ann&password=${encodeURIComponent(PASSWORD)}&response=json&${more}`
  const answered = await send('', { body })
  const cookies = answered.headers.getSetCookie().map((one) => one.split(';')[0] ?? '')
  return { cookies: cookies.join('; '), key: String(answered.body['loginresponse']?.['sessionkey']), answered }
}

describe('a session', () => {
  test('begins with a password, is named by cookies that scripts and other sites cannot use, and tells who it is of', async () => {
    const { answered } = await logIn()
    expect(answered.status).toBe(200)
    expect(answered.body['loginresponse']).toMatchObject({
      username: 'ann',
      account: 'ann',
      firstname: 'Ann',
      type: '0',
      registered: 'false',
      is2faenabled: 'false',
      timeout: 1800,
    })
    const cookies = answered.headers.getSetCookie()
    expect(cookies.map((one) => one.split('=')[0])).toEqual(['JSESSIONID', 'sessionkey'])
    for (const one of cookies) expect(one).toMatch(/; Path=\/client; HttpOnly; SameSite=Strict/)
  })

  test.each(['', 'domain=', 'domain=%2F', 'domain=ROOT', 'domain=%2FROOT%2F'])(
    'finds the root domain by "%s"',
    async (domain) => {
      expect((await logIn(domain)).answered.status).toBe(200)
    },
  )

  test('is enough to ask, with the key as a parameter, as a cookie, or as both', async () => {
    const { cookies, key } = await logIn()
    const id = cookies.split('; ').find((one) => one.startsWith('JSESSIONID')) ?? ''
    expect((await send(`command=listZones&sessionkey=${key}`, { cookies: id })).status).toBe(200)
    expect((await send('command=listZones', { cookies })).status).toBe(200)
    expect((await send(`command=listZones&SessionKey=${key}`, { cookies })).status).toBe(200)
  })

  test('is nothing without the key, and a wrong key ends it', async () => {
    const { cookies, key } = await logIn()
    const id = cookies.split('; ').find((one) => one.startsWith('JSESSIONID')) ?? ''
    expect((await send('command=listZones', { cookies: id })).status).toBe(401)
    expect((await send(`command=listZones&sessionkey=${key}`, { cookies: id })).status).toBe(200)
    expect((await send('command=listZones&sessionkey=wrong', { cookies })).status).toBe(401)
    expect((await send(`command=listZones&sessionkey=${key}`, { cookies })).status).toBe(401)
  })

  test('ends with logout, which needs no session', async () => {
    const { cookies } = await logIn()
    const out = await send('command=logout&response=json', { cookies })
    expect(out.body).toEqual({ logoutresponse: { description: 'success' } })
    expect(out.headers.getSetCookie().join()).toMatch(/JSESSIONID=;.*sessionkey=;/)
    expect((await send('command=listZones', { cookies })).status).toBe(401)
    expect((await send('command=logout&response=json')).body).toEqual({ logoutresponse: { description: 'success' } })
  })

  test('ends when it was idle for too long, and when its user is gone', async () => {
    const { cookies } = await logIn()
    await controller.store.reader
      .updateTable('session')
      .set({ usedAt: new Date(Date.now() - 1_801_000) })
      .execute()
    expect((await send('command=listZones', { cookies })).status).toBe(401)
  })

  test('is kept as digests only', async () => {
    const { cookies, key } = await logIn()
    const rows = JSON.stringify(await controller.store.reader.selectFrom('session').selectAll().execute())
    for (const secret of [key, ...cookies.split(/; |=/).filter((part) => part.length > 20)])
      expect(rows).not.toContain(secret)
  })

  test.each([
    ['a wrong password', 'username=ann&password=wrong-one'],
    ['an unknown user', `username=bob&password=${encodeURIComponent(PASSWORD)}`],
    ['another domain', `username=ann&password=${encodeURIComponent(PASSWORD)}&domain=elsewhere`],
  ])('does not begin with %s, and all are told the same', async (_, given) => {
    const { status, body } = await send('', { body: `command=login&${given}` })
    expect(status).toBe(531)
    expect(body).toEqual({
      loginresponse: {
        uuidList: [],
        errorcode: 531,
        cserrorcode: 4365,
        errortext: 'Failed to authenticate user: either the username, the password or the domain is wrong',
      },
    })
  })

  test('does not begin by GET: urls are logged on the way', async () => {
    const { status, body } = await send('command=login&username=ann&password=x')
    expect({ status, code: body['loginresponse']?.['errorcode'] }).toEqual({ status: 405, code: 405 })
  })
})

describe('credentials', () => {
  test.each([
    ['none', 'command=listZones'],
    ['a key without a signature', 'command=listZones&apikey=abc'],
    ['a signature without a key', 'command=listZones&signature=abc'],
    ['an unknown key', 'command=listZones&apikey=abc&signature=abc'],
  ])('%s: answers 401 without a cserrorcode', async (_, query) => {
    const { status, headers, body } = await send(query)
    const errortext = 'unable to verify user credentials and/or request signature'
    expect(status).toBe(401)
    expect(body).toEqual({ listzonesresponse: { uuidList: [], errorcode: 401, errortext } })
    expect(headers.get('x-description')).toBe(errortext)
  })

  test('of an administrator are not needed on the integration port, where pages of a browser are turned away', async () => {
    const base = server.integrationUrl ?? ''
    expect((await send('command=listUsers', { base })).body['listusersresponse']).toMatchObject({ count: 1 })
    expect((await send('command=listUsers', { base, headers: { origin: 'https://example.com' } })).status).toBe(401)
  })

  test('are needed everywhere else: the integration port listens on loopback addresses only', async () => {
    const options = { system: controller.system, log, listen: { host: '127.0.0.1', port: 0 } }
    const open = createApiServer({ ...options, integrationListen: { host: '0.0.0.0', port: 0 } })
    await expect(open).rejects.toThrow(/asks for no credentials/)
  })
})

describe('what cannot be answered', () => {
  const base = () => server.integrationUrl ?? ''

  test.each([
    ['no command', 'response=json', 432],
    ['an unknown command', 'command=listVolumez', 432],
    ['a command in another case', 'command=LISTVOLUMES', 432],
    ['an encoding that is none', 'command=listVolumes&name=%zz', 430],
    ['a name with a separator in it', 'command=listVolumes&na%26me=1', 430],
  ])('%s: answers errorresponse', async (_, query, code) => {
    const { status, headers, body } = await send(query, { base: base() })
    expect({ status, code: body['errorresponse']?.['errorcode'] }).toEqual({ status: code, code })
    expect(headers.get('x-description')).toBe(body['errorresponse']?.['errortext'])
  })

  test('a body that is too large, or of another type', async () => {
    const large = await send('', { base: base(), body: `command=listZones&name=${'x'.repeat(300_000)}` })
    expect(large).toMatchObject({ status: 430, body: { errorresponse: { errorcode: 430 } } })
    const other = await send('', { base: base(), body: '{}', headers: { 'content-type': 'application/json' } })
    expect(other).toMatchObject({ status: 430, body: { errorresponse: { errorcode: 430 } } })
    expect(JSON.stringify([large.body, other.body])).not.toMatch(/fastify|at .*\.ts|node_modules/i)
  })

  test('a query of almost 64 KiB is read; one that is longer is refused in the same form, and so is what is no HTTP', async () => {
    const long = await send(`command=listZones&name=${'x'.repeat(60_000)}`, { base: base() })
    expect(long.body['listzonesresponse']?.['errortext']).toMatch(/max allowed length 255 for param: name/)
    const tooLong = await exchange(
      base(),
      `GET /client/api?command=listZones&name=${'x'.repeat(200_000)} HTTP/1.1\r\n\r\n`,
    )
    expect(tooLong).toMatch(/^HTTP\/1\.1 430 .*\r\n\r\n\{"errorresponse":\{.*more than 65536 bytes/s)
    const none = await exchange(base(), 'nothing of the kind\r\n\r\n')
    expect(none).toMatch(/^HTTP\/1\.1 430 .*\r\n\r\n\{"errorresponse":\{.*"errorcode":430.*it is no HTTP"\}\}$/s)
    expect(tooLong + none).not.toMatch(/fastify|HPE_|node/i)
  })

  test('another path says where the API is', async () => {
    const response = await fetch(`${server.url}/`)
    expect(response.status).toBe(404)
  })
})

describe('a request that waits for a job', () => {
  test('is answered as soon as it ends, when its time is up, or when the server closes', async () => {
    const { api, simulator, system } = controller
    const { zone, offering, service, template } = ground
    const vm = await api.run('deployVirtualMachine', { zoneid: zone, serviceofferingid: service, templateid: template })
    const volume = await api.run('createVolume', { zoneid: zone, diskofferingid: offering, size: 1, name: 'waits' })
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before' })
    const about = { id: textOf(volume, 'id'), virtualmachineid: textOf(vm, 'id') }
    const jobid = textOf(await api.ask('attachVolume', about), 'jobid')
    await simulator.faults.held('array/volumes/create')
    const listen = { host: '127.0.0.1', port: 0 }
    const second = await createApiServer({ system, listen, integrationListen: listen, log })
    const status = async (base: string | undefined, wait: number) => {
      const query = `command=queryAsyncJobResult&jobid=${jobid}&wait=${wait}`
      const { body } = await send(query, base === undefined ? {} : { base })
      return body['queryasyncjobresultresponse']?.['jobstatus']
    }
    expect(await status(server.integrationUrl, 20)).toBe(0)
    const cutShort = status(second.integrationUrl, 30_000)
    // Sent later and answered: the server has the first one by now.
    expect(await status(second.integrationUrl, 20)).toBe(0)
    await second.close()
    expect(await cutShort).toBe(0)
    const ended = status(server.integrationUrl, 30_000)
    await simulator.faults.clear()
    expect(await ended).toBe(1)
  })
})

describe('every answer', () => {
  test('is one line of JSON with a charset, not to be kept', async () => {
    const response = await fetch(`${server.integrationUrl}/client/api?command=listApis`)
    expect(response.headers.get('content-type')).toBe('application/json; charset=UTF-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.text()).not.toContain('\n')
  })

  test('leaves a trace without parameters, and a duration by command', async () => {
    logged.length = 0
    await send('', { body: `command=login&username=ann&password=${encodeURIComponent(PASSWORD)}` })
    expect(logged).toHaveLength(1)
    expect(JSON.stringify(logged)).toContain('"command":"login"')
    expect(JSON.stringify(logged)).not.toContain(PASSWORD)
    await send('command=listZones&apikey=x&signature=y')
    await send('command=listNothing', { base: server.integrationUrl ?? '' })
    expect(observed.slice(-3)).toEqual([
      { command: 'login', outcome: 'ok' },
      { command: 'listZones', outcome: 'unauthenticated' },
      { command: 'unknown', outcome: 'refused' },
    ])
  })

  test('to a probe says whether the database answers', async () => {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({ status: 'ready', database: 'answers' })
  })
})

describe('metrics', () => {
  test('are served on an address of their own, with the probes, and not where the API is', async () => {
    const { registry } = createMetrics()
    const listen = { host: '127.0.0.1', port: 0 }
    const leases = watchLeases(0)
    const metrics = await createMetricsServer({ system: controller.system, leases, listen, registry })
    try {
      const answer = await fetch(`${metrics.url}/metrics`)
      expect(answer.headers.get('content-type')).toContain('text/plain')
      expect(await answer.text()).toContain('# TYPE moorage_api_request_duration_seconds histogram')
      expect((await fetch(`${metrics.url}/client/api`)).status).toBe(404)
      const ready = await fetch(`${metrics.url}/readyz`)
      expect({ status: ready.status, body: await ready.json() }).toMatchObject({
        status: 503,
        body: { status: 'not ready' },
      })
    } finally {
      await metrics.close()
    }
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404)
    expect((await fetch(`${server.integrationUrl}/metrics`)).status).toBe(404)
  })
})
