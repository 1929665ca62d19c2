import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { poolById } from '../../store/pools.ts'
import { type Ground, makeGround, poolParams, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

const FACTOR = 'storage.overprovisioning.factor'

async function valueOf(at: object = {}): Promise<unknown> {
  const [found] = await controller.api.list('listConfigurations', { name: FACTOR, ...at })
  return [found?.['value'], found?.['scope']]
}

describe('a setting of pools', () => {
  test('holds where it is set, nearest first, and where it is reset the next nearest does', async () => {
    const { api, store } = controller
    const [zone, pool] = [{ zoneid: ground.zone }, { storageid: ground.pool }]
    const factor = async () => (await poolById(store.reader, ground.pool))?.bytesFactor
    expect(await valueOf(pool)).toEqual(['1', 'global'])
    await api.run('updateConfiguration', { name: FACTOR, value: '2' })
    await api.run('updateConfiguration', { name: FACTOR, value: '2.5', ...zone })
    expect(await factor()).toBe(2.5)
    const set = await api.run('updateConfiguration', { name: FACTOR, value: '1.25', ...pool })
    expect(set).toMatchObject({ value: '1.25', scope: 'storagepool', defaultvalue: '1', type: 'Decimal' })
    expect([await valueOf(), await valueOf(zone), await valueOf(pool)]).toEqual([
      ['2', 'global'],
      ['2.5', 'zone'],
      ['1.25', 'storagepool'],
    ])
    expect(await factor()).toBe(1.25)
    const [shown] = await api.list('listStoragePools', { id: ground.pool })
    expect(shown).toMatchObject({ overprovisionfactor: '1.25' })
    expect(await api.run('resetConfiguration', { name: FACTOR, ...pool })).toMatchObject({
      value: '2.5',
      scope: 'zone',
    })
    expect(await factor()).toBe(2.5)
    await api.run('resetConfiguration', { name: FACTOR, ...zone })
    await api.run('resetConfiguration', { name: FACTOR })
    expect(await factor()).toBe(1)
  })

  test('holds for a pool that is registered later', async () => {
    const { api, simulator } = controller
    await api.run('updateConfiguration', { name: 'storage.iops.floor', value: '25', zoneid: ground.zone })
    await api.run('updateConfiguration', { name: 'storage.unbounded.volumes', value: 'false', zoneid: ground.zone })
    const made = await api.run('createStoragePool', { ...poolParams(simulator, 'later'), zoneid: ground.zone })
    expect(made).toMatchObject({ iopsfloor: 25, unboundedvolumes: false })
    await api.run('resetConfiguration', { name: 'storage.iops.floor', zoneid: ground.zone })
    await api.run('resetConfiguration', { name: 'storage.unbounded.volumes', zoneid: ground.zone })
    const [after] = await api.list('listStoragePools', { id: textOf(made, 'id') })
    expect(after).toMatchObject({ iopsfloor: 0, unboundedvolumes: true })
  })

  test('is not set to what a pool has promised too much for, and then nothing has changed', async () => {
    const { api, store } = controller
    const pool = { storageid: ground.pool }
    await store.reader
      .updateTable('pool')
      .set({ reservedBytes: 2 ** 40, capacityBytes: 2 ** 40 })
      .where('id', '=', ground.pool)
      .execute()
    expect(await api.refuses('updateConfiguration', { name: FACTOR, value: '0.5', ...pool })).toMatch(
      /^431 .*storage pool array-one has promised 1 TiB, and might promise 512 GiB/,
    )
    expect(await valueOf(pool)).toEqual(['1', 'global'])
    await store.reader
      .updateTable('pool')
      .set({ reservedBytes: 0, capacityBytes: null })
      .where('id', '=', ground.pool)
      .execute()
  })

  test.each([
    [{ name: FACTOR, value: '0' }, /is a factor, with four decimals at most, from 0.01 to 100/],
    [{ name: FACTOR, value: '1.00001' }, /four decimals at most/],
    [{ name: 'storage.unbounded.volumes', value: '1' }, /is true or false/],
    [{ name: 'storage.iops.floor', value: '1.5' }, /is a whole number of IOPS/],
    [{ name: 'nothing', value: '1' }, /doesn't exist/],
  ])('is refused what breaks its rule: %j', async (params, text) => {
    expect(await controller.api.refuses('updateConfiguration', params)).toMatch(text)
  })

  test('has no value of its own where it cannot have one', async () => {
    const { api } = controller
    const zone = { name: 'expunge.delay', zoneid: ground.zone }
    expect(await api.refuses('updateConfiguration', { ...zone, value: '5' })).toMatch(/zoneid: setting expunge.delay/)
    expect(await api.list('listConfigurations', zone)).toEqual([])
    const both = { name: FACTOR, value: '1', zoneid: ground.zone, storageid: ground.pool }
    expect(await api.refuses('updateConfiguration', both)).toMatch(/zoneid and storageid exclude each other/)
  })
})

test('settings stand in groups, by their category', async () => {
  const { api } = controller
  const groups = await api.list('listConfigurationGroups')
  const categories = (await api.list('listConfigurations')).map((one) => textOf(one, 'category'))
  expect(groups.map(({ name }) => name)).toEqual([...new Set(categories)].toSorted())
  const [storage] = await api.list('listConfigurationGroups', { group: 'storage' })
  expect(storage).toMatchObject({ name: 'Storage', description: expect.stringContaining(FACTOR) as string }) // A matcher stands for a text.
})
