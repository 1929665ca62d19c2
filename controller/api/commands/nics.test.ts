import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'
import { entitiesOf, type Known } from '../testing.ts'

let controller: TestController
let ground: Ground
let known: Known
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  known = await entitiesOf(controller, ground)
})
afterAll(() => controller.stop())

function deploy(api: TestClient, networkids: readonly string[]) {
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  return api.run('deployVirtualMachine', {
    zoneid,
    serviceofferingid,
    templateid,
    networkids: networkids.join(','),
    startvm: false,
  })
}

async function network(name: string, api = controller.api): Promise<string> {
  const made = { name, displaytext: name, networkofferingid: known.networkoffering, zoneid: ground.zone }
  return textOf(await api.run('createNetwork', made), 'id')
}

describe('the networks that a virtual machine was to be in', () => {
  test('are listed back as cards that say that they are only records, at addresses that lead nowhere', async () => {
    const { api } = controller
    const [one, other] = [await network('one'), await network('other')]
    const vm = await deploy(api, [one, other, one])
    const nics = vm['nic'] as readonly Readonly<Record<string, unknown>>[] // As its shape says.
    expect(nics).toMatchObject([
      { networkid: one, networkname: 'one', isdefault: true, recordedonly: true },
      { networkid: other, networkname: 'other', isdefault: false, recordedonly: true },
    ])
    const addresses = nics.map(({ ipaddress }) => String(ipaddress))
    expect(new Set(addresses).size).toBe(2)
    for (const address of addresses) expect(address).toMatch(/^2(4[89]|5[0-5])\./)
    const id = textOf(vm, 'id')
    expect(await api.list('listNics', { virtualmachineid: id })).toEqual(nics)
    expect(await api.list('listNics', { virtualmachineid: id, networkid: other })).toEqual(nics.slice(1))
    await api.run('deleteNetwork', { id: one })
    expect(await api.list('listNics', { virtualmachineid: id })).toMatchObject([{ networkid: other }])
  })

  test('are none unless asked for, eight at most, and none of others', async () => {
    const { api } = controller
    expect(await deploy(api, [])).toMatchObject({ nic: [] })
    const nine: string[] = []
    for (let nth = 0; nth < 9; nth += 1) nine.push(await network(`n${nth}`))
    const { status, answer } = await api.send('deployVirtualMachine', {
      zoneid: ground.zone,
      serviceofferingid: ground.service,
      templateid: ground.template,
      networkids: nine.join(','),
    })
    expect([status, answer['errortext']]).toEqual([431, 'Invalid parameter networkids: there may be 8 at most'])
    const user = await controller.user()
    expect(await user.refuses('listNics', { virtualmachineid: textOf(await deploy(api, []), 'id') })).toMatch(/431/)
  })
})
