import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootDisk } from '@moorage/hostd/testing'
import { startMover, startWeb, type TestMover, type TestWeb } from '@moorage/mover/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patientReconcilers } from '../../controller/reconcilers/testing.ts'
import { type Asked, textOf } from '../../controller/testing-client.ts'
import { realCloud, type RealCloud } from '../support/real-cloud.ts'

const MIB = 1024 ** 2
let cloud: RealCloud
let daemon: TestMover
let folder: string
let web: TestWeb

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moorage-archives-'))
  ;[cloud, daemon, web] = await Promise.all([realCloud({ iops: 10_000 }), startMover(), startWeb()])
  const { url, user: username, password } = daemon
  await made('addMover', { name: 'porter', zoneid: cloud.zone, url, username, password })
  await made('addImageStore', { name: 'vault', url: `file://${folder}`, zoneid: cloud.zone, provider: 'directory' })
})
afterAll(async () => {
  await web.stop()
  await cloud.stop()
  await daemon.stop()
  await rm(folder, { recursive: true })
})

async function made(command: string, params: Asked): Promise<string> {
  return textOf(await cloud.controller.api.run(command, params), 'id')
}

/** Deploys one and waits until what it boots has said what it has to say; answers its root volume. */
async function booted(templateid: string, serviceofferingid: string) {
  const vm = await made('deployVirtualMachine', { zoneid: cloud.zone, templateid, serviceofferingid })
  const said = () => cloud.consoleOf(vm)
  await expect.poll(said, { timeout: 60_000 }).toContain('a root disk of the SAN; written')
  const [root] = await cloud.controller.api.list('listVolumes', { virtualmachineid: vm, type: 'ROOT' })
  return { vm, root: textOf(root ?? {}, 'id') }
}

test('a guest boots from a root disk on the SAN, which keeps what its service offering sells, and the next from a clone', async () => {
  const { api } = cloud.controller
  const disk = Buffer.alloc(8 * MIB)
  bootDisk('a root disk of the SAN').copy(disk)
  const image = { name: 'small', displaytext: 'small', format: 'RAW', hypervisor: 'KVM', zoneid: cloud.zone }
  const template = await made('registerTemplate', { ...image, url: web.put('disk.raw', disk) })
  const ready = async () => (await api.list('listTemplates', { templatefilter: 'self', id: template }))[0]?.['isready']
  await expect.poll(ready, { timeout: 60_000 }).toBe(true)
  const terms = { name: 'rooted', cpunumber: 1, memory: 64, miniops: 300, maxiops: 900 }
  const service = await made('createServiceOffering', terms)

  const first = await booted(template, service)
  expect(await cloud.behindUs('san', 'qos/read', { id: first.root })).toMatchObject({
    totalIops: { min: 300, max: 900 },
  })
  const reconcilers = patientReconcilers(cloud.controller, { info: () => {}, warn: () => {}, error: () => {} })
  await reconcilers.runNow('template-seeds')
  await reconcilers.stop()
  const seeds = () => api.list('listSnapshots', { name: 'template-small', listall: true })
  await expect.poll(seeds, { timeout: 60_000 }).toMatchObject([{ state: 'BackedUp' }])

  await daemon.kill('SIGKILL')
  const second = await booted(template, service)
  for (const { vm } of [first, second]) await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  await daemon.restart()
})
