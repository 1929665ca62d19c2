import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { startWeb, type TestWeb } from '@moorage/mover/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

const IMAGE = Buffer.alloc(1024 ** 2, 'image')

let controller: TestController
let ground: Ground
let folder: string
let web: TestWeb
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-templates-'))
  ;[controller, web] = await Promise.all([startController({ plugins: { archives: [directoryArchive] } }), startWeb()])
  ground = await makeGround(controller)
})
afterAll(async () => {
  await controller.stop()
  await web.stop()
  rmSync(folder, { recursive: true })
})

function asked(more: Asked = {}): Asked {
  const url = web.put('image.raw', IMAGE)
  return { name: 'disk', url, format: 'RAW', hypervisor: 'Simulator', zoneid: ground.zone, ...more }
}

async function listed(id: string) {
  return (await controller.api.list('listTemplates', { templatefilter: 'all', id }))[0]
}

/** Waits until the template is filled, or is not, at most 60 s. */
async function filled(id: string) {
  const until = Date.now() + 60_000
  for (let found = await listed(id); ; found = await listed(id)) {
    const { state } = await controller.store.reader
      .selectFrom('template')
      .select('state')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    if (state !== 'Creating') return await listed(id)
    if (Date.now() > until) throw new Error(`the template is ${JSON.stringify(found)}`)
  }
}

test('a zone without secondary storage, or a mover, takes no template from a web server', async () => {
  const { api, simulator } = controller
  expect(await api.refuses('registerTemplate', asked())).toMatch(/^431 .*the zone has none/)
  const zoneid = ground.zone
  await api.run('addImageStore', { name: 'vault', url: `file://${folder}`, zoneid, provider: 'directory' })
  expect(await api.refuses('registerTemplate', asked())).toMatch(/^431 .*the zone has no data mover/)
  const { url, settings } = simulator.moverEndpoint()
  const { user: username = '', password = '' } = settings
  await api.run('addMover', { name: 'porter', zoneid, url, username, password })
})

test('a template is answered at once, tells how far it is, and is ready once it is in secondary storage', async () => {
  const { api, simulator } = controller
  await simulator.faults.arm({ method: 'mover/jobs/get', kind: 'hold-after', match: {} })
  const sha256 = hash('sha256', IMAGE, 'hex')
  const made = await api.run('registerTemplate', asked({ zoneid: '-1', checksum: `{SHA-256}${sha256}` }))
  const id = textOf(made, 'id')
  expect(made).toMatchObject({ isready: false, zoneid: ground.zone, crossZones: false, size: 0 })
  expect(['Creating', '0% Downloaded', 'Installing Template']).toContain(made['status'])
  const held = await simulator.faults.held('mover/jobs/get')
  await simulator.faults.release(held.id)
  expect(await filled(id)).toMatchObject({
    isready: true,
    status: 'Download Complete',
    size: IMAGE.length,
    checksum: sha256,
    format: 'RAW',
  })
  const [store] = await api.list('listImageStores', { name: 'vault' })
  expect(await api.refuses('deleteImageStore', { id: textOf(store ?? {}, 'id') })).toMatch(/holds 1 templates/)
  await api.run('deleteTemplate', { id })
  expect(await api.list('listTemplates', { templatefilter: 'all', name: 'disk' })).toEqual([])
})

test('a template whose file is another than told says so until it is deleted', async () => {
  const { api } = controller
  const made = await api.run('registerTemplate', asked({ checksum: 'ab'.repeat(16) }))
  const id = textOf(made, 'id')
  expect(await filled(id)).toMatchObject({
    isready: false,
    status: 'The file does not have the checksum that was told',
  })
  await api.run('deleteTemplate', { id })
  expect(await api.list('listTemplates', { templatefilter: 'all', name: 'disk' })).toEqual([])
})

test.each([
  [{ format: 'VHD' }, /format: what is fetched must be RAW or QCOW2/],
  [{ checksum: 'xyz' }, /checksum: it must be the hexadecimal digits/],
  [{ checksum: `{MD5}${'ab'.repeat(32)}` }, /checksum: it must be the hexadecimal digits/],
  [{ url: 'http://user:word@127.0.0.1/x' }, /url: it must not hold a user/],
  [{ url: 'ftp://127.0.0.1/x' }, /url: it must be http/],
])('nothing is fetched for %j', async (wrong, text) => {
  const refused = await controller.api.refuses('registerTemplate', asked(wrong))
  expect(refused).toMatch(/^431 /)
  expect(refused).toMatch(text)
})

test('a tenant makes templates of its own snapshots and volumes, and deletes them, and no others', async () => {
  const { api } = controller
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
  const user = await controller.user()
  await api.run('updateTemplatePermissions', { id: templateid, ispublic: true })
  const vm = textOf(await user.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
  const disk = { name: 'disk', zoneid, diskofferingid, size: 1, virtualmachineid: vm }
  const volumeid = textOf(await user.run('createVolume', disk), 'id')
  const snapshotid = textOf(await user.run('createSnapshot', { volumeid }), 'id')
  expect(await user.refuses('createTemplate', { name: 'none' })).toMatch(/one of them must be given/)
  expect(await user.refuses('createTemplate', { name: 'busy', volumeid })).toMatch(/must be stopped/)
  expect(await user.refuses('createTemplate', { name: 'all', snapshotid, ispublic: true })).toMatch(/administrators/)
  const first = await user.run('createTemplate', { name: 'of a snapshot', snapshotid })
  expect(first).toMatchObject({ isready: true, status: 'Download Complete', size: 1024 ** 3, zoneid })
  await user.run('stopVirtualMachine', { id: vm })
  const second = await user.run('createTemplate', { name: 'of a volume', volumeid })
  expect(second).toMatchObject({ isready: true, size: 1024 ** 3 })
  expect(await user.list('listTemplates', { templatefilter: 'self' })).toHaveLength(2)
  expect(await user.refuses('deleteTemplate', { id: templateid })).toMatch(/not of your account/)
  for (const made of [first, second]) await user.run('deleteTemplate', { id: textOf(made, 'id') })
  expect(await user.list('listTemplates', { templatefilter: 'self' })).toEqual([])
})
