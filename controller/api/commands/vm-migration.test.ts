import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

test('a running virtual machine moves to a host that findHostsForMigration calls suitable', async () => {
  const { api } = controller
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid, hosts } = ground
  const [here, there] = hosts
  const asked = { zoneid, serviceofferingid, templateid, diskofferingid, size: 1, hostid: here }
  const virtualmachineid = textOf(await api.run('deployVirtualMachine', asked), 'id')
  expect(await api.list('findHostsForMigration', { virtualmachineid })).toMatchObject([
    { id: there, suitableformigration: true, requiresStorageMotion: false },
  ])
  await api.run('updateHost', { id: there, allocationstate: 'Disable' })
  expect(await api.list('findHostsForMigration', { virtualmachineid })).toMatchObject([
    { id: there, suitableformigration: false, unsuitablereason: 'is Disabled' },
  ])
  await expect(api.run('migrateVirtualMachine', { virtualmachineid })).rejects.toThrow(/no host to which/)
  await api.run('updateHost', { id: there, allocationstate: 'Enable' })
  expect(await api.run('migrateVirtualMachine', { virtualmachineid, hostid: there })).toMatchObject({
    id: virtualmachineid,
    state: 'Running',
    hostid: there,
  })
  expect(await api.refuses('migrateVirtualMachine', { virtualmachineid, hostid: there })).toMatch(
    /^431 .*on that host already/,
  )
  await api.run('stopVirtualMachine', { id: virtualmachineid })
  expect(await api.refuses('migrateVirtualMachine', { virtualmachineid })).toMatch(/^431 .*state Stopped/)
  expect(await api.refuses('findHostsForMigration', { virtualmachineid })).toMatch(/^431 .*state Stopped/)
  expect(await api.refuses('migrateVirtualMachine', { virtualmachineid, storageid: ground.pool })).toMatch(/^431 /)
})
