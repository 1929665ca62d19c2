import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endedWell } from '../../operations/await.ts'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, ApiRefusal, type Asked, textOf } from '../../testing-client.ts'

const GIB = 1024 ** 3
let controller: TestController
let ground: Ground
let vm: string

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  vm = textOf(await deploy('first'), 'id')
})
afterAll(() => controller.stop())

function deploy(name: string, more: Asked = {}): Promise<Answered> {
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  return controller.api.run('deployVirtualMachine', { name, zoneid, serviceofferingid, templateid, ...more })
}

function create(more: Asked = {}): Promise<Answered> {
  const { zone: zoneid, offering: diskofferingid } = ground
  return controller.api.run('createVolume', { name: 'disk', zoneid, diskofferingid, size: 1, ...more })
}

async function volume(id: string): Promise<Answered | undefined> {
  return (await controller.api.list('listVolumes', { id }))[0]
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

describe('the life of a volume', () => {
  test('goes from Allocated over an array and a VM to nothing, and the census finds nothing left over', async () => {
    const { api } = controller
    const made = await create({ name: 'life', miniops: undefined })
    const id = textOf(made, 'id')
    expect(made).toMatchObject({ state: 'Allocated', size: GIB, miniops: 100, maxiops: 1000, type: 'DATADISK' })
    expect(made).not.toHaveProperty('storageid')

    const attached = await api.run('attachVolume', { id, virtualmachineid: vm })
    expect(attached).toMatchObject({ state: 'Ready', virtualmachineid: vm, vmstate: 'Running', deviceid: 1 })
    expect(attached).toMatchObject({ storageid: ground.pool, qostier: 'storage', supportsstoragesnapshot: true })
    expect(attached).toMatchObject({ qosapplied: { totalIops: { min: 100, max: 1000 } } })
    expect(attached['attached']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/)

    const resized = await api.run('resizeVolume', { id, size: 2 })
    expect(resized).toMatchObject({ size: 2 * GIB, state: 'Ready' })

    const snapshot = await api.run('createSnapshot', { volumeid: id, locationtype: 'primary', name: 'then' })
    expect(snapshot).toMatchObject({
      state: 'BackedUp',
      locationtype: 'PRIMARY',
      virtualsize: 2 * GIB,
      revertable: true,
    })

    const detached = await api.run('detachVolume', { id })
    expect(detached).toMatchObject({ state: 'Ready', hypervisor: 'None' })
    expect(detached).not.toHaveProperty('virtualmachineid')

    await api.run('revertSnapshot', { id: snapshot['id'] as string }) // Every entity has an id.
    const copy = await api.run('createVolume', { name: 'copy', snapshotid: textOf(snapshot, 'id') })
    expect(copy).toMatchObject({ state: 'Ready', size: 2 * GIB, snapshotid: snapshot['id'], storageid: ground.pool })

    await api.run('deleteSnapshot', { id: textOf(snapshot, 'id') })
    expect(await api.ask('deleteVolume', { id: textOf(copy, 'id') })).toEqual({ success: true })
    expect(await api.run('destroyVolume', { id, expunge: true })).toMatchObject({ state: 'Expunged', destroyed: true })
    expect(await api.ask('listVolumes', { id })).toEqual({})
    expect(await findings()).toEqual([])
  })

  test('is put aside and taken back, and expunged from there', async () => {
    const { api } = controller
    const id = textOf(await create({ name: 'aside' }), 'id')
    expect(await api.run('destroyVolume', { id })).toMatchObject({ state: 'Destroy', destroyed: true })
    await refused('attachVolume', { id, virtualmachineid: vm }, /state Destroy cannot be attached/)
    expect(await api.run('recoverVolume', { id })).toMatchObject({ state: 'Allocated', destroyed: false })
    await refused('recoverVolume', { id }, /must be in state Destroy/)
    await api.run('destroyVolume', { id })
    await api.run('deleteVolume', { id })
    expect(await volume(id)).toBeUndefined()
  })

  test('has the id that an administrator chose, once', async () => {
    const customid = randomUUID()
    expect(await create({ customid })).toMatchObject({ id: customid })
    const { zone: zoneid, offering: diskofferingid } = ground
    await refused('createVolume', { zoneid, diskofferingid, size: 1, customid }, /customid: this id is, or was, in use/)
    await refused('createVolume', { zoneid, diskofferingid, size: 1, customid: 'mine' }, /customid: it must be a UUID/)
    await controller.api.run('deleteVolume', { id: customid })
    await refused('createVolume', { zoneid, diskofferingid, size: 1, customid }, /customid: this id is, or was, in use/)
  })

  test('can begin attached to a VM, and is renamed', async () => {
    const made = await create({ virtualmachineid: vm })
    expect(made).toMatchObject({ state: 'Ready', virtualmachineid: vm })
    const id = textOf(made, 'id')
    expect(await controller.api.run('updateVolume', { id, name: 'renamed' })).toMatchObject({ name: 'renamed' })
    await controller.api.run('detachVolume', { virtualmachineid: vm, deviceid: Number(made['deviceid']) })
    await controller.api.run('deleteVolume', { id })
  })

  test('attaches to a stopped VM, connects at its start, and leaves the host at its stop', async () => {
    const { api } = controller
    const stopped = textOf(await deploy('stopped', { startvm: false }), 'id')
    const id = textOf(await create({ virtualmachineid: stopped }), 'id')
    expect(await volume(id)).toMatchObject({ state: 'Ready', vmstate: 'Stopped' })
    expect(await api.run('startVirtualMachine', { id: stopped })).toMatchObject({ state: 'Running' })
    expect(await volume(id)).toMatchObject({ vmstate: 'Running', virtualmachineid: stopped })
    expect(await api.run('stopVirtualMachine', { id: stopped })).toMatchObject({ state: 'Stopped' })
    await api.run('destroyVirtualMachine', { id: stopped, expunge: true, volumeids: id })
    await expect.poll(() => volume(id), { timeout: 10_000 }).toBeUndefined()
    expect(await findings()).toEqual([])
  })

  test('changes its IOPS live, and its offering', async () => {
    const { api } = controller
    const custom = await api.run('createDiskOffering', {
      name: 'custom',
      displaytext: 'custom',
      customized: true,
      customizediops: true,
    })
    const diskofferingid = textOf(custom, 'id')
    const made = await create({ diskofferingid, miniops: 200, maxiops: 400, virtualmachineid: vm })
    const id = textOf(made, 'id')
    expect(made).toMatchObject({ miniops: 200, maxiops: 400, qosapplied: { totalIops: { min: 200, max: 400 } } })
    const faster = await api.run('resizeVolume', { id, maxiops: 800 })
    expect(faster).toMatchObject({ miniops: 200, maxiops: 800, qosapplied: { totalIops: { min: 200, max: 800 } } })
    const other = await api.run('resizeVolume', { id, diskofferingid: ground.offering })
    expect(other).toMatchObject({ miniops: 100, maxiops: 1000, diskofferingid: ground.offering })
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
  })
})

describe('what cannot be is refused at once, and nothing is submitted', () => {
  test.each([
    ['size 0', { size: 0 }, /size: it must be above 0/],
    ['a negative size', { size: -1 }, /size: it must be above 0/],
    ['a size above what any storage makes', { size: 9 * 1024 }, /size: 9 TiB is above the largest volume .* 8 TiB/],
    ['a size that nobody can count', { size: 9_000_000_000 }, /size: no storage is that large/],
    ['no size where the offering has none', { size: undefined }, /size is needed/],
    ['IOPS on an offering that fixes them', { miniops: 5 }, /does not allow custom IOPS/],
    ['no offering and no snapshot', { diskofferingid: undefined }, /diskofferingid or parameter snapshotid is needed/],
    ['no zone', { zoneid: undefined }, /missing parameter zoneid/],
    ['an offering that is not there', { diskofferingid: randomUUID() }, /diskofferingid value=.*entity does not exist/],
  ] as const)('createVolume: %s', async (_what, more, text) => {
    const params = { name: 'refused', zoneid: ground.zone, diskofferingid: ground.offering, size: 1, ...more }
    await refused('createVolume', params, text)
    expect(await controller.api.list('listVolumes', { name: 'refused' })).toEqual([])
  })

  test('a removed disk offering', async () => {
    const offering = await controller.api.run('createDiskOffering', { name: 'old', displaytext: 'old', disksize: 1 })
    const diskofferingid = textOf(offering, 'id')
    await controller.api.run('deleteDiskOffering', { id: diskofferingid })
    await refused('createVolume', { zoneid: ground.zone, diskofferingid }, /entity does not exist/)
  })

  test('attaching twice, detaching while not attached, deleting while attached', async () => {
    const { api } = controller
    const id = textOf(await create(), 'id')
    await refused('detachVolume', { id }, /not attached to a VM/)
    await api.run('attachVolume', { id, virtualmachineid: vm })
    await refused('attachVolume', { id, virtualmachineid: vm }, /specify a volume that is not attached to any VM/)
    await refused('deleteVolume', { id }, /specify a volume that is not attached to any VM/)
    await refused('destroyVolume', { id }, /specify a volume that is not attached to any VM/)
    await refused('resizeVolume', { id, size: 0 }, /size: it must be above 0/)
    await api.run('resizeVolume', { id, size: 3 })
    await refused('resizeVolume', { id, size: 2 }, /2 GiB is below the volume's 3 GiB/)
    await refused('resizeVolume', { id }, /Nothing to change/)
    await api.run('detachVolume', { id })
    await refused('detachVolume', { id }, /not attached to a VM/)
    await api.run('deleteVolume', { id })
  })

  test('a device id that is taken, or that no data disk has', async () => {
    const { api } = controller
    const one = textOf(await create(), 'id')
    const other = textOf(await create(), 'id')
    expect(await api.run('attachVolume', { id: one, virtualmachineid: vm, deviceid: 7 })).toMatchObject({ deviceid: 7 })
    await refused('attachVolume', { id: other, virtualmachineid: vm, deviceid: 7 }, /deviceid 7 is taken/)
    await refused('attachVolume', { id: other, virtualmachineid: vm, deviceid: 0 }, /0 is the root disk/)
    await refused('attachVolume', { id: other, virtualmachineid: vm, deviceid: 3 }, /3 the CD drive/)
    await api.run('detachVolume', { virtualmachineid: vm, deviceid: 7 })
    await refused('detachVolume', { virtualmachineid: vm, deviceid: 7 }, /no volume with this deviceid/)
    for (const id of [one, other]) await api.run('deleteVolume', { id })
  })

  test('a VM in another zone', async () => {
    const elsewhere = await makeGround(controller, 'elsewhere')
    const { api } = controller
    const id = textOf(await create({ zoneid: elsewhere.zone }), 'id')
    await refused('attachVolume', { id, virtualmachineid: vm }, /are in different zones/)
    const params = { zoneid: elsewhere.zone, diskofferingid: ground.offering, size: 1, virtualmachineid: vm }
    await refused('createVolume', params, /are in different zones/)
    await api.run('deleteVolume', { id })
  })
})

describe('a command that waits for its operation', () => {
  test('gives up after its patience, naming the job, which goes on', async () => {
    const { api, simulator, system } = controller
    const id = textOf(await create({ virtualmachineid: vm }), 'id')
    await api.run('detachVolume', { id })
    await simulator.faults.arm({ method: 'array/volumes/delete', kind: 'hold-before', match: { id } })
    const { jobid } = await api.ask('destroyVolume', { id, expunge: true })
    const job = String(jobid)
    const waiting = endedWell(system, [job], { withinMs: 50 })
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(waiting).rejects.toThrow(new RegExp(`longer than 0.05 seconds and goes on: its job is ${job}`))
    await simulator.faults.clear()
    await endedWell(system, [job])
    expect(await volume(id)).toBeUndefined()
  })

  test('is refused as the operation was', async () => {
    const { api, simulator } = controller
    const id = textOf(await create(), 'id')
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before', match: { spec: { id } } })
    const attach = await api.ask('attachVolume', { id, virtualmachineid: vm })
    const deletion = api.refuses('deleteVolume', { id })
    await expect.poll(() => openOperations(id)).toBe(2)
    await simulator.faults.clear()
    expect(await deletion).toMatch(/^431 .*specify a volume that is not attached to any VM/)
    await api.job(textOf(attach, 'jobid'))
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
  })
})

async function openOperations(subject: string): Promise<number> {
  const open = await controller.store.reader
    .selectFrom('operation')
    .select('id')
    .where('subjectId', '=', subject)
    .where('endedAt', 'is', null)
    .execute()
  return open.length
}

describe('two commands on one volume', () => {
  test('wait for each other instead of failing, and each ends as asked', async () => {
    const { api, simulator } = controller
    const id = textOf(await create(), 'id')
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before', match: { spec: { id } } })
    const attach = await api.ask('attachVolume', { id, virtualmachineid: vm })
    await simulator.faults.held('array/volumes/create')
    const waiting = [
      await api.ask('createSnapshot', { volumeid: id, name: 'behind' }),
      await api.ask('detachVolume', { id }),
      await api.ask('resizeVolume', { id, size: 2 }),
      await api.ask('destroyVolume', { id, expunge: true }),
    ]
    expect(await volume(id)).toMatchObject({ state: 'Creating', jobid: attach['jobid'], jobstatus: 0 })
    await simulator.faults.clear()
    for (const { jobid } of [attach, ...waiting]) await api.job(String(jobid))
    expect(await api.list('listVolumes', { name: 'disk', listall: true })).toEqual([])
    const [snapshot] = await api.list('listSnapshots', { name: 'behind' })
    expect(snapshot).toMatchObject({ state: 'BackedUp', virtualsize: GIB })
    await api.run('deleteSnapshot', { id: textOf(snapshot ?? {}, 'id') })
    expect(await findings()).toEqual([])
  })

  test('fail the one that the other made impossible, as its job', async () => {
    const { api } = controller
    const id = textOf(await create(), 'id')
    const [first, second] = await Promise.all([
      api.ask('attachVolume', { id, virtualmachineid: vm }),
      api.ask('attachVolume', { id, virtualmachineid: vm }),
    ]).catch((error: unknown) => {
      // The first may have ended before the second came: then that one is refused at once, which is as good.
      if (error instanceof ApiRefusal && error.code === 431) return []
      throw error
    })
    if (first !== undefined && second !== undefined) {
      const ends = await Promise.allSettled([api.job(textOf(first, 'jobid')), api.job(textOf(second, 'jobid'))])
      expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    }
    await expect.poll(async () => (await volume(id))?.['jobid'], { timeout: 10_000 }).toBeUndefined()
    expect(await volume(id)).toMatchObject({ state: 'Ready', virtualmachineid: vm })
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
  })
})
