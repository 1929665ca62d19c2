import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

function deploy(more: Asked = {}): Promise<Answered> {
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  return controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid, ...more })
}

async function refused(command: string, params: Asked, text: RegExp): Promise<void> {
  const said = await controller.api.refuses(command, params)
  expect(said).toMatch(/^431 /)
  expect(said).toMatch(text)
}

async function findings(): Promise<readonly Answered[]> {
  await controller.api.run('runCensus')
  return controller.api.list('listCensusFindings', { state: 'open' })
}

describe('a virtual machine', () => {
  test('is deployed, stopped, started on a host, rebooted, renamed, destroyed, recovered and expunged', async () => {
    const { api } = controller
    const made = await deploy({ name: 'life', displayname: 'Life & co' })
    const id = textOf(made, 'id')
    expect(made).toMatchObject({ name: 'life', displayname: 'Life & co', state: 'Running', cpunumber: 1, memory: 128 })
    expect(made).toMatchObject({ nic: [], securitygroup: [], affinitygroup: [], tags: [], hypervisor: 'Simulator' })
    expect(ground.hosts).toContain(made['hostid'])
    await refused('startVirtualMachine', { id, hostid: id }, /hostid value=/)
    expect(await api.run('rebootVirtualMachine', { id })).toMatchObject({ state: 'Running' })
    const stopped = await api.run('stopVirtualMachine', { id })
    expect(stopped).toMatchObject({ state: 'Stopped' })
    expect(stopped).not.toHaveProperty('hostid')
    await refused('rebootVirtualMachine', { id }, /state Stopped cannot be rebooted/)
    const [host] = ground.hosts
    expect(await api.run('startVirtualMachine', { id, hostid: host })).toMatchObject({ hostid: host })
    expect(await api.run('updateVirtualMachine', { id, name: 'other', displayname: 'Other' })).toMatchObject({
      name: 'other',
      displayname: 'Other',
    })
    await refused('expungeVirtualMachine', { id }, /state Running cannot be expunged/)
    expect(await api.run('destroyVirtualMachine', { id })).toMatchObject({ state: 'Destroyed' })
    await refused('startVirtualMachine', { id }, /state Destroyed cannot be started/)
    expect(await api.run('recoverVirtualMachine', { id })).toMatchObject({ state: 'Stopped' })
    await api.run('destroyVirtualMachine', { id })
    await api.run('expungeVirtualMachine', { id })
    expect(await api.list('listVirtualMachines', { id })).toEqual([])
    expect(await findings()).toEqual([])
  })

  test('keeps the data that was given with it, and tells it when asked', async () => {
    const { api } = controller
    const id = textOf(await deploy({ startvm: false }), 'id')
    const asked = async () => await api.run('getVirtualMachineUserData', { virtualmachineid: id })
    expect(await asked()).toEqual({ virtualmachineid: id })
    await api.run('updateVirtualMachine', { id, userdata: 'aGVsbG8=' })
    expect(await asked()).toEqual({ virtualmachineid: id, userdata: 'aGVsbG8=' })
    await api.run('destroyVirtualMachine', { id, expunge: true })
  })

  test('brings its data disk along, and takes it away when told to', async () => {
    const { api } = controller
    const id = textOf(await deploy({ diskofferingid: ground.offering, size: 2, name: 'with-disk' }), 'id')
    const [disk] = await api.list('listVolumes', { virtualmachineid: id })
    expect(disk).toMatchObject({ name: 'DATA-with-disk', state: 'Ready', deviceid: 1, size: 2 * 1024 ** 3 })
    const volumeids = textOf(disk ?? {}, 'id')
    const stays = textOf(await api.run('createVolume', { ...disks(), virtualmachineid: id }), 'id')
    await refused('destroyVirtualMachine', { id, volumeids: ground.zone }, /volumeids value=/)
    await api.run('destroyVirtualMachine', { id, volumeids })
    await expect
      .poll(async () => (await api.list('listVolumes', { id: volumeids }))[0], { timeout: 10_000 })
      .toMatchObject({ state: 'Destroy' })
    expect((await api.list('listVolumes', { id: volumeids }))[0]).not.toHaveProperty('virtualmachineid')
    await api.run('expungeVirtualMachine', { id })
    const [left] = await api.list('listVolumes', { id: stays })
    expect(left).toMatchObject({ state: 'Ready' })
    expect(left).not.toHaveProperty('virtualmachineid')
    for (const one of [stays, volumeids]) await api.run('deleteVolume', { id: one })
    expect(await findings()).toEqual([])
  })

  function disks(): Asked {
    return { zoneid: ground.zone, diskofferingid: ground.offering, size: 1 }
  }

  test('stays Stopped when its start fails, and says why without naming the host', async () => {
    const { api, simulator } = controller
    await simulator.faults.arm({ method: 'host/vms/start', kind: 'error-before', code: 'LIMIT', count: 5 })
    const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
    const submitted = await api.ask('deployVirtualMachine', { zoneid, serviceofferingid, templateid })
    const id = textOf(submitted, 'id')
    await expect(api.job(textOf(submitted, 'jobid'))).rejects.toThrow(
      /^The virtual machine was created, but not started: The hypervisor did not start the virtual machine/,
    )
    await simulator.faults.clear()
    expect((await api.list('listVirtualMachines', { id }))[0]).toMatchObject({ state: 'Stopped' })
    await api.run('destroyVirtualMachine', { id, expunge: true })
    expect(await findings()).toEqual([])
  })

  test.each<readonly [string, () => Asked, RegExp]>([
    ['a name that is no host name', () => ({ name: 'no spaces' }), /name: 1 to 63 letters, digits and hyphens/],
    ['a disk offering as service offering', () => ({ serviceofferingid: ground.offering }), /serviceofferingid value=/],
    ['a template that is not there', () => ({ templateid: ground.zone }), /templateid value=/],
    [
      'another hypervisor than the template is for',
      () => ({ hypervisor: 'KVM' }),
      /hypervisor: the template is for Simulator/,
    ],
    ['a disk without a size', () => ({ diskofferingid: ground.offering }), /size is needed/],
  ])('is refused with %s, and nothing is left of it', async (_what, more, text) => {
    const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
    const before = await controller.api.ask('listVirtualMachines', { listall: true })
    await refused('deployVirtualMachine', { zoneid, serviceofferingid, templateid, ...more() }, text)
    expect(await controller.api.ask('listVirtualMachines', { listall: true })).toEqual(before)
  })

  test('is listed by state, zone, host, template and name', async () => {
    const { api } = controller
    const made = await deploy({ name: 'listed' })
    const id = textOf(made, 'id')
    const matching: readonly Asked[] = [
      { state: 'running' },
      { name: 'iste' },
      { keyword: 'LISTED' },
      { zoneid: ground.zone },
      { hostid: String(made['hostid']) },
      { templateid: ground.template },
      { serviceofferingid: ground.service },
      { ids: id },
    ]
    for (const params of matching)
      expect((await api.list('listVirtualMachines', params)).map((one) => one['id'])).toContain(id)
    expect(await api.list('listVirtualMachines', { state: 'Error' })).toEqual([])
    const tenant = await controller.user()
    expect(await tenant.list('listVirtualMachines', { listall: true })).toEqual([])
    await api.run('destroyVirtualMachine', { id, expunge: true })
  })
})

describe('a host', () => {
  const add = (more: Asked = {}): Asked => ({
    zoneid: ground.zone,
    podid: ground.pod,
    hypervisor: 'Simulator',
    url: controller.simulator.hostEndpoint('another').url,
    username: controller.simulator.user,
    password: controller.simulator.password,
    ...more,
  })

  test('is added, changed, and not forgotten while a VM is on it', async () => {
    const { api } = controller
    const answer = await api.ask('addHost', add({ hosttags: 'gpu', allocationstate: 'Disabled' }))
    expect(answer).toMatchObject({ count: 1, host: [{ state: 'Up', resourcestate: 'Disabled', hosttags: 'gpu' }] })
    const [host] = await api.list('listHosts', { resourcestate: 'disabled' })
    const id = textOf(host ?? {}, 'id')
    await expect(
      api.run('startVirtualMachine', { id: textOf(await deploy({ startvm: false, name: 'probe' }), 'id'), hostid: id }),
    ).rejects.toThrow(/^There is no host on which virtual machine/)
    expect(await api.run('updateHost', { id, allocationstate: 'Enable', hosttags: '' })).toMatchObject({
      resourcestate: 'Enabled',
    })
    await refused('updateHost', { id, allocationstate: 'Maybe' }, /allocationstate: it must be Enable or Disable/)
    const [vm] = await api.list('listVirtualMachines', { name: 'probe' })
    const vmId = textOf(vm ?? {}, 'id')
    expect(await api.run('startVirtualMachine', { id: vmId, hostid: id })).toMatchObject({ hostid: id })
    expect(await api.list('listHosts', { virtualmachineid: vmId })).toHaveLength(1)
    await refused('deleteHost', { id }, /cannot be deleted: 1 virtual machines are on it/)
    await api.run('destroyVirtualMachine', { id: vmId, expunge: true })
    expect(await api.ask('deleteHost', { id })).toEqual({ success: true })
    expect(await api.list('listHosts', { id })).toEqual([])
  })

  test.each<readonly [string, () => Asked, RegExp]>([
    [
      'a url that no plug-in answers to',
      () => ({ url: 'http://127.0.0.1' }),
      /url: it must begin with one of simulator:\/\//,
    ],
    ['another hypervisor', () => ({ hypervisor: 'KVM' }), /hypervisor: hosts of such a url run Simulator/],
    ['a wrong password', () => ({ password: 'wrong' }), /host refused the credentials/],
    ['a pod of another zone', () => ({ zoneid: ground.zone, podid: ground.zone }), /podid value=/],
    [
      'one that is there',
      () => ({ url: controller.simulator.hostEndpoint('host-one-a').url }),
      /registered already, as/,
    ],
  ])('is refused: %s', async (_what, more, text) => {
    await refused('addHost', add(more()), text)
    expect(await controller.api.list('listHosts', {})).toHaveLength(2)
  })
})
