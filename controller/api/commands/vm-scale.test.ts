import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let larger: string
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const made = await controller.api.run('createServiceOffering', {
    name: 'larger',
    displaytext: 'larger',
    cpunumber: 4,
    cpuspeed: 1000,
    memory: 512,
    offerha: true,
  })
  larger = textOf(made, 'id')
})
afterAll(() => controller.stop())

async function stopped(owner: Asked = {}): Promise<string> {
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  const asked = { ...owner, zoneid, serviceofferingid, templateid, startvm: false }
  return textOf(await controller.api.run('deployVirtualMachine', asked), 'id')
}

describe('another service offering', () => {
  test('is given to a stopped VM, by a job or at once, and holds when it starts', async () => {
    const { api } = controller
    const id = await stopped()
    const grown = { id, serviceofferingid: larger, cpunumber: 4, memory: 512, haenable: true, state: 'Stopped' }
    expect(await api.run('scaleVirtualMachine', { id, serviceofferingid: larger })).toMatchObject(grown)
    const back = { id, serviceofferingid: ground.service }
    expect(await api.run('changeServiceForVirtualMachine', back)).toMatchObject({
      ...back,
      cpunumber: 1,
      memory: 128,
      haenable: false,
    })
    await api.run('changeServiceForVirtualMachine', { id, serviceofferingid: larger })
    expect(await api.run('startVirtualMachine', { id })).toMatchObject({ ...grown, state: 'Running' })
    const [host] = await api.list('listVirtualMachines', { id })
    expect(host).toMatchObject({ serviceofferingname: 'larger' })
    await api.run('destroyVirtualMachine', { id, expunge: true })
  })

  test('is refused to a VM that runs, and for what is no service offering', async () => {
    const { api } = controller
    const id = await stopped()
    const disk = { id, serviceofferingid: ground.offering }
    expect(await api.refuses('scaleVirtualMachine', disk)).toMatch(/^431 .*serviceofferingid value=/)
    expect(
      await api.refuses('scaleVirtualMachine', { id, serviceofferingid: larger, 'details[0].cpuNumber': 8 }),
    ).toMatch(/^431 .*details: it is not supported here/)
    await api.run('startVirtualMachine', { id })
    for (const command of ['scaleVirtualMachine', 'changeServiceForVirtualMachine'])
      expect(await api.refuses(command, { id, serviceofferingid: larger })).toMatch(
        /^431 .*state Running cannot be given another service offering: it must be Stopped/,
      )
    expect((await api.list('listVirtualMachines', { id }))[0]).toMatchObject({ cpunumber: 1 })
    await api.run('destroyVirtualMachine', { id, expunge: true })
  })

  test('waits for the stop that was asked for before it', async () => {
    const { api } = controller
    const id = await stopped()
    await api.run('startVirtualMachine', { id })
    const jobs = [
      await api.send('stopVirtualMachine', { id, forced: true }),
      await api.send('scaleVirtualMachine', { id, serviceofferingid: larger }),
    ]
    expect(jobs.map(({ status }) => status)).toEqual([200, 200])
    await expect
      .poll(async () => (await api.list('listVirtualMachines', { id }))[0], { timeout: 20_000 })
      .toMatchObject({ state: 'Stopped', serviceofferingid: larger, cpunumber: 4 })
    await api.run('destroyVirtualMachine', { id, expunge: true })
  })

  test('counts against what its account may have', async () => {
    const client = await controller.user()
    const [account = {}] = await client.list('listAccounts')
    const owner = { account: textOf(account, 'name'), domainid: textOf(account, 'domainid') }
    const CPU = 8
    await controller.api.run('updateResourceLimit', { ...owner, resourcetype: CPU, max: 3 })
    const id = await stopped(owner)
    const refused = await client.refuses('scaleVirtualMachine', { id, serviceofferingid: larger })
    expect(refused).toMatch(/^535 .*Account Resource Limit = 3/)
    expect((await client.list('listVirtualMachines', { id }))[0]).toMatchObject({ cpunumber: 1 })
    await controller.api.run('updateResourceLimit', { ...owner, resourcetype: CPU, max: 4 })
    expect(await client.run('scaleVirtualMachine', { id, serviceofferingid: larger })).toMatchObject({ cpunumber: 4 })
    const cheaper = { id, serviceofferingid: ground.service }
    expect(await client.run('scaleVirtualMachine', cheaper)).toMatchObject({ cpunumber: 1 })
    await client.run('destroyVirtualMachine', { id, expunge: true })
  })
})
