import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { attachmentOf } from '../store/attachments.ts'
import { locationOf } from '../store/locations.ts'
import { updatePool } from '../store/pools.ts'
import { reservationOf } from '../store/reservations.ts'
import { updateVm } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { clear, containing, ledgerFaults, leftHeld } from './testing/checks.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'
import { snapshotCreate } from './snapshot-create.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'
import { volumeResize } from './volume-resize.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  for (const pool of Object.values(world.pools)) {
    await world.store.transact(async (tx) =>
      updatePool(tx, pool, { capacityIops: 10_000, capacityBytes: null, bytesFactor: 1 }),
    )
  }
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  await clear(world)
})

function refused(ended: Ended, text: string): void {
  expect(ended).toMatchObject({ state: 'failed', failure: { text: containing(text) } })
}

async function running(): Promise<string> {
  const vm = await world.vm()
  await world.done(vmStart, { vm })
  return vm
}

describe('an attach', () => {
  test('is refused for a volume that has a VM, one that is gone, and a VM in another zone', async () => {
    const [vm, volume] = [await world.vm(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    refused(await world.run(volumeAttach, { vm, volume }), 'already attached')
    refused(await world.run(volumeAttach, { vm, volume: randomUUID() }), 'There is no volume')
    const zone = randomUUID()
    await world.store.reader.insertInto('zone').values({ id: zone, name: zone }).execute()
    const abroad = await world.vm()
    await world.store.transact(async (tx) => updateVm(tx, abroad, { zoneId: zone }))
    refused(await world.run(volumeAttach, { vm: abroad, volume: await world.volume() }), 'different zones')
  })

  test('waits behind another on the same volume instead of failing at once, and then finds it attached', async () => {
    const [one, other, volume] = [await world.vm(), await world.vm(), await world.volume()]
    const operations = [
      await world.submit(volumeAttach, { vm: one, volume }),
      await world.submit(volumeDetach, { volume }),
      await world.submit(volumeAttach, { vm: other, volume }),
      await world.submit(volumeAttach, { vm: one, volume }),
    ]
    const ends = await Promise.all(operations.map(async (id) => world.end(id)))
    expect(ends.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded', 'failed'])
    expect(await attachmentOf(world.store.reader, volume)).toMatchObject({ vmId: other, generation: 2 })
  })

  test('gives the lowest free device id, or the one asked for when it is free', async () => {
    const vm = await world.vm()
    const volumes = await Promise.all(Array.from({ length: 4 }, async () => world.volume()))
    const [a = '', b = '', c = '', d = ''] = volumes
    await world.done(volumeAttach, { vm, volume: a, deviceId: 2 })
    await world.done(volumeAttach, { vm, volume: b })
    await world.done(volumeAttach, { vm, volume: c })
    refused(await world.run(volumeAttach, { vm, volume: d, deviceId: 2 }), 'deviceId 2 is used')
    refused(await world.run(volumeAttach, { vm, volume: d, deviceId: 0 }), 'kept for the root disk')
    const ids = await Promise.all(
      volumes.map(async (volume) => (await attachmentOf(world.store.reader, volume))?.deviceId),
    )
    expect(ids).toEqual([2, 1, 4, undefined])
  })

  test('makes the array volume for a stopped VM, which gets it when it starts and loses access when it stops', async () => {
    const [vm, volume] = [await world.vm(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    expect((await world.arrays()).map(({ kind }) => kind)).toEqual(['volume'])
    await world.done(vmStart, { vm })
    expect((await world.arrays()).map(({ kind }) => kind).sort()).toEqual(['exposure', 'volume'])
    expect((await world.machines()).map(({ kind }) => kind).sort()).toEqual(['disk', 'vm'])
    await world.done(vmStop, { vm, force: true })
    expect((await world.arrays()).map(({ kind }) => kind)).toEqual(['volume'])
    expect(await attachmentOf(world.store.reader, volume)).toMatchObject({ desired: 'attached', actual: 'detached' })
  })

  test('that no pool can take says why by rule, and leaves the volume Allocated and unreserved', async () => {
    const vm = await world.vm()
    const volume = await world.volume({ qos: { totalIops: { min: 20_000 } } })
    const ended = await world.run(volumeAttach, { vm, volume })
    refused(
      ended,
      'too few IOPS left: 20000 IOPS needed, at most 10000 of 10000 IOPS available. A minimum of 10000 IOPS would fit',
    )
    expect(ended.failure).toMatchObject({
      code: 'NO_CAPACITY',
      internal: containing('fast: iops: needs 20000'),
    })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Allocated' })
    expect(await attachmentOf(world.store.reader, volume)).toBeUndefined()
  })

  test('never oversells: of six volumes that ask for a third of all IOPS at once, as many fit as can', async () => {
    const vm = await world.vm()
    const qos = { totalIops: { min: 4_000 } }
    const volumes = await Promise.all(Array.from({ length: 6 }, async () => world.volume({ qos })))
    const vms = await Promise.all(volumes.map(async () => world.vm()))
    const ids = await Promise.all(
      volumes.map(async (volume, at) => world.submit(volumeAttach, { vm: vms[at] ?? vm, volume })),
    )
    const ends = await Promise.all(ids.map(async (id) => world.end(id)))
    expect(ends.filter(({ state }) => state === 'succeeded')).toHaveLength(4)
  })

  test('follows the tags of the offering', async () => {
    const [vm, volume] = [await world.vm(), await world.volume({ tags: ['slow'] })]
    await world.done(volumeAttach, { vm, volume })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ poolId: world.pools.slow })
    refused(
      await world.run(volumeAttach, { vm, volume: await world.volume({ tags: ['gold'] }) }),
      'does not carry the tags',
    )
  })

  test('gives a limit without a minimum to the hypervisor where the offering says so', async () => {
    const vm = await running()
    const volume = await world.volume({ qos: { totalIops: { max: 400 } }, tier: 'hypervisor' })
    await world.done(volumeAttach, { vm, volume })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ qosTier: 'hypervisor' })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ qosApplied: { totalIops: { max: 400 } } })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ iops: 0 })
  })

  test('takes the device ids that a machine has, and no others', async () => {
    const [vm, volume] = [await world.vm(), await world.volume()]
    refused(await world.run(volumeAttach, { vm, volume, deviceId: 25 }), 'deviceId 25 is above 24')
    await world.done(volumeAttach, { vm, volume, deviceId: 24 })
  })

  test('that is aborted halfway undoes what it began', async () => {
    const [vm, volume] = [await running(), await world.volume()]
    await world.simulator.faults.arm({ method: 'array/access/expose', kind: 'hold-after' })
    const operation = await world.submit(volumeAttach, { vm, volume })
    await world.simulator.faults.held('array/access/expose')
    await world.runner().abort(operation)
    expect(await world.end(operation)).toMatchObject({ state: 'aborted' })
    await world.simulator.faults.release()
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Allocated' })
    expect(await world.arrays()).toEqual([])
  })
})

describe('the pool of a volume', () => {
  async function inState(state: string): Promise<void> {
    await world.store.transact(async (tx) => updatePool(tx, world.pools.fast, { state }))
  }
  afterEach(async () => inState('Up'))

  test('takes no new volumes while it is disabled, and serves those that live there', async () => {
    const [vm, volume] = [await world.vm(), await world.volume({ tags: ['fast'] })]
    await world.done(volumeAttach, { vm, volume })
    await inState('Disabled')
    refused(await world.run(volumeAttach, { vm, volume: await world.volume({ tags: ['fast'] }) }), 'not in service')
    await world.done(vmStart, { vm })
    await world.done(volumeResize, { volume, bytes: 2 * GIB })
    await world.done(snapshotCreate, { snapshot: await world.snapshot(volume) })
    await world.done(volumeDetach, { volume })
    await world.done(volumeAttach, { vm, volume })
  })

  test('is left alone in maintenance: nothing is attached there, grown, or given other limits', async () => {
    const [vm, volume] = [await world.vm(), await world.volume({ tags: ['fast'] })]
    await world.done(volumeAttach, { vm, volume })
    await inState('Maintenance')
    refused(await world.run(volumeResize, { volume, bytes: 2 * GIB }), 'not in service')
    refused(await world.run(vmStart, { vm }), 'not in service')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready', bytes: GIB })
  })
})

describe('a detach', () => {
  test('is refused for a volume that is not attached', async () => {
    refused(await world.run(volumeDetach, { volume: await world.volume() }), 'not attached')
  })

  test('that the guest does not let happen leaves the volume attached and usable', async () => {
    const [vm, volume] = [await running(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    await world.simulator.faults.arm({ method: 'host/disks/detach', kind: 'error-before', code: 'BUSY' })
    refused(await world.run(volumeDetach, { volume }), 'did not let go')
    expect(await attachmentOf(world.store.reader, volume)).toMatchObject({ desired: 'attached', actual: 'attached' })
    expect(await world.findings()).toEqual([])
  })

  test('that the machine carried out unseen is not turned back, and is finished by the next one', async () => {
    const [vm, volume] = [await running(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    await world.simulator.faults.arm({ method: 'host/disks/detach', kind: 'lose-answer' })
    refused(await world.run(volumeDetach, { volume }), 'did not let go')
    expect(await attachmentOf(world.store.reader, volume)).toMatchObject({ desired: 'detached', actual: 'detached' })
    await world.done(volumeDetach, { volume })
    expect(await attachmentOf(world.store.reader, volume)).toBeUndefined()
  })
})

describe('a deletion', () => {
  test('is refused while the volume is attached', async () => {
    const [vm, volume] = [await world.vm(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    refused(await world.run(volumeDelete, { volume }), 'not attached to any VM')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready' })
  })

  test('that fails leaves the volume Expunging, never to be recovered, and can be asked again', async () => {
    const [vm, volume] = [await world.vm(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    await world.done(volumeDetach, { volume })
    await world.simulator.faults.arm({ method: 'array/volumes/delete', kind: 'error-after', code: 'INTERNAL' })
    refused(await world.run(volumeDelete, { volume }), 'did not delete the volume')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Expunging', removedAt: null })
    await world.done(volumeDelete, { volume })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Expunged' })
  })
})

describe('a resize', () => {
  test('of a volume that lives nowhere changes its record only', async () => {
    const volume = await world.volume()
    await world.done(volumeResize, { volume, bytes: 3 * GIB })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Allocated', bytes: 3 * GIB })
    expect(await world.arrays()).toEqual([])
  })

  test('refuses to shrink, and what the pool has no room for', async () => {
    const [vm, volume] = [await world.vm(), await world.volume({ tags: ['fast'] })]
    await world.done(volumeAttach, { vm, volume })
    refused(await world.run(volumeResize, { volume, bytes: GIB / 2 }), 'Shrinking is not possible')
    await world.store.transact(async (tx) => updatePool(tx, world.pools.fast, { capacityBytes: 2 * GIB }))
    refused(
      await world.run(volumeResize, { volume, bytes: 3 * GIB }),
      'no room for the change: 3 GiB needed, at most 2 GiB of 2 GiB available',
    )
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: GIB })
  })

  test('grows array, record and ledger, and the running machine sees it', async () => {
    const [vm, volume] = [await running(), await world.volume()]
    await world.done(volumeAttach, { vm, volume })
    await world.done(volumeResize, { volume, bytes: 2 * GIB })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready', bytes: 2 * GIB })
    expect(await world.arrays()).toContainEqual(expect.objectContaining({ kind: 'volume', bytes: 2 * GIB }))
    expect((await world.simulator.calls({ method: 'host/resize/refresh' })).items.length).toBeGreaterThan(0)
  })

  test('that the machine does not hear of keeps the new size, takes the limits back, and says so', async () => {
    const vm = await running()
    const volume = await world.volume({ qos: { totalIops: { min: 100, max: 200 } } })
    await world.done(volumeAttach, { vm, volume })
    await world.simulator.faults.arm({ method: 'host/resize/refresh', kind: 'error-before', code: 'INTERNAL' })
    const ended = await world.run(volumeResize, { volume, bytes: 2 * GIB, qos: { totalIops: { min: 900, max: 950 } } })
    refused(ended, 'has grown to 2 GiB and stays so')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({
      bytes: 2 * GIB,
      qosRequested: { totalIops: { min: 100, max: 200 } },
      qosApplied: { totalIops: { min: 100, max: 200 } },
    })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: 2 * GIB, iops: 100 })
    expect(await world.findings()).toEqual([])
  })

  test('changes limits live at the array, and charges the ledger with the new minimum', async () => {
    const [vm, volume] = [await running(), await world.volume({ qos: { totalIops: { min: 100 } } })]
    await world.done(volumeAttach, { vm, volume })
    const qos = { totalIops: { min: 700, max: 1500 } }
    await world.done(volumeResize, { volume, qos })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({
      qosRequested: qos,
      qosApplied: qos,
      qosObserved: qos,
    })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ iops: 700 })
  })

  test('to an offering that the hypervisor enforces moves the limits there, so that one tier has them', async () => {
    const [vm, volume] = [await running(), await world.volume({ qos: { totalIops: { min: 100 } } })]
    await world.done(volumeAttach, { vm, volume })
    const offering = await world.offering({ qos: { totalIops: { max: 600 } }, tier: 'hypervisor' })
    await world.done(volumeResize, { volume, offering })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ qosTier: 'hypervisor' })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({
      offeringId: offering,
      qosApplied: { totalIops: { max: 600 } },
    })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ iops: 0 })
    expect(await world.findings()).toEqual([])
  })

  test('that the array accepts and does not carry out has failed, and the old limits hold everywhere', async () => {
    const [vm, volume] = [await running(), await world.volume({ qos: { totalIops: { min: 100 } } })]
    await world.done(volumeAttach, { vm, volume })
    await world.simulator.faults.arm({ method: 'array/qos/apply', kind: 'lie' })
    refused(await world.run(volumeResize, { volume, qos: { totalIops: { min: 700 } } }), 'others are in force')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({
      state: 'Ready',
      qosRequested: { totalIops: { min: 100 } },
      qosApplied: { totalIops: { min: 100 } },
      qosObserved: { totalIops: { min: 100 } },
    })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ iops: 100 })
    expect(await world.findings()).toEqual([])
  })

  test('from the hypervisor to the array and back, failed on the way, leaves the limits where they were', async () => {
    const limited = { qos: { totalIops: { max: 500 } }, tier: 'hypervisor' } as const
    const [vm, volume] = [await running(), await world.volume(limited)]
    await world.done(volumeAttach, { vm, volume })
    const offering = await world.offering({ qos: { totalIops: { min: 100, max: 900 } }, tier: 'storage' })
    await world.simulator.faults.arm({ method: 'host/throttle/apply', kind: 'error-after', code: 'INTERNAL' })
    refused(await world.run(volumeResize, { volume, offering }), 'hypervisor did not take the new limits')
    const row = async () => volumeById(world.store.reader, volume)
    expect(await row()).toMatchObject({ qosApplied: limited.qos, qosObserved: limited.qos })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ qosTier: 'hypervisor' })
    await world.done(volumeResize, { volume, offering })
    const applied = { totalIops: { min: 100, max: 900 } }
    expect(await row()).toMatchObject({ qosApplied: applied, qosObserved: applied })
    expect(await world.findings()).toEqual([])
  })

  test('of the size alone does not ask whether the pool still carries the tags under which the volume came there', async () => {
    const [vm, volume] = [await world.vm(), await world.volume({ tags: ['fast'] })]
    await world.done(volumeAttach, { vm, volume })
    await world.store.transact(async (tx) => updatePool(tx, world.pools.fast, { tags: [] }))
    try {
      await world.done(volumeResize, { volume, bytes: 2 * GIB })
    } finally {
      await world.store.transact(async (tx) => updatePool(tx, world.pools.fast, { tags: ['fast'] }))
    }
  })

  test('to a smaller minimum gives nothing away until it is done, so that it can be undone', async () => {
    const vm = await running()
    const [volume, rival] = [
      await world.volume({ qos: { totalIops: { min: 9_000 } }, tags: ['fast'] }),
      await world.volume({ qos: { totalIops: { min: 5_000 } }, tags: ['fast'] }),
    ]
    await world.done(volumeAttach, { vm, volume })
    await world.simulator.faults.arm({ method: 'array/qos/apply', kind: 'hold-after' })
    const operation = await world.submit(volumeResize, { volume, qos: { totalIops: { min: 100 } } })
    await world.simulator.faults.held('array/qos/apply')
    refused(await world.run(volumeAttach, { vm: await world.vm(), volume: rival }), 'too few IOPS left')
    await world.runner().abort(operation)
    await world.simulator.faults.release()
    expect(await world.end(operation)).toMatchObject({ state: 'aborted' })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ iops: 9_000 })
    await world.done(volumeResize, { volume, qos: { totalIops: { min: 100 } } })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ iops: 100 })
    await world.done(volumeAttach, { vm: await world.vm(), volume: rival })
  })
})
