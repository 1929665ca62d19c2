import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, type Asked, textOf } from '../../testing-client.ts'

const GIB = 1024 ** 3
let controller: TestController
let ground: Ground
let vm: string

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  vm = textOf(await controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
})
afterAll(() => controller.stop())

let offerings = 0
async function offering(more: Asked): Promise<string> {
  const name = `offering-${(offerings += 1)}`
  const made = await controller.api.run('createDiskOffering', { name, displaytext: name, customized: true, ...more })
  return textOf(made, 'id')
}

function create(diskofferingid: string, more: Asked = {}): Promise<Answered> {
  return controller.api.run('createVolume', { name: 'disk', zoneid: ground.zone, diskofferingid, size: 1, ...more })
}

async function attached(diskofferingid: string, more: Asked = {}): Promise<string> {
  return textOf(await create(diskofferingid, { virtualmachineid: vm, ...more }), 'id')
}

async function remove(id: string): Promise<void> {
  await controller.api.run('detachVolume', { id })
  await controller.api.run('deleteVolume', { id })
}

describe('IOPS per GiB', () => {
  const rates = { miniopspergb: 60, highestminiops: 500, maxiopspergb: 600, lowestmaxiops: 1000, burstiops: 90_000 }

  test('are shown with the offering, disk or service', async () => {
    const { api } = controller
    const shown = { ...rates, highestmaxiops: 80_000, iscustomizediops: false, qostier: 'storage' }
    const id = await offering({ ...rates, highestmaxiops: 80_000 })
    expect(await api.list('listDiskOfferings', { id })).toMatchObject([shown])
    const service = { name: 'grown', displaytext: 'grown', cpunumber: 1, memory: 128, rootdisksize: 10, ...rates }
    expect(await api.run('createServiceOffering', service)).toMatchObject(rates)
  })

  test('follow the size: when it is made, when it grows, and in a copy that is larger', async () => {
    const { api } = controller
    const diskofferingid = await offering({ ...rates, highestmaxiops: 80_000 })
    const made = await create(diskofferingid, { size: 3 })
    expect(made).toMatchObject({ miniops: 180, maxiops: 1800, burstiops: 90_000 })
    const id = textOf(made, 'id')
    await api.run('attachVolume', { id, virtualmachineid: vm })
    const grown = { miniops: 300, maxiops: 3000, qosapplied: { totalIops: { min: 300, max: 3000, burst: 90_000 } } }
    const snapshotid = textOf(await api.run('createSnapshot', { volumeid: id }), 'id')
    expect(await api.run('resizeVolume', { id, size: 5 })).toMatchObject({ ...grown, qosobserved: grown.qosapplied })
    expect(await api.run('resizeVolume', { id, size: 20 })).toMatchObject({ miniops: 500, maxiops: 12_000 })
    const copy = await api.run('createVolume', { snapshotid, size: 4 })
    expect(copy).toMatchObject({ miniops: 240, maxiops: 2400 })
    await api.run('deleteSnapshot', { id: snapshotid })
    await api.run('deleteVolume', { id: textOf(copy, 'id') })
    await remove(id)
  })

  test('are not chosen by a caller, and not sold where they contradict each other', async () => {
    const diskofferingid = await offering({ maxiopspergb: 100 })
    const volume = { zoneid: ground.zone, diskofferingid, size: 1, maxiops: 400 }
    expect(await controller.api.refuses('createVolume', volume)).toMatch(
      /^431 .*'Max IOPS' parameter: its IOPS follow from the size/,
    )
    const wrong = { name: 'wrong', displaytext: 'wrong', customized: true, miniopspergb: 10, maxiops: 1000 }
    expect(await controller.api.refuses('createDiskOffering', wrong)).toMatch(
      /^431 .*in a volume of 101 GiB, not possible: miniops 1010 is above maxiops 1000/,
    )
  })

  test('that the pool cannot keep refuse the growth, and the old size and limits hold', async () => {
    const id = await attached(await offering({ maxiopspergb: 100_000, miniops: 100 }), { size: 2 })
    await expect(controller.api.run('resizeVolume', { id, size: 3 })).rejects.toThrow(
      /cannot be kept: .*maxiops 300000 lies outside 50 to 200000/,
    )
    expect((await controller.api.list('listVolumes', { id }))[0]).toMatchObject({ size: 2 * GIB, maxiops: 200_000 })
    await remove(id)
  })
})

describe('changeOfferingForVolume', () => {
  test('changes the limits of a volume in use, within a tier and from tier to tier, and reads them back', async () => {
    const { api } = controller
    const id = await attached(ground.offering)
    const change = async (more: Asked) =>
      api.run('changeOfferingForVolume', { id, diskofferingid: await offering(more) })
    const array = { totalIops: { min: 200, max: 2000 } }
    expect(await change({ miniops: 200, maxiops: 2000 })).toMatchObject({
      qostier: 'storage',
      qosapplied: array,
      qosobserved: array,
    })
    const host = { readIops: { max: 300 }, writeIops: { max: 200 } }
    expect(await change({ iopsreadrate: 300, iopswriterate: 200 })).toMatchObject({
      qostier: 'hypervisor',
      qosapplied: host,
      qosobserved: host,
    })
    const less = { readIops: { max: 100 } }
    expect(await change({ iopsreadrate: 100 })).toMatchObject({ qosapplied: less, qosobserved: less })
    expect(await change({ miniops: 200, maxiops: 2000 })).toMatchObject({
      qostier: 'storage',
      qosapplied: array,
      qosobserved: array,
    })
    expect(await change({})).toMatchObject({ qosrequested: {}, qosapplied: {} })
    await remove(id)
  })

  test('changes a volume that nobody has, and what the hypervisor is to do waits for its next machine', async () => {
    const { api } = controller
    const id = await attached(ground.offering)
    await api.run('detachVolume', { id })
    const diskofferingid = await offering({ iopsreadrate: 300 })
    const changed = await api.run('changeOfferingForVolume', { id, diskofferingid, automigrate: false })
    expect(changed).toMatchObject({ qostier: 'hypervisor', qosrequested: { readIops: { max: 300 } } })
    expect(changed).not.toHaveProperty('qosapplied')
    const again = await api.run('attachVolume', { id, virtualmachineid: vm })
    expect(again).toMatchObject({ qosapplied: { readIops: { max: 300 } } })
    await remove(id)
  })

  test('takes size and custom IOPS along', async () => {
    const id = await attached(ground.offering)
    const diskofferingid = await offering({ customizediops: true })
    const asked = { id, diskofferingid, size: 2, miniops: 150, maxiops: 700 }
    const got = { size: 2 * GIB, miniops: 150, maxiops: 700, diskofferingid }
    expect(await controller.api.run('changeOfferingForVolume', asked)).toMatchObject(got)
    await remove(id)
  })

  test('is refused where the pool of the volume cannot keep the offering, with the reason, and changes nothing', async () => {
    const { api } = controller
    const id = await attached(ground.offering)
    const before = (await api.list('listVolumes', { id }))[0]
    const refused = async (more: Asked, why: RegExp) => {
      const diskofferingid = await offering(more)
      await expect(api.run('changeOfferingForVolume', { id, diskofferingid })).rejects.toThrow(why)
    }
    await refused({ tags: 'gold' }, /does not carry the tags of the disk offering: gold\. The volume stays in its pool/)
    await refused({ miniops: 100, maxiops: 2_000_000 }, /maxiops 2000000 lies outside 50 to/)
    await refused({ disksize: 1, customized: false, miniops: 10 }, /miniops 10 lies outside/)
    expect((await api.list('listVolumes', { id }))[0]).toEqual(before)
    await remove(id)
  })
})

test('settings that no storage provider knows are not sold', async () => {
  for (const [command, params] of [
    ['createDiskOffering', { customized: true, 'details[0].colour': 'red' }],
    ['createServiceOffering', { cpunumber: 1, memory: 128, 'serviceofferingdetails[0].colour': 'red' }],
  ] as const)
    expect(await controller.api.refuses(command, { name: 'odd', displaytext: 'odd', ...params })).toMatch(
      /^431 .*no storage provider has a setting colour for offerings; known are none/,
    )
})

test('the installation’s throttles hold for volumes that the hypervisor limits and for those without QoS, from then on', async () => {
  const { api } = controller
  const [plain, limited] = [await offering({}), await offering({ iopsreadrate: 100 })]
  const old = textOf(await create(plain), 'id')
  const set = (name: string, value: number) =>
    api.run('updateConfiguration', { name: `vm.disk.throttling.${name}`, value: String(value) })
  await set('iops_read_rate', 500)
  await set('bytes_write_rate', 1_000_000)
  try {
    const id = await attached(plain)
    const throttle = { readIops: { max: 500 }, writeBytes: { max: 1_000_000 } }
    expect((await api.list('listVolumes', { id }))[0]).toMatchObject({
      qostier: 'hypervisor',
      qosrequested: throttle,
      qosapplied: throttle,
      diskIopsReadRate: 500,
    })
    const own = { qosrequested: { readIops: { max: 100 }, writeBytes: { max: 1_000_000 } } }
    expect(await api.run('changeOfferingForVolume', { id, diskofferingid: limited })).toMatchObject(own)
    expect(await create(ground.offering)).toMatchObject({ qosrequested: { totalIops: { min: 100, max: 1000 } } })
    expect((await api.list('listVolumes', { id: old }))[0]).toMatchObject({ qosrequested: {}, qostier: 'none' })
    await remove(id)
  } finally {
    await set('iops_read_rate', 0)
    await set('bytes_write_rate', 0)
  }
})
