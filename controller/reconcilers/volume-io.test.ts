import { simulatorStorage } from '@moorage/storage-simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, poolParams, startController, type TestController } from '../testing.ts'
import { type Asked, textOf } from '../testing-client.ts'
import type { RunningReconcilers } from './start.ts'
import { patientReconcilers } from './testing.ts'

/** An array that does not count: its disks are counted by hosts. */
const uncounted: typeof simulatorStorage = {
  ...simulatorStorage,
  name: 'uncounted',
  open(endpoint) {
    const { stats: _counted, ...provider } = simulatorStorage.open(endpoint)
    return provider
  },
}

let controller: TestController
let ground: Ground
let reconcilers: RunningReconcilers
beforeAll(async () => {
  controller = await startController({ plugins: { storage: [uncounted] } })
  ground = await makeGround(controller)
  await controller.api.run('updateStoragePool', { id: ground.pool, tags: 'counted' })
  for (const name of ['plain', 'plain-too']) await newPool(name, { provider: 'uncounted', tags: 'uncounted' })
  await newPool('array-too', { tags: 'counted' })
  reconcilers = patientReconcilers(controller, { info: () => {}, warn: () => {}, error: () => {} })
})
afterAll(async () => {
  await reconcilers.stop()
  await controller.stop()
})

async function newPool(name: string, more: Asked): Promise<void> {
  const params = { ...poolParams(controller.simulator, name), name, zoneid: ground.zone, ...more }
  await controller.api.run('createStoragePool', params)
}

/** A volume of an array that counts, or does not, on a VM. */
async function disk(tags: 'counted' | 'uncounted') {
  const { api } = controller
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  const terms = { name: tags, displaytext: tags, disksize: 1, miniops: 100, maxiops: 1000, tags }
  const offering = textOf(await api.run('createDiskOffering', terms), 'id')
  const vm = textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
  const volume = textOf(await api.run('createVolume', { name: 'disk', zoneid, diskofferingid: offering }), 'id')
  await api.run('attachVolume', { id: volume, virtualmachineid: vm })
  return { vm, volume }
}

/** The guest writes 4 KiB so many times. */
async function write({ vm, volume }: { readonly vm: string; readonly volume: string }, times: number): Promise<void> {
  const { hostid } = (await controller.api.list('listVirtualMachines', { id: vm }))[0] ?? {}
  const host = hostid === ground.hosts[0] ? 'host-one-a' : 'host-one-b'
  const data = Buffer.alloc(4096).toString('base64')
  for (let n = 0; n < times; n += 1) await controller.simulator.send('io/write', { host, vm, volume, offset: 0, data })
}

/** Reads every counter that may be read, as if it were five minutes later; answers what a volume shows then. */
async function counted(volume: string): Promise<readonly [ops: unknown, kib: unknown]> {
  await controller.store.reader
    .updateTable('volumeIo')
    .set({ readAt: new Date(0) })
    .execute()
  await reconcilers.runNow('volume-io')
  const [found] = await controller.api.list('listVolumes', { id: volume })
  return [found?.['diskiowrite'], found?.['diskkbswrite']]
}

describe.each(['counted', 'uncounted'] as const)('I/O of a volume on an array that is %s', (tags) => {
  test('only ever grows: over detaching, a restart of its VM, and its move to another host', async () => {
    const { api } = controller
    const { vm, volume } = await disk(tags)
    await write({ vm, volume }, 3)
    expect(await counted(volume)).toEqual([3, 12])
    expect(await counted(volume)).toEqual([3, 12])
    await api.run('stopVirtualMachine', { id: vm })
    expect(await counted(volume)).toEqual([3, 12])
    await api.run('startVirtualMachine', { id: vm })
    await write({ vm, volume }, 4)
    expect(await counted(volume)).toEqual([7, 28])
    const { hostid } = (await api.list('listVirtualMachines', { id: vm }))[0] ?? {}
    const other = ground.hosts.find((host) => host !== hostid)
    await api.run('migrateVirtualMachine', { virtualmachineid: vm, hostid: other })
    await write({ vm, volume }, 5)
    expect(await counted(volume)).toEqual([12, 48])
    await api.run('detachVolume', { id: volume })
    expect(await counted(volume)).toEqual([12, 48])
    await api.run('attachVolume', { id: volume, virtualmachineid: vm })
    await write({ vm, volume }, 1)
    expect(await counted(volume)).toEqual([13, 52])
    expect(await billed(volume)).toEqual([13, 13 * 4096])
  })
})

describe.each(['counted', 'uncounted'] as const)('usage of a volume that moves between arrays that are %s', (tags) => {
  test('goes on: its time without a gap, its I/O by what the guest did, not by what was copied', async () => {
    const { api } = controller
    const { vm, volume } = await disk(tags)
    await write({ vm, volume }, 3)
    expect(await counted(volume)).toEqual([3, 12])
    const since = await meteredSince(volume)
    await api.run('migrateVolume', { volumeid: volume, storageid: await elsewhere(volume, tags), livemigrate: true })
    expect(await counted(volume)).toEqual([3, 12])
    await write({ vm, volume }, 2)
    expect(await counted(volume)).toEqual([5, 20])
    await api.run('stopVirtualMachine', { id: vm })
    await api.run('startVirtualMachine', { id: vm })
    await write({ vm, volume }, 1)
    expect(await counted(volume)).toEqual([6, 24])
    expect(await billed(volume)).toEqual([6, 6 * 4096])
    // One record that is open still, of the same size and IOPS: nothing of it ended with the move.
    expect(await meteredSince(volume)).toEqual(since)
  })
})

/** Since when the volume is metered as it is now, and how many records of it have ended. */
async function meteredSince(volume: string) {
  const { reader } = controller.store
  const of = { open: reader.selectFrom('usageOpen'), ended: reader.selectFrom('usageSpan') }
  return {
    open: await of.open.select(['since', 'bytes', 'minIops']).where('partId', '=', volume).execute(),
    ended: await of.ended.select('seq').where('partId', '=', volume).execute(),
  }
}

/** The other pool of those tags. */
async function elsewhere(volume: string, tags: string): Promise<string> {
  const [found] = await controller.api.list('listVolumes', { id: volume })
  const pools = await controller.api.list('listStoragePools')
  const other = pools.find((pool) => pool['tags'] === tags && pool['id'] !== found?.['storageid'])
  return textOf(other ?? {}, 'id')
}

/** What usage records say of it: write operations and bytes. */
async function billed(usageid: string): Promise<readonly number[]> {
  const period = { startdate: '2020-01-01', enddate: '2099-12-31' }
  const records = await controller.api.list('listUsageRecords', { ...period, usageid })
  return [22, 24].map((type) =>
    records.filter(({ usagetype }) => usagetype === type).reduce((sum, { rawusage }) => sum + Number(rawusage), 0),
  )
}

test('what a guest did just before its volume was detached is read once more where the array counts', async () => {
  const { vm, volume } = await disk('counted')
  await write({ vm, volume }, 2)
  await controller.api.run('detachVolume', { id: volume })
  expect(await counted(volume)).toEqual([2, 8])
  const { live } = await controller.store.reader
    .selectFrom('volumeIo')
    .select('live')
    .where('volumeId', '=', volume)
    .executeTakeFirstOrThrow()
  expect(live).toBe(false)
})

test('two controllers that read at the same time count once, and an array that does not answer keeps no other waiting', async () => {
  const [one, other] = [await disk('counted'), await disk('uncounted')]
  await write(one, 2)
  await write(other, 2)
  await controller.store.reader
    .updateTable('volumeIo')
    .set({ readAt: new Date(0) })
    .execute()
  const second = patientReconcilers(controller, { info: () => {}, warn: () => {}, error: () => {} })
  await Promise.all([reconcilers.runNow('volume-io'), second.runNow('volume-io')])
  await second.stop()
  expect(await counted(one.volume)).toEqual([2, 8])
  await write(one, 1)
  await write(other, 1)
  await controller.simulator.faults.arm({ method: 'array/stats/read', kind: 'error-before', count: 1 })
  expect(await counted(other.volume)).toEqual([3, 12])
  expect(await counted(one.volume)).toEqual([3, 12])
})
