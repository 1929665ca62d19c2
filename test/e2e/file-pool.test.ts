import { mkdir, mkdtemp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startHostd, type TestHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { fileStorage } from '@moorage/storage-file'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startController, type TestController } from '../../controller/testing.ts'
import { textOf } from '../../controller/testing-client.ts'
import { loopMount, type LoopMount } from '../../plugins/storage/file/testing/loop-mount.ts'
import { type QemuPlace, qemuPlace } from './qemu-place.ts'

let controller: TestController
let hostd: TestHostd
let mount: LoopMount
let place: QemuPlace

beforeAll(async () => {
  mount = await loopMount('xfs')
  hostd = await startHostd()
  controller = await startController({ plugins: { storage: [fileStorage], hypervisors: [qemuHypervisor] } })
  place = await qemuPlace(controller, hostd)
})
afterAll(async () => {
  await controller.stop()
  await hostd.stop()
  await mount.stop()
})

async function made(command: string, params: Parameters<TestController['api']['run']>[1]): Promise<string> {
  return textOf(await controller.api.run(command, params), 'id')
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
