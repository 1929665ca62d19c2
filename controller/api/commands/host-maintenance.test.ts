import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

async function deploy(hostid: string): Promise<string> {
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
  const asked = { zoneid, serviceofferingid, templateid, diskofferingid, size: 1, hostid }
  return textOf(await controller.api.run('deployVirtualMachine', asked), 'id')
}

async function vm(id: string) {
  return (await controller.api.list('listVirtualMachines', { id }))[0]
}

describe('a host that is taken out of service', () => {
  test('sends its virtual machines elsewhere while they run, and takes none until it is back', async () => {
    const { api } = controller
    const [here, there] = ground.hosts
    const id = await deploy(here)
    expect(await api.run('prepareHostForMaintenance', { id: here })).toMatchObject({ resourcestate: 'Maintenance' })
    expect(await vm(id)).toMatchObject({ state: 'Running', hostid: there })
    expect(await api.refuses('prepareHostForMaintenance', { id: here })).toMatch(/^431 .*in maintenance already/)
    expect(await api.refuses('updateHost', { id: here, allocationstate: 'Enable' })).toMatch(/^431 .*is in Maintenance/)
    await expect(api.run('migrateVirtualMachine', { virtualmachineid: id })).rejects.toThrow(/no host to which/)
    expect(await api.run('cancelHostMaintenance', { id: here })).toMatchObject({ resourcestate: 'Enabled' })
    expect(await api.refuses('cancelHostMaintenance', { id: here })).toMatch(/^431 .*is not in maintenance/)
    expect(await api.run('migrateVirtualMachine', { virtualmachineid: id })).toMatchObject({ hostid: here })
    await api.run('destroyVirtualMachine', { id, expunge: true })
  })

  test('stops virtual machines that cannot go anywhere, which start again when it is back', async () => {
    const { api, system } = controller
    const [here, there] = ground.hosts
    const id = await deploy(here)
    await api.run('updateHost', { id: there, allocationstate: 'Disable' })
    expect(await api.run('prepareHostForMaintenance', { id: here })).toMatchObject({ resourcestate: 'Maintenance' })
    expect(await vm(id)).toMatchObject({ state: 'Stopped' })
    await api.run('cancelHostMaintenance', { id: here })
    const started = await system.store.reader
      .selectFrom('operation')
      .select('id')
      .where('saga', '=', 'vm-start')
      .where('subjectId', '=', id)
      .orderBy('seq', 'desc')
      .executeTakeFirstOrThrow()
    expect(await system.jobs.ended(started.id, 30_000)).toBe(true)
    expect(await vm(id)).toMatchObject({ state: 'Running', hostid: here })
    await api.run('runCensus')
    expect(await api.list('listCensusFindings', { state: 'open' })).toEqual([])
  })
})
