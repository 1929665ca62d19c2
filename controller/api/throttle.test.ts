import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createThrottle } from '../operations/throttle.ts'
import { startController, type TestController } from '../testing.ts'
import { type TestClient, textOf } from '../testing-client.ts'
import { type ApiServer, createApiServer } from './server.ts'

const PASSWORD = 'correct horse battery'
const LOG = { debug: () => {}, info: () => {}, error: () => {} }
const ORIGIN = 'https://console.example.com'

let controller: TestController
let server: ApiServer

beforeAll(async () => {
  controller = await startController()
  await controller.api.run('createAccount', {
    accounttype: 0,
    username: 'ann',
    password: PASSWORD,
    firstname: 'Ann',
    lastname: 'Other',
    email: 'ann@example.com',
  })
})
afterAll(() => controller.stop())
beforeEach(async () => {
  const { system } = controller
  server = await createApiServer({ system, listen: { host: '127.0.0.1', port: 0 }, log: LOG, origins: [ORIGIN] })
})
afterEach(() => server.close())

/** Any address of 127.0.0.0/8 is ours to ask from. */
async function logIn(password: string, more: { readonly from?: string; readonly as?: string } = {}): Promise<string> {
  const asked = request(`${server.url}/client/api`, {
    method: 'POST',
    localAddress: more.from ?? '127.0.0.1',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  asked.end(`command=login&username=${more.as ?? 'ann'}&password=${encodeURIComponent(password)}`)
  const [response] = (await once(asked, 'response')) as [Parameters<typeof text>[0] & { readonly statusCode: number }] // The only argument of the event.
  const { loginresponse } = JSON.parse(await text(response)) as {
    readonly loginresponse: { readonly errortext?: string }
  } // As every answer to login.
  return `${response.statusCode} ${loginresponse.errortext ?? ''}`
}

const WRONG = '531 Failed to authenticate user: either the username, the password or the domain is wrong'
const TOO_MANY = /^531 Too many failed attempts to log in, please retry after \d+ s$/

describe('passwords that are guessed', () => {
  test('are looked at no more after five that were wrong, the right one included, but for users elsewhere', async () => {
    for (let nth = 0; nth < 5; nth += 1) expect(await logIn(`guess ${nth}`)).toBe(WRONG)
    expect(await logIn(PASSWORD)).toMatch(TOO_MANY)
    expect(await logIn('x', { as: 'bob' })).toBe(WRONG)
    expect(await logIn(PASSWORD, { from: '127.0.0.2' })).toBe('200 ')
    expect(await logIn(PASSWORD)).toMatch(TOO_MANY)
  })

  test('are counted from the last that was right', async () => {
    for (let nth = 0; nth < 4; nth += 1) expect(await logIn('x')).toBe(WRONG)
    expect(await logIn(PASSWORD)).toBe('200 ')
    for (let nth = 0; nth < 4; nth += 1) expect(await logIn('x')).toBe(WRONG)
    expect(await logIn(PASSWORD)).toBe('200 ')
  })

  test('are not looked at beyond the fifth when all come at one time', async () => {
    const said = await Promise.all(Array.from({ length: 12 }, async (_, nth) => await logIn(`guess ${nth}`)))
    expect(said.filter((each) => each === WRONG)).toHaveLength(5)
    expect(said.filter((each) => TOO_MANY.test(each))).toHaveLength(7)
  })

  test('are looked at no more from an address that tried fifty, whatever the names', async () => {
    for (let nth = 0; nth < 50; nth += 10) {
      const names = Array.from({ length: 10 }, (_, more) => `user-${nth + more}`)
      for (const said of await Promise.all(names.map((as) => logIn('x', { as })))) expect(said).toBe(WRONG)
    }
    expect(await logIn(PASSWORD)).toMatch(TOO_MANY)
  })
})

describe('passwords that are guessed from many addresses', () => {
  const wrong = async () => {
    throw new Error('wrong')
  }

  test('are looked at no more once two hundred of one name were wrong, whatever the addresses', async () => {
    const { login } = createThrottle(controller.store.reader)
    const as = (username: string, nth: number) =>
      login({ username, domain: '/', source: `10.0.${nth >> 8}.${nth & 255}` }, wrong)
    for (let nth = 0; nth < 200; nth += 1) await expect(as('ann', nth)).rejects.toThrow('wrong')
    await expect(as('ann', 200)).rejects.toThrow(/^Too many failed attempts to log in, please retry after \d+ s$/)
    await expect(as('bob', 200)).rejects.toThrow('wrong')
  })

  test('come from one address where they come from one network of IPv6', async () => {
    const { login } = createThrottle(controller.store.reader)
    const from = (source: string) => login({ username: 'ann', domain: '/', source }, wrong)
    for (let nth = 0; nth < 5; nth += 1) await expect(from(`2001:db8:0:1::${nth}`)).rejects.toThrow('wrong')
    await expect(from('2001:db8:0:1:ffff::9')).rejects.toThrow('Too many failed attempts')
    await expect(from('2001:db8:0:2::1')).rejects.toThrow('wrong')
  })
})

describe('an account that asks too often', () => {
  let user: TestClient
  let other: TestClient
  beforeAll(async () => {
    ;[user, other] = await Promise.all([controller.user(), controller.user()])
  })
  beforeEach(() => limit(3, 60))
  afterEach(() => limit(0, 1))

  async function limit(most: number, seconds: number): Promise<void> {
    await controller.api.run('updateConfiguration', { name: 'api.throttling.max', value: most })
    await controller.api.run('updateConfiguration', { name: 'api.throttling.interval', value: seconds })
  }

  test('is told when to come again, while others and operators go on', async () => {
    const at = `${server.url}/client/api`
    const asking = async (client: TestClient) => {
      const answers = Array.from({ length: 5 }, async () => await client.at(at).send('listZones'))
      return (await Promise.all(answers)).map(({ status }) => status).toSorted((one, next) => one - next)
    }
    expect(await asking(user)).toEqual([200, 200, 200, 429, 429])
    expect(await asking(other)).toEqual([200, 200, 200, 429, 429])
    expect(await asking(controller.api)).toEqual([200, 200, 200, 200, 200])
    const { answer } = await user.at(at).send('listZones')
    expect(answer['errortext']).toMatch(
      /^The account user-\w+ has reached its limit of 3 requests in 60 s, please retry after \d+ s$/,
    )
  })
})

test('what the limits are is read again at once when the database could not tell', async () => {
  const { reader } = controller.store
  const throttle = createThrottle(reader)
  const [account] = await controller.api.list('listAccounts')
  const caller = {
    principalId: '',
    username: 'ann',
    accountId: textOf(account ?? {}, 'id'),
    accountName: 'ann',
    domainId: '',
    domainPath: '/',
    role: 'user',
  } as const
  await sql`alter table configuration rename to elsewhere`.execute(reader)
  await expect(throttle.request(caller)).rejects.toThrow(/configuration/)
  await sql`alter table elsewhere rename to configuration`.execute(reader)
  await throttle.request(caller)
})

test('pages of an origin that was named may read answers, those of others not', async () => {
  const ask = async (origin: string) =>
    await fetch(`${server.url}/client/api?command=listIdps&response=json`, { headers: { origin } })
  expect((await ask(ORIGIN)).headers.get('access-control-allow-origin')).toBe(ORIGIN)
  expect((await ask('https://elsewhere.example.com')).headers.get('access-control-allow-origin')).toBeNull()
  const asked = { origin: ORIGIN, 'access-control-request-method': 'POST' }
  const before = await fetch(`${server.url}/client/api`, { method: 'OPTIONS', headers: asked })
  expect({ status: before.status, methods: before.headers.get('access-control-allow-methods') }).toEqual({
    status: 204,
    methods: 'GET, POST',
  })
  expect(before.headers.get('access-control-allow-credentials')).toBeNull()
})
