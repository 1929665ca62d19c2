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
  const made = await user.run('createVolume', {
    zoneid: ground.zone,
    diskofferingid: ground.offering,
    size: 1,
    name: 'tagged',
  })
  volume = textOf(made, 'id')
})
afterAll(() => controller.stop())

const two = { 'tags[0].key': 'team', 'tags[0].value': 'red', 'tags[1].key': 'cost', 'tags[1].value': '7' }

describe('tags', () => {
  test('are put on what one owns, listed with it, found by it, changed and taken off', async () => {
    const on = { resourcetype: 'volume', resourceids: volume }
    expect(await user.run('createTags', { ...on, ...two })).toEqual({ success: true })
    const [listed] = await user.list('listVolumes', { id: volume })
    expect(listed?.['tags']).toMatchObject([
      { key: 'cost', value: '7', resourcetype: 'Volume', resourceid: volume },
      { key: 'team', value: 'red' },
    ])
    expect(await user.list('listVolumes', { 'tags[0].key': 'team', 'tags[0].value': 'red' })).toHaveLength(1)
    expect(await user.list('listVolumes', { 'tags[0].key': 'team', 'tags[0].value': 'blue' })).toEqual([])
    await user.run('createTags', { ...on, 'tags[0].key': 'team', 'tags[0].value': 'blue' })
    expect((await user.list('listTags', { key: 'team' })).map((tag) => tag['value'])).toEqual(['blue'])
    await user.run('deleteTags', { ...on, 'tags[0].key': 'cost', 'tags[0].value': '8' })
    expect(await user.list('listTags', { resourceid: volume })).toHaveLength(2)
    await user.run('deleteTags', { ...on, 'tags[0].key': 'cost' })
    await user.run('deleteTags', on)
    expect(await user.list('listTags')).toEqual([])
  })

  test.each([
    ['of a type that carries none', { resourcetype: 'Network', resourceids: '1' }, /Network carries no tags here/],
    ['of nothing', { resourcetype: 'Volume', resourceids: ',' }, /names no resource/],
    ['of what is not there', { resourcetype: 'Volume', resourceids: 'x' }, /there is no Volume x/],
  ])('are refused: %s', async (_, on, text) => {
    await expect(user.run('createTags', { ...on, ...two })).rejects.toThrow(text)
  })

  test('are refused on what belongs to others or to the installation', async () => {
    const other = await controller.user()
    const on = { resourcetype: 'Volume', resourceids: volume }
    await expect(other.run('createTags', { ...on, ...two })).rejects.toThrow(/there is no Volume/)
    const zone = { resourcetype: 'Zone', resourceids: ground.zone }
    await expect(user.run('createTags', { ...zone, ...two })).rejects.toThrow(/does not have permission/)
    await controller.api.run('createTags', { ...zone, ...two })
    const [found] = await controller.api.list('listZones', { id: ground.zone })
    expect(found?.['tags']).toMatchObject([{ key: 'cost' }, { key: 'team' }])
  })
})

describe('settings and events', () => {
  test('a setting is changed within its rule, for all to see', async () => {
    const { api } = controller
    const [before] = await api.list('listConfigurations', { name: 'expunge.delay' })
    expect(before).toMatchObject({ value: '86400', defaultvalue: '86400', isdynamic: true })
    expect(await api.run('updateConfiguration', { name: 'expunge.delay', value: '60' })).toMatchObject({ value: '60' })
    const [after] = await api.list('listConfigurations', { keyword: 'EXPUNGE' })
    expect(after).toMatchObject({ value: '60', defaultvalue: '86400' })
    for (const value of ['0', '-1', 'soon', '1.5']) {
      const change = api.run('updateConfiguration', { name: 'expunge.delay', value })
      await expect(change).rejects.toThrow(/whole number of seconds from 1/)
    }
    await expect(api.run('updateConfiguration', { name: 'nope', value: '1' })).rejects.toThrow(/nope doesn't exist/)
    expect(await api.ask('listConfigurations', { name: 'nope' })).toEqual({})
  })

  test('events are seen by whom they concern, by type, resource and time', async () => {
    const mine = await user.list('listEvents', { resourceid: volume })
    expect(mine.map((event) => event['type'])).toContain('VOLUME.CREATE')
    for (const event of mine) expect(event).toMatchObject({ level: 'INFO', resourceid: volume, resourcetype: 'Volume' })
    expect(await user.list('listEvents', { type: 'ZONE.CREATE', listall: true })).toEqual([])
    const [zone] = await controller.api.list('listEvents', { type: 'ZONE.CREATE', listall: true })
    expect(zone).toMatchObject({ username: 'admin', description: 'Zone zone-one was created', state: 'Completed' })
    const today = new Date().toISOString().slice(0, 10)
    expect(await user.list('listEvents', { startdate: today, enddate: today })).not.toEqual([])
    expect(await user.list('listEvents', { startdate: '2099-01-01' })).toEqual([])
    const [first] = mine
    expect(await user.list('listEvents', { startid: String(first?.['parentid']) })).not.toEqual([])
  })
})
