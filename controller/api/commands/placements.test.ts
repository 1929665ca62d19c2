import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, poolParams, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let tenant: TestClient
let other: string
let big: string

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  tenant = await controller.user()
  const { api, simulator } = controller
  await api.run('updateTemplatePermissions', { id: ground.template, ispublic: true })
  await api.run('updateStoragePool', { id: ground.pool, capacityiops: 1000 })
  const more = { ...poolParams(simulator, 'second'), zoneid: ground.zone, capacityiops: 500, tags: 'ssd' }
  other = textOf(await api.run('createStoragePool', more), 'id')
  const terms = { name: 'big', displaytext: 'big', disksize: 1, miniops: 1500, maxiops: 2000, customizediops: true }
  big = textOf(await api.run('createDiskOffering', terms), 'id')
}, 60_000)
afterAll(() => controller.stop())

const named = { name: 'volume' }

async function attachedTo(client: TestClient, params: object): Promise<string> {
  const volume = textOf(await client.run('createVolume', { ...named, zoneid: ground.zone, ...params }), 'id')
  const from = { zoneid: ground.zone, serviceofferingid: ground.service, templateid: ground.template, startvm: false }
  const vm = textOf(await client.run('deployVirtualMachine', from), 'id')
  const { jobid } = await client.ask('attachVolume', { id: volume, virtualmachineid: vm })
  await controller.system.jobs.ended(String(jobid), 30_000)
  return String(jobid)
}

describe('the placement that an operation made', () => {
  test('stands with it: every verdict on the chosen pool for operators, and no pool for tenants', async () => {
    const job = await attachedTo(tenant, { diskofferingid: ground.offering, size: 1 })
    const rows = await controller.api.list('listOperationPlacements', { id: job, pagesize: 500, page: 1 })
    const chosen = rows.filter((row) => row['chosen'] === true)
    expect(chosen.map(({ filter }) => filter)).toEqual(expect.arrayContaining(['state', 'bytes', 'iops', 'slots']))
    const iops = chosen.find(({ filter }) => filter === 'iops')
    expect(iops).toMatchObject({ poolid: ground.pool, poolname: 'array-one', passed: true, needed: 100, limit: 1000 })
    expect(iops).toMatchObject({ capacity: 1000, factor: '1 (usual)', unit: 'IOPS' })
    const told = await tenant.list('listOperationPlacements', { id: job, pagesize: 500, page: 1 })
    expect(told).toHaveLength(rows.length)
    expect(JSON.stringify(told)).not.toMatch(/array-one|second/)
    expect(JSON.stringify(told)).not.toContain(ground.pool)
  })

  test('stands with it also where it was refused, and whoever asked reads numbers in the text', async () => {
    const job = await attachedTo(tenant, { diskofferingid: big })
    const [operation] = await tenant.list('listOperations', { id: job })
    expect(operation?.['errortext']).toBe(
      'No storage pool for a volume of 1 GiB: a pool has too few IOPS left: 1500 IOPS needed, at most 900 of 1000 IOPS available. A minimum of 900 IOPS would fit',
    )
    const rows = await controller.api.list('listOperationPlacements', { id: job })
    // Pools stand in the order of their ids.
    expect(rows.toSorted((a, b) => Number(b['limit']) - Number(a['limit']))).toMatchObject([
      { poolid: ground.pool, filter: 'iops', placed: false, passed: false, needed: 1500, available: 900 },
      { poolid: other, filter: 'iops', placed: false, passed: false, needed: 1500, available: 500 },
    ])
  })
})

describe('a plan', () => {
  const asked = () => ({ zoneid: ground.zone, diskofferingid: big })

  test('of a new volume says what would come of it, reserves nothing, and its change is accepted', async () => {
    const before = await controller.api.list('listStoragePools', { id: ground.pool })
    const refused = await tenant.run('planVolumePlacement', asked())
    expect(refused).toMatchObject({ placed: false, change: 'A minimum of 900 IOPS would fit', changeminiops: 900 })
    expect(refused).not.toHaveProperty('pools')
    const changed = { ...asked(), miniops: 900, maxiops: 2000 }
    expect(await tenant.run('planVolumePlacement', changed)).toMatchObject({ placed: true, qostier: 'storage' })
    expect(await controller.api.list('listStoragePools', { id: ground.pool })).toEqual(before)
    const job = await attachedTo(tenant, { diskofferingid: big, miniops: 900, maxiops: 2000 })
    const [operation] = await tenant.list('listOperations', { id: job })
    expect(operation).toMatchObject({ state: 'succeeded' })
  })

  test('tells operators the scores of each pool and every verdict', async () => {
    const plan = await controller.api.run('planVolumePlacement', {
      ...asked(),
      diskofferingid: ground.offering,
      size: 2,
    })
    expect(plan).toMatchObject({ placed: true })
    const pools = [plan['pools']].flat()
    expect(pools).toHaveLength(2)
    expect(pools).toContainEqual(expect.objectContaining({ id: ground.pool, chosen: false }))
    const chosen = { id: other, chosen: true, score: '0.8000', scoreiops: '0.8000', iops: 100, bytes: 2 * 2 ** 30 }
    expect(pools).toContainEqual(expect.objectContaining(chosen))
  })

  test('of a change is made where the volume lives; of a migration elsewhere, as findStoragePoolsForMigration says', async () => {
    const { api } = controller
    const volumes = await api.list('listVolumes', { listall: true, storageid: ground.pool })
    const id = textOf(volumes.find(({ miniops }) => miniops === 100) ?? {}, 'id')
    const here = await api.run('planVolumePlacement', { id, size: 2 })
    expect(here['text']).toBe('There is room for the volume')
    expect(here).toMatchObject({ placed: true, pools: [{ id: ground.pool }] })
    const there = await api.run('planVolumePlacement', { id, migrate: true })
    expect(there).toMatchObject({ placed: true, pools: [{ id: other, chosen: true }] })
    expect(await api.list('findStoragePoolsForMigration', { id })).toMatchObject([
      { id: other, name: 'second', suitableformigration: true },
    ])
    await api.run('updateStoragePool', { id: other, enabled: false })
    expect(await api.list('findStoragePoolsForMigration', { id })).toMatchObject([
      { id: other, suitableformigration: false, unsuitablereason: 'state: is Disabled, must be Up' },
    ])
    await api.run('updateStoragePool', { id: other, enabled: true })
  })

  test('narrows the disk offerings to those of which there is room, and to which a volume could change', async () => {
    const { api } = controller
    const listed = async (params: Readonly<Record<string, string>>) =>
      (await api.list('listDiskOfferings', params)).map(({ id }) => id)
    expect(await listed({})).toEqual(expect.arrayContaining([big, ground.offering]))
    const small = { name: 'small', displaytext: 'small', disksize: 1, miniops: 60, maxiops: 100 }
    const tagged = textOf(await api.run('createDiskOffering', { ...small, name: 'tagged', tags: 'ssd' }), 'id')
    const fits = textOf(await api.run('createDiskOffering', small), 'id')
    const there = await listed({ storageid: other })
    expect(there).toEqual(expect.arrayContaining([ground.offering, fits, tagged]))
    expect(there).not.toContain(big)
    const page = await api.ask('listDiskOfferings', { storageid: other, page: 1, pagesize: 1 })
    expect(page).toMatchObject({ count: there.length, diskoffering: [{ id: there[0] }] })
    const volumes = await api.list('listVolumes', { listall: true, storageid: ground.pool })
    const volume = volumes.find(({ diskofferingid }) => diskofferingid === ground.offering) ?? {}
    const volumeid = textOf(volume, 'id')
    const changes = await listed({ volumeid })
    expect(changes).toContain(fits)
    // Its own; one whose tags its pool lacks, which the pool that carries them does not; one that promises too much.
    for (const id of [ground.offering, tagged, big]) expect(changes).not.toContain(id)
    expect(await listed({ volumeid, storageid: other })).toEqual(expect.arrayContaining([fits, tagged]))
    const virtualmachineid = textOf(volume, 'virtualmachineid')
    const suited = await api.list('listDiskOfferings', { virtualmachineid, name: 'tagged' })
    expect(suited).toMatchObject([{ id: tagged, suitableforvirtualmachine: true }])
    expect(await api.list('listDiskOfferings', { virtualmachineid, name: 'big' })).toMatchObject([
      { id: big, suitableforvirtualmachine: false },
    ])
    expect((await api.list('listDiskOfferings', { name: 'big' }))[0]).not.toHaveProperty('suitableforvirtualmachine')
    // A tenant knows no pools, and to it there is no such parameter.
    expect((await tenant.list('listDiskOfferings', { storageid: other })).map(({ id }) => id)).toContain(big)
  })

  test('of nothing is refused', async () => {
    expect(await tenant.refuses('planVolumePlacement', { zoneid: ground.zone })).toMatch(/^431 Parameter id is needed/)
  })
})
