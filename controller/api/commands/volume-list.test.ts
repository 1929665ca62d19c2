import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, type Asked, type TestClient, textOf } from '../../testing-client.ts'

const GIB = 1024 ** 3
let controller: TestController
let ground: Ground
let other: Ground
let tenant: TestClient
let vm: string
const ids = new Map<string, string>()

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  other = await makeGround(controller, 'other')
  tenant = await controller.user()
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  const made = await controller.api.run('deployVirtualMachine', { name: 'vm', zoneid, serviceofferingid, templateid })
  vm = textOf(made, 'id')
  for (const [name, size] of [
    ['alpha', 3],
    ['beta', 1],
    ['gamma', 2],
  ] as const)
    ids.set(name, await create(controller.api, { name, size }))
  ids.set('far', await create(controller.api, { name: 'far', zoneid: other.zone, diskofferingid: other.offering }))
  ids.set('theirs', await create(tenant, { name: 'theirs_100%' }))
  await controller.api.run('attachVolume', { id: ids.get('alpha'), virtualmachineid: vm })
  await controller.api.run('createTags', {
    resourcetype: 'Volume',
    resourceids: ids.get('beta'),
    'tags[0].key': 'env',
    'tags[0].value': 'prod',
  })
})
afterAll(() => controller.stop())

async function create(client: TestClient, more: Asked): Promise<string> {
  const { zone: zoneid, offering: diskofferingid } = ground
  return textOf(await client.run('createVolume', { zoneid, diskofferingid, size: 1, ...more }), 'id')
}

async function names(params: Asked, client = controller.api): Promise<readonly unknown[]> {
  return (await client.list('listVolumes', params)).map(({ name }) => name)
}

const MINE = ['far', 'gamma', 'beta', 'alpha']

test.each<readonly [string, () => Asked, readonly string[]]>([
  ["nothing: its own account's, the newest first", () => ({}), MINE],
  ["listall: everybody's", () => ({ listall: true }), ['theirs_100%', ...MINE]],
  ['an id of another account', () => ({ id: ids.get('theirs') }), ['theirs_100%']],
  ['ids', () => ({ ids: `${ids.get('beta')},${ids.get('far')}` }), ['far', 'beta']],
  ['the whole name', () => ({ name: 'beta' }), ['beta']],
  ['a part of a name as the name', () => ({ name: 'bet' }), []],
  ['a keyword, in whatever case', () => ({ keyword: 'AMM' }), ['gamma']],
  ['a keyword with signs that SQL reads', () => ({ keyword: '_100%', listall: true }), ['theirs_100%']],
  ['a sign that SQL reads, in no name of its own', () => ({ keyword: '%' }), []],
  ['a type', () => ({ type: 'datadisk' }), MINE],
  ['a type that nobody has', () => ({ type: 'ROOT' }), []],
  ['a VM', () => ({ virtualmachineid: vm }), ['alpha']],
  ['a zone', () => ({ zoneid: other.zone }), ['far']],
  ['a pool', () => ({ storageid: ground.pool }), ['alpha']],
  ['a state, in whatever case', () => ({ state: 'allocated' }), ['far', 'gamma', 'beta']],
  ['a disk offering', () => ({ diskofferingid: other.offering }), ['far']],
  ['a service offering', () => ({ serviceofferingid: ground.service }), ['alpha']],
  ['a tag', () => ({ 'tags[0].key': 'env', 'tags[0].value': 'prod' }), ['beta']],
  ['a tag with another value', () => ({ 'tags[0].key': 'env', 'tags[0].value': 'test' }), []],
  ['two conditions', () => ({ state: 'Allocated', zoneid: ground.zone }), ['gamma', 'beta']],
  ['an order: name', () => ({ order: 'name' }), ['alpha', 'beta', 'far', 'gamma']],
  ['an order: size', () => ({ order: 'size', zoneid: ground.zone }), ['alpha', 'gamma', 'beta']],
  ['an order: oldest', () => ({ order: 'oldest' }), MINE.toReversed()],
])('an administrator lists by %s', async (_what, params, expected) => {
  expect(await names(params())).toEqual(expected)
})

test('a host finds the volumes of the VMs on it', async () => {
  const [row] = await controller.api.list('listVirtualMachines', { id: vm })
  expect(await names({ hostid: String(row?.['hostid']) })).toEqual(['alpha'])
})

test('a tenant sees its own, whatever it asks for, and not where they live', async () => {
  expect(await names({}, tenant)).toEqual(['theirs_100%'])
  expect(await names({ listall: true }, tenant)).toEqual(['theirs_100%'])
  expect(await tenant.refuses('listVolumes', { id: ids.get('alpha') })).toMatch(/^431 .*does not exist/)
  const mine = (await tenant.list('listVolumes', { name: 'theirs_100%' }))[0] ?? {}
  for (const field of ['storage', 'storageid', 'path', 'provider', 'podid', 'clusterid', 'device'])
    expect(mine).not.toHaveProperty(field)
  const own: Answered = (await controller.api.list('listVolumes', { name: 'alpha' }))[0] ?? {}
  expect(own).toMatchObject({ storageid: ground.pool, storage: 'array-one', provider: 'simulator', size: 3 * GIB })
  expect(own['path']).toEqual(expect.any(String))
})

test('what is gone is listed as nothing, what never was is refused', async () => {
  const id = await create(tenant, { name: 'short' })
  await tenant.run('deleteVolume', { id })
  expect(await tenant.ask('listVolumes', { id })).toEqual({})
  expect(await tenant.refuses('listVolumes', { id: ground.zone })).toMatch(/^431 .*entity does not exist/)
})

test('an administrator makes a volume for an account, which owns it', async () => {
  const [owner] = await tenant.list('listAccounts', {})
  const account = String(owner?.['name'])
  const id = await create(controller.api, { name: 'given', account, domainid: String(owner?.['domainid']) })
  expect((await tenant.list('listVolumes', { id }))[0]).toMatchObject({ name: 'given', account })
  expect(await names({ account })).toEqual(['given', 'theirs_100%'])
  const asked = { zoneid: ground.zone, diskofferingid: ground.offering, size: 1, account: 'admin' }
  expect(await tenant.refuses('createVolume', asked)).toMatch(/^531 /)
  await tenant.run('deleteVolume', { id })
})

test('in a disabled zone only administrators make volumes', async () => {
  await controller.api.run('updateZone', { id: other.zone, allocationstate: 'Disabled' })
  const params = { zoneid: other.zone, diskofferingid: other.offering, size: 1 }
  expect(await tenant.refuses('createVolume', params)).toMatch(/^531 .*Zone is currently disabled: zone-other/)
  await controller.api.run('deleteVolume', { id: await create(controller.api, params) })
  await controller.api.run('updateZone', { id: other.zone, allocationstate: 'Enabled' })
})

test('pages count the whole, and one past the end has the count alone', async () => {
  const page = (number: number) => controller.api.ask('listVolumes', { listall: true, page: number, pagesize: 2 })
  const [first, second, third, past] = [await page(1), await page(2), await page(3), await page(4)]
  const listed = [first, second, third].flatMap((one) => (one?.['volume'] ?? []) as readonly Answered[]) // Its key.
  expect(listed.map(({ name }) => name)).toEqual(['theirs_100%', ...MINE])
  expect([first, second, third].map((one) => one?.['count'])).toEqual([5, 5, 5])
  expect(past).toEqual({ count: 5 })
  expect(await controller.api.ask('listVolumes', { keyword: 'nobody' })).toEqual({})
  expect(await controller.api.ask('listVolumes', { retrieveonlyresourcecount: true })).toEqual({ count: 4 })
})
