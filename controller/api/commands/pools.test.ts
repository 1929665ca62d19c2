import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, poolParams, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

function pool(array: string, more: Asked = {}): Asked {
  return { ...poolParams(controller.simulator, array), zoneid: ground.zone, ...more }
}

async function refused(command: string, params: Asked, text: RegExp): Promise<void> {
  const said = await controller.api.refuses(command, params)
  expect(said).toMatch(/^431 /)
  expect(said).toMatch(text)
}

describe('registering a pool', () => {
  test('answers what the array is, and never its password', async () => {
    const made = await controller.api.run(
      'createStoragePool',
      pool('good', { tags: 'ssd,fast', capacitybytes: 2 ** 40 }),
    )
    expect(made).toMatchObject({ name: 'good', provider: 'simulator', state: 'Up', scope: 'ZONE', managed: true })
    expect(made).toMatchObject({ disksizetotal: 2 ** 40, capacityiops: 100_000, tags: 'ssd,fast', type: 'Iscsi' })
    expect(made).toMatchObject({ details: { user: controller.simulator.user }, overprovisionfactor: '1' })
    expect(made).toMatchObject({ storagecapabilities: { snapshots: 'true', revert: 'true' } })
    const listed = await controller.api.list('listStoragePools', { id: textOf(made, 'id') })
    expect(listed).toEqual([made])
    expect(JSON.stringify(listed)).not.toContain(controller.simulator.password)
    const row = await controller.store.reader.selectFrom('pool').selectAll().where('name', '=', 'good').execute()
    expect(JSON.stringify(row)).not.toContain(controller.simulator.password)
  })

  test('takes user and password from the url, and finds the provider by its scheme', async () => {
    const { user, password } = controller.simulator
    const url = controller.simulator
      .storageEndpoint('by-url')
      .url.replace('://', `://${user}:${encodeURIComponent(password)}@`)
    const params = pool('by-url', { url, provider: undefined, 'details[0].user': undefined })
    const made = await controller.api.run('createStoragePool', { ...params, 'details[0].password': undefined })
    expect(made).toMatchObject({ provider: 'simulator', details: { user } })
    expect(made).toMatchObject({ ipaddress: '127.0.0.1', path: '/by-url' })
    expect(await controller.api.list('listStoragePools', { ipaddress: '127.0.0.1', path: '/by-url' })).toHaveLength(1)
  })

  test('takes details in the other style as well', async () => {
    const { user, password } = controller.simulator
    const made = await controller.api.run('createStoragePool', {
      ...pool('other-style', { 'details[0].user': undefined, 'details[0].password': undefined }),
      'details[0].key': 'user',
      'details[0].value': user,
      'details[1].key': 'password',
      'details[1].value': password,
    })
    expect(made).toMatchObject({ state: 'Up' })
  })

  test.each<readonly [string, () => Asked, RegExp]>([
    [
      'an unknown provider',
      () => ({ provider: 'solidfire' }),
      /provider: there is no storage provider solidfire; known are simulator/,
    ],
    ['a url of another scheme', () => ({ url: 'nfs://127.0.0.1/x' }), /url: it must begin with simulator:\/\//],
    ['no url at all', () => ({ url: 'array' }), /url: it must be a url/],
    [
      'a url that the plug-in cannot read',
      () => ({ url: 'simulator://127.0.0.1:1/UPPER' }),
      /url: must read simulator/,
    ],
    ['no password', () => ({ 'details[0].password': undefined }), /password is required/],
    ['an unknown setting', () => ({ 'details[0].colour': 'red' }), /there is no setting colour/],
    [
      'a wrong password',
      () => ({ 'details[0].password': 'wrong' }),
      /refused the credentials: check user and password/,
    ],
    ['a setting of the wrong type', () => ({ 'details[0].iops': 'many' }), /iops must be a whole number/],
    [
      'a hypervisor that is not loaded',
      () => ({ hypervisor: 'Hyper-W' }),
      /hypervisor: it must be Any or one of Simulator/,
    ],
    ['no promise at all', () => ({ capacityiops: 0 }), /capacityiops: it must be above 0/],
    ['cluster scope without a cluster', () => ({ scope: 'cluster' }), /clusterid is needed/],
    ['a cluster with zone scope', () => ({ clusterid: ground.cluster }), /clusterid does not go with scope ZONE/],
    ['a scope that is none', () => ({ scope: 'planet' }), /scope: it must be one of ZONE, CLUSTER, HOST/],
  ])('refuses %s and stores nothing', async (_what, more, text) => {
    await refused('createStoragePool', pool('refused', more()), text)
    expect(await controller.api.list('listStoragePools', { name: 'refused' })).toEqual([])
  })

  test('refuses the same pool of an array twice', async () => {
    await refused('createStoragePool', pool('array-one', { name: 'again' }), /registered already, as array-one/)
  })

  test('refuses an array that is not there, at once', async () => {
    const url = `simulator://127.0.0.1:${await closedPort()}/nobody`
    const said = await controller.api.refuses('createStoragePool', pool('refused', { url }))
    expect(said).toMatch(/^534 The array .* cannot be reached.*Nothing was registered/)
    expect(said).not.toContain('127.0.0.1')
    expect(await controller.api.list('listStoragePools', { name: 'refused' })).toEqual([])
  })
})

describe('changing a pool', () => {
  test('renames it, tags it, and puts it out of and back into use', async () => {
    const id = textOf(await controller.api.run('createStoragePool', pool('changed')), 'id')
    const { api } = controller
    expect(await api.run('updateStoragePool', { id, name: 'named', tags: 'a,b', capacityiops: 5 })).toMatchObject({
      name: 'named',
      tags: 'a,b',
      capacityiops: 5,
    })
    expect(await api.run('updateStoragePool', { id, enabled: false })).toMatchObject({ state: 'Disabled' })
    await refused('updateStoragePool', { id, enabled: false }, /state Disabled, which does not allow Disable/)
    expect(await api.run('updateStoragePool', { id, enabled: true })).toMatchObject({ state: 'Up' })
    await refused('updateStoragePool', { id, 'details[0].password': 'wrong' }, /refused the credentials/)
    const elsewhere = controller.simulator.storageEndpoint('another').url
    await refused('updateStoragePool', { id, url: elsewhere }, /lead to another pool/)
    expect(
      await api.run('updateStoragePool', { id, 'details[0].password': controller.simulator.password }),
    ).toMatchObject({
      details: { user: controller.simulator.user },
    })
  })

  test('does not promise less than is promised already', async () => {
    const { api } = controller
    const { id, vm, pool: used } = await attachedVolume()
    await refused(
      'updateStoragePool',
      { id: used, capacityiops: 50 },
      /100 are promised to volumes already, so it must be at least 100/,
    )
    await refused('updateStoragePool', { id: used, capacitybytes: 1 }, /1073741824 are promised/)
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  })

  async function attachedVolume() {
    const { api } = controller
    const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
    const vm = textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
    const params = { zoneid, diskofferingid, size: 1, virtualmachineid: vm }
    const volume = await api.run('createVolume', params)
    return { id: textOf(volume, 'id'), vm, pool: textOf(volume, 'storageid') }
  }
})

describe('tags that change later', () => {
  test('leave volumes where they are, and operators are told which their offering would not put there any more', async () => {
    const { api } = controller
    const made = await api.run('createStoragePool', pool('tagged', { tags: 'quick,near' }))
    const storageid = textOf(made, 'id')
    const sold = { name: 'quick', displaytext: 'quick', customized: true, tags: 'quick' }
    const diskofferingid = textOf(await api.run('createDiskOffering', sold), 'id')
    const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
    const vm = await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid, startvm: false })
    const place = { zoneid, diskofferingid, size: 1, virtualmachineid: textOf(vm, 'id') }
    const id = textOf(await api.run('createVolume', { name: 'stays', ...place }), 'id')
    const alerts = async (name: string) => (await api.list('listAlerts', { name })).map((one) => one['description'])
    const off = async () => (await api.list('listVolumes', { tagsmatch: false })).map((one) => one['id'])

    await api.run('updateStoragePool', { id: storageid, tags: 'quick,far' })
    expect(await alerts('STORAGE.POOL.TAGS.UNMATCHED')).toEqual([])
    expect(await off()).toEqual([])
    await api.run('updateStoragePool', { id: storageid, tags: 'far' })
    expect(await alerts('STORAGE.POOL.TAGS.UNMATCHED')).toEqual([
      'Storage pool tagged does not carry all tags of the disk offerings of 1 volume: stays. They stay there; listVolumes tagsmatch=false lists them',
    ])
    expect(await off()).toEqual([id])
    expect((await api.list('listVolumes', { id }))[0]).toMatchObject({ storageid, missingtags: 'quick' })
    await api.run('updateDiskOffering', { id: diskofferingid, tags: 'far' })
    expect(await off()).toEqual([])
    await api.run('updateDiskOffering', { id: diskofferingid, tags: 'far,quick' })
    expect(await alerts('DISK.OFFERING.TAGS.UNMATCHED')).toHaveLength(1)
    expect(await api.list('listVolumes', { id, tagsmatch: true })).toEqual([])
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
  })
})

describe('removing a pool', () => {
  test('needs it out of service and empty; forced deletes what was destroyed', async () => {
    const { api } = controller
    const mine = await makeGround(controller, 'removal')
    const params = { zoneid: mine.zone, serviceofferingid: mine.service, templateid: mine.template }
    const vm = textOf(await api.run('deployVirtualMachine', params), 'id')
    const disk = { zoneid: mine.zone, diskofferingid: mine.offering, size: 1, virtualmachineid: vm }
    const id = textOf(await api.run('createVolume', disk), 'id')
    await refused('deleteStoragePool', { id: mine.pool }, /state Up, which does not allow Remove/)
    expect(await api.run('enableStorageMaintenance', { id: mine.pool })).toMatchObject({ state: 'Maintenance' })
    expect((await api.list('listVirtualMachines', { id: vm }))[0]).toMatchObject({ state: 'Stopped' })
    await refused('deleteStoragePool', { id: mine.pool }, /cannot be deleted: 1 volumes live there/)
    await refused('deleteStoragePool', { id: mine.pool, forced: true }, /cannot be deleted: 1 volumes live there/)
    expect(await api.run('cancelStorageMaintenance', { id: mine.pool })).toMatchObject({ state: 'Up' })
    const state = async () => (await api.list('listVirtualMachines', { id: vm }))[0]?.['state']
    await expect.poll(state, { timeout: 30_000 }).toBe('Running')
    await api.run('detachVolume', { id })
    await api.run('destroyVolume', { id })
    await api.run('enableStorageMaintenance', { id: mine.pool })
    await refused('deleteStoragePool', { id: mine.pool }, /1 destroyed volumes still live \(forced=true deletes them\)/)
    expect(await api.ask('deleteStoragePool', { id: mine.pool, forced: true })).toEqual({ success: true })
    expect(await api.list('listStoragePools', { zoneid: mine.zone })).toEqual([])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  })
})

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await portOf(server)
  await new Promise((resolve) => void server.close(resolve))
  return port
}
