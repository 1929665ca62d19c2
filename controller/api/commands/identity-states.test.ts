import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let sales: string
let manager: TestClient
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  sales = textOf(await controller.api.run('createDomain', { name: 'sales' }), 'id')
  manager = await controller.user({ role: 'domain-admin', domain: sales })
})
afterAll(() => controller.stop())

/** A new tenant of a domain: its client, account and user. */
async function tenant(
  domain = sales,
): Promise<{ readonly client: TestClient; readonly account: string; readonly user: string }> {
  const client = await controller.user({ domain })
  const [account] = await client.list('listAccounts')
  const [user] = await client.list('listUsers')
  return { client, account: textOf(account ?? {}, 'id'), user: textOf(user ?? {}, 'id') }
}

describe('an account', () => {
  test('that is locked can do nothing until it is enabled again', async () => {
    const { client, account } = await tenant()
    expect(await manager.run('lockAccount', { id: account })).toMatchObject({ id: account, state: 'locked' })
    expect(await client.send('listZones')).toMatchObject({ status: 401 })
    expect(await manager.run('enableAccount', { id: account })).toMatchObject({ state: 'enabled' })
    expect(await client.send('listZones')).toMatchObject({ status: 200 })
  })

  test('that is disabled has its virtual machines stopped; one that is locked has not', async () => {
    const { client, account } = await tenant()
    const { zone, service } = ground
    const shared = { name: 'shared', displaytext: 'x', url: 'image://none', format: 'RAW', hypervisor: 'Simulator' }
    const registered = await controller.api.run('registerTemplate', { ...shared, zoneid: zone, ispublic: true })
    const template = textOf(registered, 'id')
    const made = await client.run('deployVirtualMachine', {
      zoneid: zone,
      serviceofferingid: service,
      templateid: template,
    })
    const vm = textOf(made, 'id')
    const state = async () =>
      (await controller.api.list('listVirtualMachines', { id: vm, listall: true }))[0]?.['state']
    expect(await controller.api.run('disableAccount', { id: account, lock: true })).toMatchObject({ state: 'locked' })
    expect(await state()).toBe('Running')
    expect(await controller.api.run('disableAccount', { id: account, lock: false })).toMatchObject({
      state: 'disabled',
    })
    await expect.poll(state).toBe('Stopped')
    await controller.api.run('destroyVirtualMachine', { id: vm, expunge: true })
  })

  test('is found by its name in a domain, and named anew', async () => {
    const { client, account } = await tenant()
    const [before] = await client.list('listAccounts')
    const asked = { account: textOf(before ?? {}, 'name'), domainid: sales, newname: 'traders' }
    expect(await manager.run('updateAccount', asked)).toMatchObject({ id: account, name: 'traders' })
    const other = await tenant()
    await expect(manager.run('updateAccount', { id: other.account, newname: 'traders' })).rejects.toThrow(/already/)
    await expect(manager.run('updateAccount', { id: account, networkdomain: 'x' })).rejects.toThrow(/not supported/)
  })

  test('is not locked by itself, by a tenant, by another domain, or by one that may do less', async () => {
    const { account } = await tenant()
    const stranger = await controller.user({
      role: 'domain-admin',
      domain: textOf(await controller.api.run('createDomain', { name: 'elsewhere' }), 'id'),
    })
    await expect(stranger.run('lockAccount', { id: account })).rejects.toThrow(/entity does not exist/)
    const [own] = await manager.list('listAccounts')
    await expect(manager.run('lockAccount', { id: textOf(own ?? {}, 'id') })).rejects.toThrow(/your own account/)
    await expect(controller.api.run('lockAccount', {})).rejects.toThrow(/id: it, or account, must be given/)
  })
})

describe('a user', () => {
  test('that is disabled can do nothing, though its account can', async () => {
    const { client, user } = await tenant()
    expect(await manager.run('disableUser', { id: user })).toMatchObject({ id: user, state: 'disabled' })
    expect(await client.send('listZones')).toMatchObject({ status: 401 })
    expect(await manager.run('enableUser', { id: user })).toMatchObject({ state: 'enabled' })
    expect(await manager.run('lockUser', { id: user })).toMatchObject({ state: 'locked' })
    await manager.run('enableUser', { id: user })
    expect(await client.send('listZones')).toMatchObject({ status: 200 })
  })

  test('changes its names, and its password only with the current one', async () => {
    const { client, user } = await tenant()
    expect(await client.run('updateUser', { id: user, firstname: 'Ada' })).toMatchObject({ firstname: 'Ada' })
    await expect(client.run('updateUser', { id: user, password: 'a-new-password' })).rejects.toThrow(/currentpassword/)
    await expect(
      client.run('updateUser', { id: user, password: 'a-new-password', currentpassword: 'guessed-wrong' }),
    ).rejects.toThrow(/currentpassword/)
    await expect(client.run('updateUser', { id: user, password: 'short' })).rejects.toThrow(/at least 8/)
    const username = textOf((await client.list('listUsers'))[0] ?? {}, 'username')
    await manager.run('updateUser', { id: user, password: 'given-by-manager' })
    const login = await fetch(controller.url, {
      method: 'POST',
      body: new URLSearchParams({
        command: 'login',
        username,
        password: 'given-by-manager',
        domain: '/sales',
        response: 'json',
      }),
    })
    expect(login.status).toBe(200)
  })

  test('is found by its key, by administrators only', async () => {
    const { client, user } = await tenant()
    const { apikey } = await client.run('getUserKeys', { id: user })
    expect(await controller.api.run('getUser', { userapikey: String(apikey) })).toMatchObject({ id: user })
    await expect(controller.api.run('getUser', { userapikey: 'none' })).rejects.toThrow(/no user has this key/)
    expect(await client.send('getUser', { userapikey: String(apikey) })).toMatchObject({ status: 432 })
  })
})

describe('a domain', () => {
  test('is named anew with all paths below it, and its users log in under the new one', async () => {
    const north = textOf(await controller.api.run('createDomain', { name: 'north' }), 'id')
    const below = textOf(await controller.api.run('createDomain', { name: 'pole', parentdomainid: north }), 'id')
    expect(await controller.api.run('updateDomain', { id: north, name: 'arctic' })).toMatchObject({
      path: 'ROOT/arctic',
    })
    expect((await controller.api.list('listDomains', { id: below }))[0]).toMatchObject({ path: 'ROOT/arctic/pole' })
    await expect(controller.api.run('updateDomain', { id: north, name: 'sales' })).rejects.toThrow(/already/)
  })

  test('is deleted when it is empty, and says what is in it when it is not', async () => {
    const gone = textOf(await controller.api.run('createDomain', { name: 'gone' }), 'id')
    const below = textOf(await controller.api.run('createDomain', { name: 'below', parentdomainid: gone }), 'id')
    await expect(controller.api.run('deleteDomain', { id: gone })).rejects.toThrow(/domains: 1/)
    await expect(controller.api.run('deleteDomain', { id: gone, cleanup: true })).rejects.toThrow(/not supported/)
    await controller.api.run('deleteDomain', { id: below })
    await controller.api.run('deleteDomain', { id: gone, cleanup: false })
    expect(await controller.api.list('listDomains', { name: 'gone' })).toEqual([])
    expect(await controller.api.run('createDomain', { name: 'gone' })).toMatchObject({ path: 'ROOT/gone' })
    await expect(controller.api.run('deleteDomain', { id: sales })).rejects.toThrow(/accounts: /)
  })
})
