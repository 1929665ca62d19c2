import { randomUUID } from 'node:crypto'
import { simulatorStorage } from '@moorage/storage-simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, type Asked, textOf } from '../../testing-client.ts'

const setting = { title: 'Space', type: 'string', required: false, description: 'How space is taken.' } as const
/** A provider that takes settings of offerings. */
const PARTICULAR = {
  ...simulatorStorage,
  name: 'particular',
  offeringSettings: [{ ...setting, name: 'preallocation', oneOf: ['none', 'full'] }],
} as const

let controller: TestController
let ground: Ground
let custom: string
let vm: string

beforeAll(async () => {
  controller = await startController({ plugins: { storage: [PARTICULAR] } })
  ground = await makeGround(controller)
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  const offering = { name: 'custom', displaytext: 'custom', customized: true, customizediops: true }
  custom = textOf(await controller.api.run('createDiskOffering', offering), 'id')
  vm = textOf(await controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
})
afterAll(() => controller.stop())

function create(more: Asked = {}): Promise<Answered> {
  return controller.api.run('createVolume', { zoneid: ground.zone, diskofferingid: custom, size: 1, ...more })
}

test('a volume from a snapshot has the IOPS that its volume was given, unless others are asked', async () => {
  const { api } = controller
  const source = await create({ miniops: 200, maxiops: 400, virtualmachineid: vm })
  const snapshotid = textOf(await api.run('createSnapshot', { volumeid: textOf(source, 'id') }), 'id')
  expect(await api.run('createVolume', { snapshotid })).toMatchObject({
    diskofferingid: custom,
    miniops: 200,
    maxiops: 400,
    qosapplied: { totalIops: { min: 200, max: 400 } },
  })
  expect(await api.run('createVolume', { snapshotid, maxiops: 900 })).toMatchObject({ miniops: 200, maxiops: 900 })
  expect(await api.run('createVolume', { snapshotid, diskofferingid: ground.offering })).toMatchObject({
    miniops: 100,
    maxiops: 1000,
  })
})

test('a caller learns that the volume is there when only its attachment failed, and what was needed', async () => {
  await expect(create({ name: 'left', virtualmachineid: vm, miniops: 10, maxiops: 20 })).rejects.toThrow(
    /^The volume was created, but not attached: No storage pool .*miniops 10 lies outside 50 to \d+/,
  )
  expect(await controller.api.list('listVolumes', { name: 'left' })).toMatchObject([{ state: 'Allocated' }])
})

test('numbers on an offering that fixes them are refused in the words that clients look for', async () => {
  const id = textOf(await create({ diskofferingid: ground.offering }), 'id')
  expect(await controller.api.refuses('resizeVolume', { id, miniops: 300, maxiops: 400 })).toMatch(
    /current disk offering does not support customization of the 'Min IOPS' parameter/,
  )
})

test('details of an offering are checked as the provider that knows them asks, and returned', async () => {
  const { api } = controller
  const made = { name: 'ahead', displaytext: 'ahead', disksize: 1 }
  const ahead = await api.run('createDiskOffering', { ...made, 'details[0].preallocation': 'full' })
  expect(ahead).toMatchObject({ details: { preallocation: 'full' } })
  const id = textOf(ahead, 'id')
  expect(await api.list('listDiskOfferings', { id })).toMatchObject([{ details: { preallocation: 'full' } }])
  const odd = { ...made, 'details[0].preallocation': 'some' }
  expect(await api.refuses('createDiskOffering', odd)).toMatch(/^431 .*preallocation must be one of none, full/)
  const unknown = { ...made, 'details[0].thickness': '3' }
  expect(await api.refuses('createDiskOffering', unknown)).toMatch(/^431 .*known are preallocation \(particular\)/)
})

test('a tenant chooses neither id nor host, and is told so instead of getting others', async () => {
  const tenant = await controller.user()
  const { zone: zoneid, service: serviceofferingid } = ground
  const guest = { name: 'public', displaytext: 'public', url: 'guest', format: 'RAW', hypervisor: 'Simulator' }
  const templateid = textOf(await controller.api.run('registerTemplate', { ...guest, ispublic: true }), 'id')
  const volume = { zoneid, diskofferingid: custom, size: 1, customid: randomUUID() }
  expect(await tenant.refuses('createVolume', volume)).toMatch(/^531 .*not allowed to create\/update custom id/)
  const machine = { zoneid, serviceofferingid, templateid }
  expect(await tenant.refuses('deployVirtualMachine', { ...machine, customid: randomUUID() })).toMatch(/^531 /)
  const hostid = ground.hosts[0]
  expect(await tenant.refuses('deployVirtualMachine', { ...machine, hostid })).toMatch(/^531 .*hostid/)
  expect(await tenant.list('listVirtualMachines')).toEqual([])
})

describe('what an offering would promise and nobody keeps is refused', () => {
  test.each([
    ['encrypt', 'true'],
    ['domainid', randomUUID()],
    ['zoneid', randomUUID()],
    ['cachemode', 'writeback'],
    ['disksizestrictness', 'true'],
  ])('createDiskOffering %s=%s', async (name, value) => {
    const params = { name: 'unkept', displaytext: 'unkept', disksize: 1, [name]: value }
    expect(await controller.api.refuses('createDiskOffering', params)).toMatch(
      new RegExp(`^431 .*for parameter ${name}: .*not supported`),
    )
    expect(await controller.api.list('listDiskOfferings', { name: 'unkept' })).toEqual([])
  })

  test('but not what asks for nothing', async () => {
    const nothing = { encrypt: false, cachemode: 'none', disksizestrictness: false, zoneid: '', domainid: '' }
    const params = { name: 'plain', displaytext: 'plain', disksize: 1, ...nothing }
    expect(await controller.api.run('createDiskOffering', params)).toMatchObject({ name: 'plain' })
  })

  test('deployVirtualMachine with several data disks', async () => {
    const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
    const disks = { 'datadiskofferinglist[0].datadiskid': 'x', 'datadiskofferinglist[0].diskofferingid': custom }
    expect(
      await controller.api.refuses('deployVirtualMachine', { zoneid, serviceofferingid, templateid, ...disks }),
    ).toMatch(/^431 .*datadiskofferinglist: .*not supported/)
  })
})
