import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { administratorKeys, ensureBootstrap } from '../../operations/bootstrap.ts'
import { testStore } from '../../store/testing.ts'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, testClient, type TestClient, textOf } from '../../testing-client.ts'
import { ROLE_IDS } from './user-shape.ts'

const someText: unknown = expect.any(String)
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)
const containing = (part: string): unknown => expect.stringContaining(part)

let controller: TestController
let ground: Ground
/** The domain ROOT/sales with its administrator, and a user of each. */
let sales: string
let manager: TestClient
let clerk: TestClient
let outsider: TestClient

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  sales = textOf(await controller.api.run('createDomain', { name: 'sales' }), 'id')
  manager = await controller.user({ role: 'domain-admin', domain: sales })
  clerk = await controller.user({ domain: sales })
  outsider = await controller.user()
})
afterAll(() => controller.stop())

function person(username: string, more: Asked = {}): Asked {
  return { username, password: 'long enough', firstname: 'Some', lastname: 'One', email: 'one@example.com', ...more }
}

/** The client of a user by new keys, which `by` makes. */
async function clientOf(by: TestClient, user: string): Promise<TestClient> {
  const keys = await by.run('registerUserKeys', { id: user })
  return testClient({
    url: controller.url,
    keys: { apiKey: textOf(keys, 'apikey'), secretKey: textOf(keys, 'secretkey') },
    ended: (operation) => controller.system.jobs.ended(operation, 10_000),
  })
}

describe('domains', () => {
  test('have a path, a level and a parent', async () => {
    const below = await controller.api.run('createDomain', { name: 'emea', parentdomainid: sales })
    expect(below).toMatchObject({
      name: 'emea',
      path: 'ROOT/sales/emea',
      level: 2,
      parentdomainid: sales,
      haschild: false,
    })
    const [found] = await controller.api.list('listDomains', { id: sales })
    expect(found).toMatchObject({ path: 'ROOT/sales', level: 1, parentdomainname: 'ROOT', haschild: true })
    const levels = await controller.api.list('listDomains', { level: 1 })
    expect(levels.map(({ name }) => name)).toEqual(['sales'])
  })

  test('refuse a name that is taken, or that is no part of a path', async () => {
    await expect(controller.api.run('createDomain', { name: 'sales' })).rejects.toThrow(
      /there is a domain sales already/,
    )
    await expect(controller.api.run('createDomain', { name: 'a/b' })).rejects.toThrow(/none of them a slash/)
  })

  test('are seen by their administrators from their own down, and by users each its own', async () => {
    const paths = async (of: TestClient) => (await of.list('listDomains', { listall: true })).map(({ path }) => path)
    expect(await paths(controller.api)).toContain('ROOT')
    expect(await paths(manager)).toEqual(['ROOT/sales', 'ROOT/sales/emea'])
    expect(await paths(clerk)).toEqual(['ROOT/sales'])
    await expect(manager.run('createDomain', { name: 'x', parentdomainid: '1' })).rejects.toThrow(
      /entity does not exist/,
    )
  })
})

describe('accounts', () => {
  test('are made with their first user', async () => {
    const made = await controller.api.run(
      'createAccount',
      person('dora', { accounttype: 0, account: 'dora & co', domainid: sales }),
    )
    expect(made).toMatchObject({
      name: 'dora & co',
      accounttype: 0,
      roletype: 'User',
      domainpath: 'ROOT/sales',
      state: 'enabled',
    })
    expect(made['user']).toMatchObject([{ username: 'dora', account: 'dora & co' }])
  })

  test.each([
    ['an account of the domain', person('emil', { account: 'dora & co' }), /has an account dora & co already/],
    ['a user of the domain', person('dora', { account: 'other' }), /has a user dora already/],
    ['a password that is too short', person('emil', { password: 'short' }), /at least 8 characters/],
    ['no type', { ...person('emil'), accounttype: undefined }, /accounttype: it, or roleid, must be given/],
    ['a type that is none', person('emil', { accounttype: 3 }), /accounttype: it must be 0, 1, 2 or 4/],
    ['a role that is none', person('emil', { roleid: 'x' }), /roleid: listRoles has no such role/],
    ['two roles', person('emil', { accounttype: 0, roleid: ROLE_IDS.admin }), /they mean different roles/],
    ['an administrator below the root', person('emil', { accounttype: 1 }), /belong to the root domain/],
  ])('are not made with %s', async (_, params, text) => {
    const all = { accounttype: 0, domainid: sales, ...params }
    await expect(controller.api.run('createAccount', all)).rejects.toThrow(text)
  })

  test('are made with a role of listRoles', async () => {
    const [role] = await controller.api.list('listRoles', { name: 'DomainAdmin' })
    const asked = person('rosa', { roleid: String(role?.['id']), domainid: sales })
    expect(await controller.api.run('createAccount', asked)).toMatchObject({ accounttype: 2, rolename: 'DomainAdmin' })
  })

  test('of another domain may have the same names', async () => {
    const made = await controller.api.run('createAccount', person('dora', { accounttype: 0 }))
    expect(made).toMatchObject({ name: 'dora', domain: 'ROOT' })
  })

  test('of a domain are made by its administrator, but none that may do more than it', async () => {
    expect(await manager.run('createAccount', person('fred', { accounttype: 0 }))).toMatchObject({
      domainpath: 'ROOT/sales',
    })
    await expect(manager.run('createAccount', person('gina', { accounttype: 1 }))).rejects.toThrow(
      /Only an administrator/,
    )
    await expect(clerk.run('createAccount', person('hans', { accounttype: 0 }))).rejects.toThrow(
      /not available for this user/,
    )
  })

  test('are listed as far as the caller may see', async () => {
    const names = async (of: TestClient, more: Asked = {}) =>
      (await of.list('listAccounts', more)).map(({ domain }) => domain)
    expect(new Set(await names(manager, { listall: true }))).toEqual(new Set(['sales']))
    expect(await names(clerk, { listall: true })).toEqual(['sales'])
    expect(await names(controller.api)).toEqual(['ROOT'])
    expect(await names(controller.api, { domainid: sales })).not.toContain('ROOT')
  })

  test('are deleted once they have nothing, and their keys end', async () => {
    const made = await controller.api.run('createAccount', person('ida', { accounttype: 0 }))
    const [user] = await controller.api.list('listUsers', { username: 'ida', listall: true })
    const ida = await clientOf(controller.api, textOf(user ?? {}, 'id'))
    const disk = { zoneid: ground.zone, diskofferingid: ground.offering, size: 1, name: 'ida' }
    const volume = await ida.run('createVolume', disk)
    const id = textOf(made, 'id')
    await expect(controller.api.run('deleteAccount', { id })).rejects.toThrow(/has something \(volumes: 1\)/)
    await ida.run('deleteVolume', { id: textOf(volume, 'id') })
    expect(await controller.api.ask('deleteAccount', { id })).toEqual({ jobid: someText })
    expect(await ida.send('listVolumes')).toMatchObject({ status: 401 })
    expect(await controller.api.list('listUsers', { username: 'ida', listall: true })).toEqual([])
    const [own] = await controller.api.list('listAccounts')
    await expect(controller.api.run('deleteAccount', { id: own?.['id'] as string })).rejects.toThrow(/your own account/) // Listed with its id.
  })
})

describe('users and their keys', () => {
  test('get new keys in place of the old', async () => {
    const made = await controller.api.run('createUser', person('jan', { account: 'dora & co', domainid: sales }))
    const id = textOf(made, 'id')
    expect(await controller.api.ask('getUserKeys', { id })).toEqual({ userkeys: {} })
    const before = await clientOf(controller.api, id)
    expect(await before.send('listZones')).toMatchObject({ status: 200 })
    const after = await clientOf(controller.api, id)
    expect(await before.send('listZones')).toMatchObject({ status: 401 })
    expect(await after.send('listZones')).toMatchObject({ status: 200 })
    const row = await controller.store.reader.selectFrom('principal').where('id', '=', id).selectAll().execute()
    const { secretkey } = await controller.api.run('getUserKeys', { id })
    expect(secretkey).toEqual(matching(/^[\w-]{86}$/))
    expect(JSON.stringify(row)).not.toContain(secretkey)
  })

  test('are shown their own keys, and nobody those of one who may do more', async () => {
    const idOf = async (client: TestClient) => textOf((await client.list('listUsers'))[0] ?? {}, 'id')
    const [clerkId, managerId] = [await idOf(clerk), await idOf(manager)]
    expect(await clerk.run('getUserKeys', { id: clerkId })).toHaveProperty('secretkey')
    expect(await manager.run('getUserKeys', { id: clerkId })).toHaveProperty('secretkey')
    await expect(clerk.run('getUserKeys', { id: managerId })).rejects.toThrow(/entity does not exist/)
    await expect(outsider.run('registerUserKeys', { id: clerkId })).rejects.toThrow(/entity does not exist/)
    await expect(manager.run('registerUserKeys', { id: await idOf(controller.api) })).rejects.toThrow(
      /entity does not exist/,
    )
  })

  test('a user of an account is not shown the keys of another of the same account', async () => {
    const account = textOf((await clerk.list('listAccounts'))[0] ?? {}, 'name')
    const other = await manager.run('createUser', person('kim', { account }))
    await expect(clerk.run('getUserKeys', { id: textOf(other, 'id') })).rejects.toThrow(/keys of another user/)
  })

  test('are deleted, but not by themselves', async () => {
    const made = await manager.run('createUser', person('lea', { account: 'dora & co' }))
    const lea = await clientOf(manager, textOf(made, 'id'))
    await manager.run('deleteUser', { id: textOf(made, 'id') })
    expect(await lea.send('listZones')).toMatchObject({ status: 401 })
    const [own] = await manager.list('listUsers')
    await expect(manager.run('deleteUser', { id: textOf(own ?? {}, 'id') })).rejects.toThrow(/it is you/)
  })

  test('passwords are in no answer, not even one that refuses them', async () => {
    const password = 'secret'.repeat(50)
    const { answer } = await controller.api.send('createUser', person('max', { account: 'admin', password }))
    expect(answer).toMatchObject({ errorcode: 431, errortext: containing('for param: password') })
    expect(JSON.stringify(answer)).not.toContain('secretsecret')
  })
})

describe('what an account owns', () => {
  test('is seen by itself, by whoever administers its domain, and by nobody else', async () => {
    const disk = { zoneid: ground.zone, diskofferingid: ground.offering, size: 1, name: 'owned' }
    const id = textOf(await clerk.run('createVolume', disk), 'id')
    const account = textOf((await clerk.list('listAccounts'))[0] ?? {}, 'name')
    const sees = async (of: TestClient, more: Asked = {}) => {
      return (await of.list('listVolumes', more)).some((volume) => volume['id'] === id)
    }
    expect(await sees(clerk)).toBe(true)
    for (const boss of [manager, controller.api]) {
      expect(await sees(boss)).toBe(false)
      expect(await sees(boss, { listall: true })).toBe(true)
      expect(await sees(boss, { id })).toBe(true)
      expect(await sees(boss, { account, domainid: sales })).toBe(true)
    }
    expect(await sees(controller.api, { domainid: sales })).toBe(true)
    const [root] = await controller.api.list('listDomains', { level: 0 })
    const of = { domainid: textOf(root ?? {}, 'id') }
    expect(await sees(controller.api, of)).toBe(false)
    expect(await sees(controller.api, { ...of, isrecursive: true })).toBe(true)
    expect(await sees(outsider, { listall: true })).toBe(false)
    await expect(sees(outsider, { id })).rejects.toThrow(/entity does not exist/)
    await expect(sees(outsider, { account, domainid: sales })).rejects.toThrow(/entity does not exist|permission/)
    await expect(sees(clerk, { account: 'admin' })).rejects.toThrow(/permission/)
    await expect(sees(controller.api, { account: 'nobody' })).rejects.toThrow(/Unable to find account nobody/)
    await expect(sees(controller.api, { projectid: '7' })).rejects.toThrow(/no projects here/)
  })

  test('can be made for it by whoever administers it, and by nobody else', async () => {
    const account = textOf((await clerk.list('listAccounts'))[0] ?? {}, 'name')
    const disk = {
      zoneid: ground.zone,
      diskofferingid: ground.offering,
      size: 1,
      name: 'for another',
      account,
      domainid: sales,
    }
    expect(await manager.run('createVolume', disk)).toMatchObject({ account, domainid: sales })
    await expect(outsider.run('createVolume', disk)).rejects.toThrow(/entity does not exist|permission/)
  })
})

describe('the first start', () => {
  test('makes one administrator with keys, however many controllers start and restart', async () => {
    const store = await testStore()
    try {
      expect(await administratorKeys(store)).toBeUndefined()
      const made = await Promise.all(
        Array.from({ length: 4 }, () => ensureBootstrap(store, { password: randomUUID() })),
      )
      expect(made.filter((one) => one.made)).toHaveLength(1)
      expect(new Set(made.map(({ apiKey, secretKey }) => apiKey + secretKey)).size).toBe(1)
      const again = await ensureBootstrap(store, { password: 'another one' })
      expect(again).toMatchObject({ made: false, username: 'admin', apiKey: made[0]?.apiKey })
      expect(await administratorKeys(store)).toEqual({
        username: 'admin',
        apiKey: again.apiKey,
        secretKey: again.secretKey,
      })
    } finally {
      await store.close()
    }
  })
})
