import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let user: TestClient
let volume: string
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  user = await controller.user()
  const { zone: zoneid, offering: diskofferingid } = ground
  volume = textOf(await user.run('createVolume', { zoneid, diskofferingid, size: 1, name: 'detailed' }), 'id')
})
afterAll(() => controller.stop())

describe('details of resources', () => {
  test('are put on by operators, seen by whoever sees the resource, changed and taken off', async () => {
    const { api } = controller
    const on = { resourcetype: 'volume', resourceid: volume }
    const two = {
      'details[0].key': 'rack',
      'details[0].value': '7',
      'details[1].key': 'owner',
      'details[1].value': 'x',
    }
    expect(await api.run('addResourceDetail', { ...on, ...two })).toEqual({ success: true })
    await api.run('addResourceDetail', {
      ...on,
      'details[0].key': 'secret',
      'details[0].value': 's',
      fordisplay: false,
    })
    const seen = await user.list('listResourceDetails', on)
    expect(seen).toEqual([
      { resourceid: volume, resourcetype: 'Volume', key: 'owner', value: 'x' },
      { resourceid: volume, resourcetype: 'Volume', key: 'rack', value: '7' },
    ])
    expect(await api.list('listResourceDetails', { resourcetype: 'Volume', key: 'secret' })).toMatchObject([
      { value: 's', fordisplay: false },
    ])
    await api.run('addResourceDetail', { ...on, 'details[0].rack': '8' })
    expect(await user.list('listResourceDetails', { ...on, key: 'rack' })).toMatchObject([{ value: '8' }])
    await api.run('removeResourceDetail', { ...on, key: 'rack' })
    expect(await api.list('listResourceDetails', on)).toHaveLength(2)
    await api.run('removeResourceDetail', on)
    expect(await api.list('listResourceDetails', on)).toEqual([])
  })

  test.each(['DiskOffering', 'Storage', 'Host', 'Zone'] as const)('are kept of %s', async (resourcetype) => {
    const { offering, pool, hosts, zone } = ground
    const resourceid = { DiskOffering: offering, Storage: pool, Host: hosts[0], Zone: zone }[resourcetype]
    await controller.api.run('addResourceDetail', { resourcetype, resourceid, 'details[0].a': 'b' })
    expect(await user.list('listResourceDetails', { resourcetype, resourceid })).toMatchObject([
      { key: 'a', value: 'b' },
    ])
  })

  test('are refused on what is not there, or carries none, and shown of nothing that belongs to others', async () => {
    const { api } = controller
    const detail = { 'details[0].a': 'b' }
    expect(await api.refuses('addResourceDetail', { resourcetype: 'Nic', resourceid: volume, ...detail })).toMatch(
      /parameter resourcetype: it must be one of Volume/,
    )
    expect(await api.refuses('addResourceDetail', { resourcetype: 'UserVm', resourceid: volume, ...detail })).toMatch(
      /parameter resourceid: there is no such UserVm/,
    )
    const other = await controller.user()
    expect(await other.refuses('listResourceDetails', { resourcetype: 'Volume', resourceid: volume })).toMatch(
      /resourceid/,
    )
    expect(await other.refuses('listResourceDetails', { resourcetype: 'Volume' })).toMatch(
      /resourceid: it must be given/,
    )
  })
})
