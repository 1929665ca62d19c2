import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'

const VOLUME = 2
const SNAPSHOT = 3
const PRIMARY_STORAGE = 10

let controller: TestController
let ground: Ground
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

interface Tenant {
  readonly client: TestClient
  readonly domain: string
  /** Names it as an owner of limits. */
  readonly owner: { readonly account: string; readonly domainid: string }
}

let domains = 0
/** A tenant in a domain of its own. */
async function tenant(): Promise<Tenant> {
  domains += 1
  const domain = textOf(await controller.api.run('createDomain', { name: `limited-${domains}` }), 'id')
  const client = await controller.user({ domain })
  const [account = {}] = await client.list('listAccounts')
  return { client, domain, owner: { account: textOf(account, 'name'), domainid: domain } }
}

const limit = async (owner: object, resourcetype: number, max: number) =>
  await controller.api.run('updateResourceLimit', { ...owner, resourcetype, max })

const volume = async (client: TestClient, size = 1) =>
  await client.run('createVolume', { name: 'v', zoneid: ground.zone, diskofferingid: ground.offering, size })

describe('a limit', () => {
  test('of volumes refuses the one too many, names limit and amount, and makes nothing', async () => {
    const { client, owner } = await tenant()
    expect(await limit(owner, VOLUME, 2)).toMatchObject({ max: 2, resourcetype: '2', resourcetypename: 'volume' })
    await volume(client)
    await volume(client)
    const { status, answer } = await client.send('createVolume', {
      name: 'v',
      zoneid: ground.zone,
      diskofferingid: ground.offering,
      size: 1,
    })
    expect({ status, ...answer }).toMatchObject({ status: 535, errorcode: 535, cserrorcode: 4370 })
    expect(answer['errortext']).toContain('Account Resource Limit = 2, Current Account Resource Amount = 2')
    expect(await client.list('listVolumes')).toHaveLength(2)
    await limit(owner, VOLUME, -1)
    await volume(client)
  })

  test('holds whoever comes at once', async () => {
    const { client, owner } = await tenant()
    await limit(owner, VOLUME, 3)
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => volume(client)))
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(await client.list('listVolumes')).toHaveLength(3)
  })

  test('of storage counts what volumes are to have, also when they grow', async () => {
    const { client, owner } = await tenant()
    await limit(owner, PRIMARY_STORAGE, 5)
    const id = textOf(await volume(client, 3), 'id')
    await expect(volume(client, 3)).rejects.toThrow(/Limit = 5, Current Account Resource Amount = 3, Requested .* = 3/)
    await expect(client.run('resizeVolume', { id, size: 6 })).rejects.toThrow(/primary_storage/)
    expect(await client.run('resizeVolume', { id, size: 5 })).toMatchObject({ size: 5 * 2 ** 30 })
  })

  test('of a domain counts all accounts in it and below it', async () => {
    const { client, domain } = await tenant()
    const below = textOf(await controller.api.run('createDomain', { name: 'below', parentdomainid: domain }), 'id')
    const other = await controller.user({ domain: below })
    await limit({ domainid: domain }, VOLUME, 1)
    await volume(other)
    await expect(volume(client)).rejects.toThrow(/Domain Resource Limit = 1, Current Domain Resource Amount = 1/)
    const [count] = await controller.api.list('updateResourceCount', { domainid: domain, resourcetype: VOLUME })
    expect(count).toMatchObject({ resourcecount: 1, domainid: domain })
  })

  test('of snapshots does not keep volumes from being made', async () => {
    const { client, owner } = await tenant()
    await limit(owner, SNAPSHOT, 0)
    const made = await volume(client)
    await expect(client.run('createSnapshot', { volumeid: textOf(made, 'id') })).rejects.toThrow(/Ready|snapshot/)
  })

  test('is seen by the account, and set only by who administers it from above', async () => {
    const { client, owner, domain } = await tenant()
    await limit(owner, VOLUME, 7)
    const own = await client.list('listResourceLimits', { resourcetype: VOLUME })
    expect(own).toMatchObject([{ max: 7, account: owner.account, domainid: domain }])
    expect(await client.list('listResourceLimits')).toHaveLength(8)
    await expect(client.list('listResourceLimits', { domainid: domain })).rejects.toThrow(/permission|does not exist/)
    const manager = await controller.user({ role: 'domain-admin', domain })
    await expect(
      manager.run('updateResourceLimit', { domainid: domain, resourcetype: VOLUME, max: 9 }),
    ).rejects.toThrow(/own/)
    expect(await manager.run('updateResourceLimit', { ...owner, resourcetype: VOLUME, max: 9 })).toMatchObject({
      max: 9,
    })
    await expect(limit(owner, 6, 1)).rejects.toThrow(/resourcetype: it must be one of/)
    await expect(limit(owner, VOLUME, -2)).rejects.toThrow(/max/)
  })
})
