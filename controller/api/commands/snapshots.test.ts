import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, poolParams, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let vm: string
let volume: string

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
  vm = textOf(await controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
  const params = { name: 'disk', zoneid, diskofferingid, size: 2, virtualmachineid: vm }
  volume = textOf(await controller.api.run('createVolume', params), 'id')
})
afterAll(() => controller.stop())

async function refused(command: string, params: Asked, text: RegExp): Promise<void> {
  const said = await controller.api.refuses(command, params)
  expect(said).toMatch(/^431 /)
  expect(said).toMatch(text)
}

test('a snapshot of an Allocated volume is refused', async () => {
  const { zone: zoneid, offering: diskofferingid } = ground
  const id = textOf(await controller.api.run('createVolume', { zoneid, diskofferingid, size: 1 }), 'id')
  await refused('createSnapshot', { volumeid: id }, /is not in Ready state but Allocated. Cannot take snapshot/)
  await controller.api.run('deleteVolume', { id })
})

test('a volume of a running VM is not reverted; of a stopped one it is', async () => {
  const { api } = controller
  const snapshot = textOf(await api.run('createSnapshot', { volumeid: volume, name: 'first' }), 'id')
  await refused('revertSnapshot', { id: snapshot }, /not in the shutdown state: .* is Running/)
  await api.run('stopVirtualMachine', { id: vm })
  expect(await api.run('revertSnapshot', { id: snapshot })).toMatchObject({ id: snapshot, state: 'BackedUp' })
  await api.run('startVirtualMachine', { id: vm })
  expect((await api.list('listVolumes', { id: volume }))[0]).toMatchObject({ state: 'Ready', vmstate: 'Running' })
  await api.run('deleteSnapshot', { id: snapshot })
  expect(await api.list('listSnapshots', { name: 'first' })).toEqual([])
})

test('a snapshot has the id that an administrator chose, once', async () => {
  const { api } = controller
  const asked = { volumeid: volume, customid: randomUUID() }
  expect(await api.run('createSnapshot', asked)).toMatchObject({ id: asked.customid, state: 'BackedUp' })
  await refused('createSnapshot', asked, /customid: this id is, or was, in use/)
  await api.run('deleteSnapshot', { id: asked.customid })
  await refused('createSnapshot', asked, /customid: this id is, or was, in use/)
  await refused('createSnapshot', { ...asked, customid: 'mine' }, /customid: it must be a UUID/)
})

test.each<readonly [string, Asked, RegExp]>([
  ['a copy on secondary storage', { locationtype: 'secondary' }, /secondary storage, and the zone has none/],
  ['a place that is none', { locationtype: 'cellar' }, /locationtype: it must be one of PRIMARY, SECONDARY/],
  ['a quiesced guest', { quiescevm: true }, /can't handle quiescevm equal true/],
])('a snapshot with %s is refused', async (_what, more, text) => {
  await refused('createSnapshot', { volumeid: volume, ...more }, text)
})

test('a snapshot is archived where the zone has secondary storage, by operators', async () => {
  const { api } = controller
  const id = textOf(await api.run('createSnapshot', { volumeid: volume, name: 'to archive' }), 'id')
  await refused('archiveSnapshot', { id }, /secondary storage, and the zone has none/)
  const tenant = await controller.user()
  expect((await tenant.send('archiveSnapshot', { id })).status).toBe(432)
  await api.run('deleteSnapshot', { id })
})

test('locationtype is for managed pools', async () => {
  const { api, simulator } = controller
  const other = await makeGround(controller, 'unmanaged')
  await api.run('updateStoragePool', { id: other.pool, enabled: false })
  const params = { ...poolParams(simulator, 'unmanaged'), managed: false, zoneid: other.zone }
  await api.run('createStoragePool', params)
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = other
  const id = textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
  const made = await api.run('createVolume', { zoneid, diskofferingid, size: 1, virtualmachineid: id })
  const volumeid = textOf(made, 'id')
  await refused(
    'createSnapshot',
    { volumeid, locationtype: 'primary' },
    /locationtype: it is for volumes on managed storage only/,
  )
  await refused('createSnapshot', { volumeid }, /secondary storage, and the zone has none/)
})

test('tags given with a snapshot stay with it and find it', async () => {
  const { api } = controller
  const params = { volumeid: volume, name: 'tagged', 'tags[0].key': 'by', 'tags[0].value': 'backup' }
  const made = await api.run('createSnapshot', params)
  expect(made).toMatchObject({ tags: [{ key: 'by', value: 'backup', resourcetype: 'Snapshot' }] })
  expect(await api.list('listSnapshots', { 'tags[0].key': 'by' })).toHaveLength(1)
  await api.run('deleteSnapshot', { id: textOf(made, 'id') })
})

test('snapshots are listed by volume, name, zone, place and account, the newest first', async () => {
  const { api } = controller
  for (const name of ['one', 'two']) await api.run('createSnapshot', { volumeid: volume, name })
  const names = async (params: Asked) => (await api.list('listSnapshots', params)).map(({ name }) => name)
  expect(await names({ volumeid: volume })).toEqual(['two', 'one'])
  expect(await names({ name: 'one' })).toEqual(['one'])
  expect(await names({ keyword: 'W' })).toEqual(['two'])
  expect(await names({ zoneid: ground.zone })).toEqual(['two', 'one'])
  expect(await names({ locationtype: 'primary' })).toEqual(['two', 'one'])
  expect(await names({ locationtype: 'secondary' })).toEqual([])
  expect(await names({ snapshottype: 'recurring' })).toEqual([])
  expect(await names({ page: 2, pagesize: 1 })).toEqual(['one'])
  const tenant = await controller.user()
  expect(await tenant.list('listSnapshots', { listall: true })).toEqual([])
  const { status } = await tenant.send('createSnapshot', { volumeid: volume })
  expect(status).toBe(431)
})

test('a volume is made larger than its snapshot, not smaller, and not once the snapshot is gone', async () => {
  const { api } = controller
  const snapshotid = textOf(await api.run('createSnapshot', { volumeid: volume, name: 'source' }), 'id')
  await refused('createVolume', { snapshotid, size: 1 }, /below the size of the snapshot, 2 GiB/)
  const larger = await api.run('createVolume', { snapshotid, size: 3, name: 'larger' })
  expect(larger).toMatchObject({ state: 'Ready', size: 3 * 1024 ** 3, snapshotid, miniops: 100 })
  const attached = await api.run('createVolume', { snapshotid, name: 'attached', virtualmachineid: vm })
  expect(attached).toMatchObject({ state: 'Ready', virtualmachineid: vm })
  await api.run('deleteSnapshot', { id: snapshotid })
  await refused('createVolume', { snapshotid }, /snapshotid value=.*entity does not exist/)
})
