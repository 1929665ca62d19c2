import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let vm: string
let volume: string
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const { api } = controller
  const { zone: zoneid, offering: diskofferingid, service: serviceofferingid, template: templateid } = ground
  vm = textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
  volume = textOf(await api.run('createVolume', { name: 'disk', zoneid, diskofferingid, size: 2 }), 'id')
  await api.run('attachVolume', { id: volume, virtualmachineid: vm })
})
afterAll(() => controller.stop())

describe('lists with figures', () => {
  test('answer what the plain list answers, and figures with their units', async () => {
    const { api, store } = controller
    const counts = { readOps: 3, writeOps: 4, readBytes: 4096, writeBytes: 2 * 2 ** 20 }
    await store.reader.updateTable('volumeIo').set(counts).where('volumeId', '=', volume).execute()
    const { answer } = await api.send('listVolumesMetrics', { id: volume })
    const [plain] = await api.list('listVolumes', { id: volume })
    expect(answer).toEqual({ count: 1, volume: [{ ...plain, sizegb: '2.00 GiB', diskiopstotal: 7 }] })
    expect((await api.list('listVirtualMachinesMetrics', { id: vm }))[0]).toMatchObject({
      id: vm,
      memorytotal: '0.13 GiB',
      diskread: '0.00 MiB',
      diskwrite: '2.00 MiB',
      diskkbsread: 4,
      diskioread: 3,
      diskiopstotal: 7,
    })
    expect((await api.list('listHostsMetrics', { id: ground.hosts[0] }))[0]).toMatchObject({
      memorytotalgb: expect.stringMatching(/^\d+\.\d\d GB$/) as string, // A matcher has no type.
    })
    expect((await api.list('listStoragePoolsMetrics', { id: ground.pool }))[0]).toMatchObject({
      disksizeallocatedgb: '2.00 GB',
    })
  })

  test('count the hosts of a cluster that are Up, and the clusters of a zone', async () => {
    const { api, store } = controller
    const host = store.reader.updateTable('host').where('id', '=', ground.hosts[0])
    await host.set({ state: 'Alert' }).execute()
    expect(await api.list('listClustersMetrics', { id: ground.cluster })).toMatchObject([
      { id: ground.cluster, state: 'Enabled', hosts: '1 / 2' },
    ])
    await host.set({ state: 'Up' }).execute()
    expect(await api.list('listZonesMetrics', { id: ground.zone })).toMatchObject([
      { id: ground.zone, clusters: '1 / 1' },
    ])
  })

  test('show a tenant no more than the plain list does', async () => {
    const user = await controller.user()
    expect(await user.list('listVolumesMetrics', { listall: true })).toEqual([])
    expect(await user.list('listVirtualMachinesMetrics', { listall: true })).toEqual([])
  })
})

describe('what a volume is to its array', () => {
  test('is its name there, and the target under which a host reaches it', async () => {
    const { api } = controller
    const { path } = (await api.list('listVolumes', { id: volume }))[0] ?? {}
    expect(await api.run('getPathForVolume', { volumeid: volume })).toMatchObject({ path })
    expect(await api.run('getVolumeiScsiName', { volumeid: volume })).toMatchObject({
      volumeiScsiName: expect.stringMatching(/^iqn\./) as string, // A matcher has no type.
    })
  })

  test('is refused while there is none', async () => {
    const { api } = controller
    const { zone: zoneid, offering: diskofferingid } = ground
    const volumeid = textOf(await api.run('createVolume', { name: 'new', zoneid, diskofferingid, size: 1 }), 'id')
    expect(await api.refuses('getPathForVolume', { volumeid })).toMatch(/volumeid: the volume is on no array yet/)
    expect(await api.refuses('getVolumeiScsiName', { volumeid })).toMatch(/volumeid: no host reaches the volume/)
  })
})

describe('reconnectHost', () => {
  test('records that a host answers which was thought to be silent', async () => {
    const { api, store } = controller
    const [id] = ground.hosts
    const host = store.reader.updateTable('host').where('id', '=', id)
    await host.set({ state: 'Alert', silentSince: new Date() }).execute()
    expect(await api.run('reconnectHost', { id })).toMatchObject({ id, state: 'Up' })
    expect((await api.list('listHosts', { id }))[0]).not.toHaveProperty('disconnected')
  })

  test('is refused for one that does not answer, is another machine, or was given up', async () => {
    const { api, store, simulator } = controller
    const [, id] = ground.hosts
    await simulator.faults.arm({ method: 'host/hosts/report', kind: 'error-before', match: { host: 'host-one-b' } })
    expect(await api.refuses('reconnectHost', { id })).toMatch(/does not answer/)
    await simulator.faults.clear()
    const host = store.reader.updateTable('host').where('id', '=', id)
    const { identity } = await store.reader
      .selectFrom('host')
      .select('identity')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    await host.set({ identity: 'another' }).execute()
    expect(await api.refuses('reconnectHost', { id })).toMatch(/another machine answers/)
    await host.set({ identity, lostAt: new Date() }).execute()
    expect(await api.refuses('reconnectHost', { id })).toMatch(/was given up/)
    await host.set({ lostAt: null }).execute()
  })
})
