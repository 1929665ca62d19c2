import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type VmId, type VolumeId } from '@moorage/contract'
import { hostById, updateHost } from '../store/hosts.ts'
import { qosAtRest } from '../store/attachments.ts'
import { poolById } from '../store/pools.ts'
import { volumeById } from '../store/volumes.ts'
import { vmById } from '../store/vms.ts'
import { textOf } from '../testing-client.ts'
import { type Scene, startScene } from './testing.ts'
import { createVmState } from './vm-state.ts'

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(async () => scene.stop())
afterEach(async () => scene.simulator.faults.clear())

describe('host-report', () => {
  test('a host that does not answer is in Alert and told once, and Up again when it answers', async () => {
    const { store, ground, simulator, turn, events } = scene
    const [id, other] = ground.hosts
    const silent = { method: 'host/hosts/report', kind: 'error-before', match: { host: 'host-one-a' } } as const
    await simulator.faults.arm({ ...silent, count: 2 })
    await turn('host-report')
    expect(await hostById(store.reader, id)).toMatchObject({ state: 'Alert' })
    expect(await hostById(store.reader, other)).toMatchObject({ state: 'Up' })
    await turn('host-report')
    expect(await events(id, 'HOST.%')).toEqual(['HOST.ADD INFO', 'HOST.ALERT WARN'])
    await turn('host-report')
    const row = await hostById(store.reader, id)
    expect(row).toMatchObject({ state: 'Up' })
    expect(Date.now() - (row?.lastSeenAt?.getTime() ?? 0)).toBeLessThan(10_000)
    expect((await events(id, 'HOST.%')).slice(2)).toEqual(['HOST.RECONNECT INFO'])
    expect(await events(other, 'HOST.%')).toEqual(['HOST.ADD INFO'])
  })

  test('another host at the address is no answer, and one in maintenance is not asked', async () => {
    const { store, ground, turn, events } = scene
    const [id] = ground.hosts
    const { identity = '' } = (await hostById(store.reader, id)) ?? {}
    await store.transact((tx) => updateHost(tx, id, { identity: 'another', resourceState: 'Maintenance' }))
    await turn('host-report')
    expect(await hostById(store.reader, id)).toMatchObject({ state: 'Up' })
    await store.transact((tx) => updateHost(tx, id, { resourceState: 'Disabled' }))
    await turn('host-report')
    expect(await hostById(store.reader, id)).toMatchObject({ state: 'Alert' })
    await store.transact((tx) => updateHost(tx, id, { identity, resourceState: 'Enabled' }))
    await turn('host-report')
    expect(await hostById(store.reader, id)).toMatchObject({ state: 'Up' })
    expect((await events(id, 'HOST.%')).slice(-2)).toEqual(['HOST.ALERT WARN', 'HOST.RECONNECT INFO'])
  })
})

describe('vm-state', () => {
  test('a VM whose machine is missed twice on end is stopped, its access withdrawn, and that is told', async () => {
    const { api, store, turn, operations, events, pullThePlug, deploy, create } = scene
    const [vm, volume] = [await deploy(), await create()]
    await api.run('attachVolume', { id: volume, virtualmachineid: vm })
    await pullThePlug(vm)
    await turn('vm-state')
    expect(await vmById(store.reader, vm)).toMatchObject({ state: 'Running' })
    await turn('vm-state')
    expect(await operations('vm-stop', vm)).toMatchObject([{ state: 'succeeded' }])
    expect(await vmById(store.reader, vm)).toMatchObject({ state: 'Stopped', hostId: null })
    expect(await store.reader.selectFrom('connection').selectAll().where('sourceId', '=', volume).execute()).toEqual([])
    expect(await events(vm, 'VM.STOP')).toEqual(['VM.STOP WARN', 'VM.STOP INFO'])
    await turn('vm-state', 'vm-state')
    expect(await operations('vm-stop', vm)).toHaveLength(1)
    expect(await api.run('startVirtualMachine', { id: vm })).toMatchObject({ state: 'Running' })
    expect(await scene.findings()).toEqual([])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
    await api.run('deleteVolume', { id: volume })
  })

  test('what is missed for the first time is looked for again within seconds, and nothing else is', async () => {
    const { api, system, pullThePlug, deploy } = scene
    const [gone, kept] = [await deploy(), await deploy()]
    const asked: number[] = []
    const { signal } = new AbortController()
    const turn = {
      signal,
      began: performance.now(),
      call: (name: string) => ({
        key: `${gone}/${asked.length}/${name}`,
        deadline: Date.now() + 5_000,
        signal,
        fence: 0,
      }),
      againIn: (ms: number) => void asked.push(ms),
    }
    const deps = { store: system.store, plugins: system.plugins, jobs: system.jobs, log: QUIET }
    const { run } = createVmState()
    await run(deps, turn)
    expect(asked).toEqual([])
    await pullThePlug(gone)
    await run(deps, turn)
    expect(asked).toEqual([5_000])
    await run(deps, turn)
    expect(asked).toEqual([5_000])
    for (const id of [gone, kept]) await api.run('destroyVirtualMachine', { id, expunge: true })
  })

  test('a turn in which the host does not answer says nothing of its VMs', async () => {
    const { api, store, simulator, turn, operations, pullThePlug, deploy } = scene
    const vm = await deploy()
    await pullThePlug(vm)
    await turn('vm-state')
    await simulator.faults.arm({ method: 'host/vms/get', kind: 'error-before', match: { id: vm } })
    await turn('vm-state')
    await turn('vm-state')
    expect(await vmById(store.reader, vm)).toMatchObject({ state: 'Running' })
    expect(scene.log.at(-1)).toMatchObject({ level: 'warn', message: 'a host does not say which machines it has' })
    await turn('vm-state')
    expect(await operations('vm-stop', vm)).toMatchObject([{ state: 'succeeded' }])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  })

  test('a VM that was started anew in between is left alone', async () => {
    const { api, turn, operations, pullThePlug, deploy } = scene
    const vm = await deploy()
    await pullThePlug(vm)
    await turn('vm-state')
    await api.run('stopVirtualMachine', { id: vm })
    await api.run('startVirtualMachine', { id: vm })
    await pullThePlug(vm)
    await turn('vm-state')
    expect(await operations('vm-stop', vm)).toHaveLength(1)
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  })
})

describe('pool-report', () => {
  test('capacity and use follow the array; that it does not answer is told once, and that it does again', async () => {
    const { store, ground, simulator, turn, events } = scene
    const { pool: id } = ground
    await simulator.send('arrays/define', { array: 'array-one', totalBytes: 7 * 1024 ** 4 })
    await turn('pool-report')
    expect(await poolById(store.reader, id)).toMatchObject({ totalBytes: 7 * 1024 ** 4, unreachableSince: null })
    await simulator.faults.arm({ method: 'array/pools/report', kind: 'error-before', count: 2 })
    await turn('pool-report', 'pool-report')
    const silent = await poolById(store.reader, id)
    expect(silent?.unreachableSince).toBeInstanceOf(Date)
    expect(silent).toMatchObject({ state: 'Up', totalBytes: 7 * 1024 ** 4 })
    expect(await events(id, 'STORAGE.POOL.%')).toEqual(['STORAGE.POOL.CREATE INFO', 'STORAGE.POOL.ALERT WARN'])
    await turn('pool-report', 'pool-report')
    expect(await poolById(store.reader, id)).toMatchObject({ unreachableSince: null })
    expect((await events(id, 'STORAGE.POOL.%')).slice(2)).toEqual(['STORAGE.POOL.RECONNECT INFO'])
  })
})

describe('qos-observed', () => {
  test('limits changed behind our back at the array are observed, and told once for every change', async () => {
    const { api, store, simulator, turn, events, deploy, create } = scene
    const [vm, id] = [await deploy(), await create()]
    await api.run('attachVolume', { id, virtualmachineid: vm })
    await turn('qos-observed')
    const applied = { totalIops: { min: 100, max: 1000 } }
    expect(await volumeById(store.reader, id)).toMatchObject({ qosApplied: applied, qosObserved: applied })
    const setAtConsole = async (max: number) => {
      const qos = { totalIops: { min: 100, max } }
      await simulator.send('console/set-qos', { array: 'array-one', volume: id, qos })
      await turn('qos-observed', 'qos-observed')
      expect(await volumeById(store.reader, id)).toMatchObject({ qosApplied: applied, qosObserved: qos })
      return events(id, 'VOLUME.QOS.%')
    }
    expect(await setAtConsole(500)).toEqual(['VOLUME.QOS.DRIFTED WARN'])
    expect(await setAtConsole(600)).toHaveLength(2)
    expect((await setAtConsole(1000)).slice(2)).toEqual(['VOLUME.QOS.RESTORED INFO'])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
    await api.run('deleteVolume', { id })
  })

  test('a volume that is attached to nothing is looked at as well, and is no drift once it was put back', async () => {
    const { api, store, simulator, turn, events, deploy, create } = scene
    const [vm, id] = [await deploy(), await create()]
    await api.run('attachVolume', { id, virtualmachineid: vm })
    await api.run('detachVolume', { id })
    const qos = { totalIops: { min: 100, max: 700 } }
    await simulator.send('console/set-qos', { array: 'array-one', volume: id, qos })
    await turn('qos-observed', 'qos-observed')
    expect(await volumeById(store.reader, id)).toMatchObject({ qosObserved: qos, qosAlerted: qos })
    expect(await events(id, 'VOLUME.QOS.%')).toEqual(['VOLUME.QOS.DRIFTED WARN'])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
    await api.run('deleteVolume', { id })
  })

  test('of many volumes each has its turn', async () => {
    const { api, store, deploy, create } = scene
    const vm = await deploy()
    const ids = await Promise.all([1, 2, 3, 4, 5].map(async () => create()))
    for (const id of ids) {
      await api.run('attachVolume', { id, virtualmachineid: vm })
      await api.run('detachVolume', { id })
    }
    const looked = new Set<string>()
    for (let nth = 0; nth < 20; nth += 1)
      for (const { volume } of await qosAtRest(store.reader, { most: 1, turn: 7 + nth })) looked.add(volume)
    expect([...looked]).toEqual(expect.arrayContaining(ids))
    const all = (await qosAtRest(store.reader, { most: 100, turn: 7 })).map(({ volume }) => volume)
    expect(all).toEqual(expect.arrayContaining(ids))
    expect((await qosAtRest(store.reader, { most: 1, turn: 7 })).length).toBeLessThan(all.length)
    for (const id of ids) await api.run('deleteVolume', { id })
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  })

  test('limits changed behind our back at the hypervisor are observed where the hypervisor keeps them', async () => {
    const { api, store, system, turn, events, behindUs, deploy, create } = scene
    const offering = {
      name: 'throttled',
      displaytext: 'throttled',
      customized: true,
      iopsreadrate: 300,
      iopswriterate: 200,
    }
    const diskofferingid = textOf(await api.run('createDiskOffering', offering), 'id')
    const [vm, id] = [await deploy(), await create({ diskofferingid })]
    expect(await api.run('attachVolume', { id, virtualmachineid: vm })).toMatchObject({ qostier: 'hypervisor' })
    await turn('qos-observed')
    const applied = { readIops: { max: 300 }, writeIops: { max: 200 } }
    expect(await volumeById(store.reader, id)).toMatchObject({ qosApplied: applied, qosObserved: applied })
    const { hostId } = (await vmById(store.reader, vm)) ?? {}
    const { throttle } = (await system.plugins.host(hostId ?? '')).adapter(() => {})
    const qos = { totalIops: { max: 50 } }
    // Ids of ours are made by us; the brands only keep kinds apart.
    await throttle?.apply(vm as VmId, { volume: id as VolumeId, qos }, await behindUs())
    await turn('qos-observed', 'qos-observed')
    expect(await volumeById(store.reader, id)).toMatchObject({ qosApplied: applied, qosObserved: qos })
    expect(await events(id, 'VOLUME.QOS.%')).toEqual(['VOLUME.QOS.DRIFTED WARN'])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
    await api.run('deleteVolume', { id })
  })

  test('limits changed behind our back are put back where the pool of the volume says so, at the array and at the hypervisor', async () => {
    const { api, store, system, simulator, ground, turn, events, behindUs, deploy, create, operations } = scene
    expect(await api.run('updateStoragePool', { id: ground.pool, qosdrift: 'repair' })).toMatchObject({
      qosdrift: 'repair',
    })
    const offering = { name: 'throttled-too', displaytext: 'throttled', customized: true, iopsreadrate: 300 }
    const diskofferingid = textOf(await api.run('createDiskOffering', offering), 'id')
    const [vm, atArray, atHost] = [await deploy(), await create(), await create({ diskofferingid })]
    for (const id of [atArray, atHost]) await api.run('attachVolume', { id, virtualmachineid: vm })
    await turn('qos-observed')
    const qos = { totalIops: { max: 500 } }
    await simulator.send('console/set-qos', { array: 'array-one', volume: atArray, qos })
    const { hostId } = (await vmById(store.reader, vm)) ?? {}
    const { throttle } = (await system.plugins.host(hostId ?? '')).adapter(() => {})
    // Ids of ours are made by us; the brands only keep kinds apart.
    await throttle?.apply(vm as VmId, { volume: atHost as VolumeId, qos }, await behindUs())
    await turn('qos-observed')
    for (const id of [atArray, atHost]) {
      expect(await operations('qos-repair', id)).toMatchObject([{ state: 'succeeded' }])
      expect(await events(id, 'VOLUME.QOS.%')).toEqual(['VOLUME.QOS.DRIFTED WARN', 'VOLUME.QOS.REPAIR INFO'])
    }
    await turn('qos-observed')
    const applied = { totalIops: { min: 100, max: 1000 } }
    expect(await volumeById(store.reader, atArray)).toMatchObject({ qosObserved: applied, qosAlerted: null })
    expect(await volumeById(store.reader, atHost)).toMatchObject({ qosObserved: { readIops: { max: 300 } } })
    expect(await operations('qos-repair', atArray)).toHaveLength(1)
    await api.run('updateStoragePool', { id: ground.pool, qosdrift: 'report' })
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
    for (const id of [atArray, atHost]) await api.run('deleteVolume', { id })
  })

  test('limits that an operation is just changing are no news', async () => {
    const { api, store, simulator, turn, events, deploy, create } = scene
    const [vm, id] = [await deploy(), await create()]
    await api.run('attachVolume', { id, virtualmachineid: vm })
    const offering = { name: 'slower', displaytext: 'slower', customized: true, miniops: 100, maxiops: 900 }
    const diskofferingid = textOf(await api.run('createDiskOffering', offering), 'id')
    await simulator.faults.arm({ method: 'array/qos/apply', kind: 'hold-after', match: { id } })
    const { jobid } = await api.ask('resizeVolume', { id, diskofferingid })
    await simulator.faults.held('array/qos/apply')
    await turn('qos-observed')
    await simulator.faults.clear()
    await api.job(String(jobid))
    await turn('qos-observed')
    expect(await volumeById(store.reader, id)).toMatchObject({ qosObserved: { totalIops: { max: 900 } } })
    expect(await events(id, 'VOLUME.QOS.%')).toEqual([])
    await api.run('destroyVirtualMachine', { id: vm, expunge: true })
    await api.run('deleteVolume', { id })
  })
})
