import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GIB } from '../../domain/size.ts'
import { insertTemplate, updateTemplate } from '../../store/templates.ts'
import { patientReconcilers } from '../../reconcilers/testing.ts'
import { addArchive, type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let folder: string
let template: string
let service: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-archives-'))
  controller = await startController({ plugins: { archives: [directoryArchive] } })
  ground = await makeGround(controller)
  const { api } = controller
  const { zone: zoneid, offering: diskofferingid } = ground
  await addArchive(controller, { zone: ground.zone, folder })
  const terms = { name: 'rooted', cpunumber: 1, memory: 64, miniops: 100, maxiops: 900, customizediops: true }
  service = textOf(await api.run('createServiceOffering', terms), 'id')
  const vm = textOf(await api.run('deployVirtualMachine', vmOf(ground.template, { startvm: false })), 'id')
  const disk = { name: 'disk', zoneid, diskofferingid, size: 1, virtualmachineid: vm }
  template = await templateOf(textOf(await api.run('createVolume', disk), 'id'))
})
afterAll(async () => {
  await controller.stop()
  rmSync(folder, { recursive: true })
})

function vmOf(templateid: string, more: Readonly<Record<string, unknown>> = {}) {
  return { zoneid: ground.zone, serviceofferingid: service, templateid, ...more }
}

/** A template of the bytes of a volume: an archived snapshot has them under an id of the same kind. */
async function templateOf(volumeid: string): Promise<string> {
  const { api, store } = controller
  const id = textOf(await api.run('createSnapshot', { volumeid, locationtype: 'secondary' }), 'id')
  const archive = await store.reader.selectFrom('archive').select('id').executeTakeFirstOrThrow()
  const other = await store.reader.selectFrom('template').selectAll().executeTakeFirstOrThrow()
  const { accountId, hypervisor } = other
  await store.transact((tx) =>
    insertTemplate(tx, {
      id,
      accountId,
      name: 'disk',
      displayText: 'disk',
      format: 'RAW',
      hypervisor,
      url: 'http://127.0.0.1/disk',
      image: 'none',
      bytes: GIB,
      checksum: '',
      public: true,
      archiveId: archive.id,
    }),
  )
  return id
}

async function rootOf(virtualmachineid: string) {
  const [root] = await controller.api.list('listVolumes', { virtualmachineid, type: 'ROOT' })
  return root ?? {}
}

async function deploy(more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return textOf(await controller.api.run('deployVirtualMachine', vmOf(template, more)), 'id')
}

test('a VM of a template that is a disk gets a root disk on the terms of its service offering, and data disks beside it', async () => {
  const { api } = controller
  const disk = { diskofferingid: ground.offering, size: 1 }
  const id = await deploy({ ...disk, rootdisksize: 2, 'details[0].minIops': '200', 'details[0].maxiops': '700' })
  const [vm] = await api.list('listVirtualMachines', { id })
  expect(vm).toMatchObject({ state: 'Running', rootdeviceid: 0, rootdevicetype: 'ROOT', templatename: 'disk' })
  const root = await rootOf(id)
  expect(root).toMatchObject({
    state: 'Ready',
    deviceid: 0,
    size: 2 * GIB,
    miniops: 200,
    maxiops: 700,
    qostier: 'storage',
    qosapplied: { totalIops: { min: 200, max: 700 } },
    templateid: template,
    templatename: 'disk',
    serviceofferingid: service,
    serviceofferingname: 'rooted',
    vmstate: 'Running',
    provider: 'simulator',
  })
  expect(root).not.toHaveProperty('diskofferingid')
  const [data] = await api.list('listVolumes', { virtualmachineid: id, type: 'DATADISK' })
  expect(data).toMatchObject({ deviceid: 1, diskofferingid: ground.offering })
  expect(data).not.toHaveProperty('templateid')

  const disk0 = textOf(root, 'id')
  expect(await api.refuses('detachVolume', { id: disk0 })).toMatch(/^431 .*root volume cannot be detached/)
  expect(await api.refuses('destroyVirtualMachine', { id, volumeids: disk0 })).toMatch(/^431 .*goes with its machine/)
  await api.run('resizeVolume', { id: disk0, size: 3, maxiops: 800 })
  const snapshot = textOf(await api.run('createSnapshot', { volumeid: disk0 }), 'id')
  await api.run('deleteSnapshot', { id: snapshot })
  expect(await rootOf(id)).toMatchObject({ size: 3 * GIB, maxiops: 800 })

  await api.run('destroyVirtualMachine', { id })
  expect(await rootOf(id)).toMatchObject({ state: 'Destroy', virtualmachineid: id })
  expect(await api.refuses('recoverVolume', { id: disk0 })).toMatch(/^431 .*recovered with it/)
  await api.run('recoverVirtualMachine', { id })
  expect(await rootOf(id)).toMatchObject({ state: 'Ready' })
  await api.run('startVirtualMachine', { id })
  await api.run('destroyVirtualMachine', { id, expunge: true })
  await gone(disk0)
  expect(await api.list('listVolumes', { id: textOf(data ?? {}, 'id') })).toMatchObject([{ state: 'Ready' }])
})

/** The root disk goes by an operation that follows its machine's. */
async function gone(volume: string): Promise<void> {
  const operations = await controller.api.list('listOperations', { subjectid: volume })
  for (const operation of operations) await controller.system.jobs.ended(textOf(operation, 'id'), 30_000)
  expect(await controller.api.list('listVolumes', { id: volume })).toEqual([])
}

test('what cannot be made keeps the VM stopped and says why, and the next start makes it', async () => {
  const { api, simulator } = controller
  const id = await deploy({ startvm: false })
  expect(await rootOf(id)).toMatchObject({ state: 'Allocated', size: GIB, miniops: 100, maxiops: 900 })
  await simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'NO_SPACE' })
  await expect(api.run('startVirtualMachine', { id })).rejects.toThrow(/could not be made: The secondary storage/)
  expect(await api.list('listVirtualMachines', { id })).toMatchObject([{ state: 'Stopped' }])
  expect(await rootOf(id)).toMatchObject({ state: 'Allocated' })
  await api.run('startVirtualMachine', { id })
  expect(await rootOf(id)).toMatchObject({ state: 'Ready' })
})

test('a VM gets a root disk made anew while it runs or not, and keeps its own where that cannot be made', async () => {
  const { api, simulator } = controller
  const id = await deploy()
  const first = textOf(await rootOf(id), 'id')
  expect(await api.run('restoreVirtualMachine', { virtualmachineid: id })).toMatchObject({ id, state: 'Running' })
  const second = await rootOf(id)
  expect(second).toMatchObject({ state: 'Ready', deviceid: 0, size: GIB, miniops: 100, serviceofferingid: service })
  expect(await api.list('listVolumes', { id: first })).toMatchObject([{ state: 'Destroy' }])
  await simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'DAMAGED' })
  const again = { virtualmachineid: id, expunge: true }
  await expect(api.run('restoreVirtualMachine', again)).rejects.toThrow(/does not hold what was stored/)
  await quiet()
  expect(await api.list('listVirtualMachines', { id })).toMatchObject([{ state: 'Running' }])
  expect(await rootOf(id)).toMatchObject({ id: second['id'], state: 'Ready' })
  await api.run('stopVirtualMachine', { id, forced: true })
  expect(await api.run('restoreVirtualMachine', again)).toMatchObject({ state: 'Stopped' })
  await quiet()
  expect(await api.list('listVolumes', { id: textOf(second, 'id') })).toEqual([])
  await api.run('startVirtualMachine', { id })
  const image = textOf(await api.run('deployVirtualMachine', vmOf(ground.template)), 'id')
  expect(await api.refuses('restoreVirtualMachine', { virtualmachineid: image })).toMatch(/^431 .*has no root disk/)
})

test('sizes, IOPS and templates that cannot be are refused, naming the parameter', async () => {
  const { api, store } = controller
  const small = { ...vmOf(template), serviceofferingid: ground.service }
  expect(await api.refuses('deployVirtualMachine', vmOf(ground.template, { rootdisksize: 1 }))).toMatch(
    /^431 .*rootdisksize: .*no root disk/,
  )
  expect(await api.refuses('deployVirtualMachine', { ...small, 'details[0].minIops': '200' })).toMatch(
    /^431 .*does not support customization/,
  )
  await store.transact((tx) => updateTemplate(tx, template, { bytes: 3 * GIB, state: 'Creating' }))
  expect(await api.refuses('deployVirtualMachine', vmOf(template))).toMatch(/^431 .*templateid: .*state Creating/)
  await store.transact((tx) => updateTemplate(tx, template, { state: 'Ready' }))
  expect(await api.refuses('deployVirtualMachine', vmOf(template, { rootdisksize: 2 }))).toMatch(
    /^431 .*rootdisksize: 2 GiB is below .*3 GiB/,
  )
  await store.transact((tx) => updateTemplate(tx, template, { bytes: GIB }))
})

async function quiet(): Promise<void> {
  const { store, system } = controller
  const open = () => store.reader.selectFrom('operation').select('id').where('endedAt', 'is', null).execute()
  for (const { id } of await open()) await system.jobs.ended(id, 30_000)
}

async function clonesOf(volume: string): Promise<number> {
  const { items } = await controller.simulator.calls({ method: 'array/clones/clone', object: volume })
  return items.length
}

test('where a root disk lives a seed is made, of which the next are clones, and it goes with the template', async () => {
  const { api } = controller
  const reconcilers = patientReconcilers(controller, { info: () => {}, warn: () => {}, error: () => {} })
  await reconcilers.runNow('template-seeds')
  await reconcilers.runNow('template-seeds')
  await quiet()
  const seeds = await api.list('listVolumes', { name: 'template-disk', listall: true })
  expect(seeds).toMatchObject([{ type: 'DATADISK', state: 'Ready', displayvolume: false, templateid: template }])
  const prepared = { templateid: template, zoneid: ground.zone }
  expect(await api.list('prepareTemplate', prepared)).toMatchObject([{ id: template }])
  expect(await api.refuses('prepareTemplate', { ...prepared, templateid: ground.template })).toMatch(
    /^431 .*templateid/,
  )
  const id = await deploy()
  expect(await clonesOf(textOf(await rootOf(id), 'id'))).toBe(1)

  await api.run('deleteTemplate', { id: template })
  await reconcilers.runNow('template-seeds')
  await quiet()
  expect(await api.list('listVolumes', { name: 'template-disk', listall: true })).toEqual([])
  await api.run('rebootVirtualMachine', { id })
  await reconcilers.stop()
})
