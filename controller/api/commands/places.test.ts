import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

describe('zones, pods and clusters', () => {
  test('are made, renamed, disabled and deleted, and their names are free again', async () => {
    const { api } = controller
    const zone = await api.run('createZone', { name: 'west', networktype: 'Advanced' })
    expect(zone).toMatchObject({
      name: 'west',
      networktype: 'Advanced',
      allocationstate: 'Enabled',
      type: 'Core',
      tags: [],
    })
    const zoneid = textOf(zone, 'id')
    const pod = await api.run('createPod', { name: 'p', zoneid, startip: '10.0.0.1' })
    const podid = textOf(pod, 'id')
    const cluster = await api
      .run('addCluster', { clustername: 'c', zoneid, podid, hypervisor: 'simulator', clustertype: 'x' })
      .catch(String)
    expect(cluster).toMatch(/clustertype: it must be one of CloudManaged, ExternalManaged/)
    const added = await api.run('addCluster', {
      clustername: 'c',
      zoneid,
      podid,
      hypervisor: 'simulator',
      clustertype: 'CloudManaged',
    })
    expect(added).toMatchObject({
      name: 'c',
      podname: 'p',
      zonename: 'west',
      hypervisortype: 'Simulator',
      managedstate: 'Managed',
    })
    const id = textOf(added, 'id')
    expect(await api.run('updateCluster', { id, clustername: 'd', allocationstate: 'disabled' })).toMatchObject({
      name: 'd',
      allocationstate: 'Disabled',
    })
    await expect(api.run('deleteZone', { id: zoneid })).rejects.toThrow(/something in it \(pod: 1\)/)
    await expect(api.run('deletePod', { id: podid })).rejects.toThrow(/something in it \(cluster: 1\)/)
    expect(await api.ask('deleteCluster', { id })).toEqual({ success: true })
    await api.run('deletePod', { id: podid })
    await api.run('deleteZone', { id: zoneid })
    expect(await api.list('listZones', { name: 'west' })).toEqual([])
    expect(await api.run('createZone', { name: 'west', networktype: 'Basic' })).toMatchObject({ name: 'west' })
  })

  test('refuse a name that another has, when they are made and when they are renamed', async () => {
    const { api } = controller
    await expect(api.run('createZone', { name: 'zone-one', networktype: 'Basic' })).rejects.toThrow(
      /there is a zone zone-one already/,
    )
    const other = textOf(await api.run('createZone', { name: 'other', networktype: 'Basic' }), 'id')
    await expect(api.run('updateZone', { id: other, name: 'zone-one' })).rejects.toThrow(/already/)
    expect(await api.run('createPod', { name: 'pod-one', zoneid: other })).toMatchObject({ zonename: 'other' })
    await expect(api.run('createPod', { name: 'pod-one', zoneid: ground.zone })).rejects.toThrow(/already/)
  })

  test('refuse a pod of another zone, and a hypervisor that nothing speaks to', async () => {
    const { api } = controller
    const elsewhere = textOf(await api.run('createZone', { name: 'elsewhere', networktype: 'Basic' }), 'id')
    const params = { clustername: 'x', zoneid: elsewhere, podid: ground.pod, hypervisor: 'Simulator' }
    await expect(api.run('addCluster', params)).rejects.toThrow(/podid: the pod is not in that zone/)
    await expect(api.run('addCluster', { ...params, zoneid: ground.zone, hypervisor: 'BareMetal' })).rejects.toThrow(
      /hypervisor: it must be one of Simulator/,
    )
  })

  test('answer the one that was added as a list of one, as CloudStack does', async () => {
    const params = { clustername: 'shaped', zoneid: ground.zone, podid: ground.pod, hypervisor: 'Simulator' }
    const answer = await controller.api.ask('addCluster', params)
    expect(answer).toMatchObject({ count: 1, cluster: [{ name: 'shaped' }] })
  })

  test('that are disabled are hidden from those who cannot use them', async () => {
    const id = textOf(
      await controller.api.run('createZone', { name: 'closed', networktype: 'Basic', allocationstate: 'Disabled' }),
      'id',
    )
    const user = await controller.user()
    expect(await user.list('listZones', { id })).toEqual([])
    expect(await controller.api.list('listZones', { id })).toHaveLength(1)
    expect(await controller.api.list('listZones', { id, available: true })).toEqual([])
  })
})

describe('capacity', () => {
  test('is what there is, and what is promised of it', async () => {
    const { api } = controller
    const before = await api.list('listCapacity', { zoneid: ground.zone })
    expect(before.map(({ type, name }) => [type, name])).toEqual([
      [0, 'MEMORY'],
      [2, 'STORAGE'],
      [3, 'STORAGE_ALLOCATED'],
      [90, 'CPU_CORE'],
      [1001, 'STORAGE_IOPS'],
    ])
    const vm = await api.run('deployVirtualMachine', {
      zoneid: ground.zone,
      serviceofferingid: ground.service,
      templateid: ground.template,
    })
    const volume = await api.run('createVolume', {
      zoneid: ground.zone,
      diskofferingid: ground.offering,
      size: 3,
      name: 'c',
    })
    await api.run('attachVolume', { id: textOf(volume, 'id'), virtualmachineid: textOf(vm, 'id') })
    const [allocated] = await api.list('listCapacity', { type: 3, zoneid: ground.zone })
    expect(allocated).toMatchObject({ capacityused: 3 * 2 ** 30, percentused: matching(/^\d+\.\d\d$/) })
    const [memory] = await api.list('listCapacity', { type: 0, clusterid: ground.cluster })
    expect(memory).toMatchObject({ clusterid: ground.cluster, clustername: 'cluster-one', capacityused: 128 * 2 ** 20 })
    const [shown] = await api.list('listZones', { id: ground.zone, showcapacities: true })
    expect(shown?.['capacity']).toHaveLength(5)
  })
})
