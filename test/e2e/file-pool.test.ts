import { mkdir, mkdtemp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startHostd, type TestHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { fileStorage } from '@moorage/storage-file'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startController, type TestController } from '../../controller/testing.ts'
import { textOf } from '../../controller/testing-client.ts'
import { loopMount, type LoopMount } from '../../plugins/storage/file/testing/loop-mount.ts'

let controller: TestController
let hostd: TestHostd
let mount: LoopMount
let place: { readonly zoneid: string; readonly vm: string }

beforeAll(async () => {
  mount = await loopMount('xfs')
  hostd = await startHostd()
  controller = await startController({ plugins: { storage: [fileStorage], hypervisors: [qemuHypervisor] } })
  place = await newPlace()
})
afterAll(async () => {
  await controller.stop()
  await hostd.stop()
  await mount.stop()
})

async function made(command: string, params: Parameters<TestController['api']['run']>[1]): Promise<string> {
  return textOf(await controller.api.run(command, params), 'id')
}

/** A zone with one QEMU host, and a VM there that is stopped: its disks are made, and connected when it starts. */
async function newPlace() {
  const hypervisor = 'KVM'
  const zoneid = await made('createZone', { name: 'zone', networktype: 'Basic' })
  const range = { gateway: '127.0.0.1', netmask: '255.0.0.0', startip: '127.0.0.2' }
  const podid = await made('createPod', { name: 'pod', zoneid, ...range })
  const inPod = { zoneid, podid, hypervisor }
  const clusterid = await made('addCluster', { ...inPod, clustername: 'cluster', clustertype: 'CloudManaged' })
  const { user: username = '', password = '' } = hostd.endpoint.settings
  await made('addHost', { ...inPod, clusterid, url: hostd.endpoint.url, username, password })
  const small = { name: 'small', displaytext: 'small', cpunumber: 1, cpuspeed: 1000, memory: 64 }
  const serviceofferingid = await made('createServiceOffering', small)
  const image = { name: 'guest', displaytext: 'guest', format: 'RAW', hypervisor, url: 'guest' }
  const templateid = await made('registerTemplate', { ...image, zoneid })
  const vm = await made('deployVirtualMachine', { zoneid, serviceofferingid, templateid, startvm: false })
  return { zoneid, vm }
}

async function newPool(name: string, managed: boolean) {
  const root = join(await mkdtemp(join(mount.path, 'pool-')), name)
  await mkdir(root)
  const params = { name, provider: 'file', scope: 'zone', hypervisor: 'KVM', url: `file://${root}`, tags: name }
  return { root, made: await controller.api.run('createStoragePool', { ...params, zoneid: place.zoneid, managed }) }
}

async function newDisk(tags: string): Promise<string> {
  const { zoneid, vm } = place
  const named = { name: tags, displaytext: tags, customized: true, tags }
  const diskofferingid = await made('createDiskOffering', named)
  const id = await made('createVolume', { name: tags, zoneid, diskofferingid, size: 1 })
  await controller.api.run('attachVolume', { id, virtualmachineid: vm })
  return id
}

test('a volume of a managed file pool lives through the API: made, snapshot, grown, reverted, deleted', async () => {
  const { api, system } = controller
  const pool = await newPool('files', true)
  expect(pool.made).toMatchObject({ provider: 'file', managed: true, state: 'Up' })
  const id = await newDisk('files')
  const folder = join(pool.root, system.installation, 'volumes')
  expect(await readdir(folder)).toEqual([`${id}.raw`])
  const snapshot = await made('createSnapshot', { volumeid: id, name: 'before' })
  await api.run('resizeVolume', { id, size: 2 })
  await api.run('revertSnapshot', { id: snapshot })
  expect(await api.list('listVolumes', { id })).toMatchObject([{ size: 2 * 1024 ** 3, storage: 'files' }])
  await api.run('detachVolume', { id })
  await api.run('deleteVolume', { id })
  await api.run('deleteSnapshot', { id: snapshot })
  expect(await readdir(folder)).toEqual([])
})

test('an unmanaged file pool holds volumes likewise, and says that snapshots belong elsewhere', async () => {
  const { api, system } = controller
  const pool = await newPool('plain', false)
  expect(pool.made).toMatchObject({ provider: 'file', managed: false })
  const id = await newDisk('plain')
  expect(await readdir(join(pool.root, system.installation, 'volumes'))).toEqual([`${id}.raw`])
  expect(await api.refuses('createSnapshot', { volumeid: id })).toMatch(/secondary storage, and the zone has none/)
  await api.run('detachVolume', { id })
  await api.run('deleteVolume', { id })
})
