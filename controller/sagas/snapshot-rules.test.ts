import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { locationOf, updateLocation } from '../store/locations.ts'
import { updatePool } from '../store/pools.ts'
import { changeReservation, reservationOf } from '../store/reservations.ts'
import { snapshotById } from '../store/snapshots.ts'
import { updateVolume, volumeById } from '../store/volumes.ts'
import { snapshotCreate } from './snapshot-create.ts'
import { snapshotDelete } from './snapshot-delete.ts'
import { snapshotRevert } from './snapshot-revert.ts'
import { clear, containing, ledgerFaults, leftHeld } from './testing/checks.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'
import { volumeFromSnapshot } from './volume-from-snapshot.ts'
import { volumeResize } from './volume-resize.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  await clear(world)
})

function refused(ended: Ended, text: string): void {
  expect(ended).toMatchObject({ state: 'failed', failure: { text: containing(text) } })
}

/** A volume with a snapshot, attached to a stopped VM. */
async function snapped(): Promise<{ readonly vm: string; readonly volume: string; readonly snapshot: string }> {
  const [vm, volume] = [await world.vm(), await world.volume()]
  await world.done(volumeAttach, { vm, volume })
  const snapshot = await world.snapshot(volume)
  await world.done(snapshotCreate, { snapshot })
  return { vm, volume, snapshot }
}

describe('a snapshot', () => {
  test('of a volume that lives nowhere is refused, ends in Error and can be deleted', async () => {
    const snapshot = await world.snapshot(await world.volume())
    refused(await world.run(snapshotCreate, { snapshot }), 'not in Ready state')
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'Error' })
    await world.done(snapshotDelete, { snapshot })
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'Destroyed' })
  })

  test('is BackedUp with a copy on the array and the time at which the array took it', async () => {
    const { snapshot, volume } = await snapped()
    const row = await snapshotById(world.store.reader, snapshot)
    expect(row).toMatchObject({ state: 'BackedUp', bytes: GIB })
    expect(Math.abs(Date.now() - (row?.takenAt?.getTime() ?? 0))).toBeLessThan(60_000)
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready' })
  })

  test('outlives its volume, and what the array had to keep of the volume goes with the last one', async () => {
    const { volume, snapshot } = await snapped()
    const second = await world.snapshot(volume)
    await world.done(snapshotCreate, { snapshot: second })
    await world.done(volumeDetach, { volume })
    // What an array says that cannot let snapshots outlive their volume.
    await world.simulator.faults.arm({ method: 'array/volumes/delete', kind: 'error-before', code: 'IN_USE' })
    await world.done(volumeDelete, { volume })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Expunged' })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ state: 'deleting' })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: GIB })
    expect(await world.findings()).toEqual([])
    await world.done(snapshotDelete, { snapshot })
    expect(await locationOf(world.store.reader, volume)).toBeDefined()
    await world.done(snapshotDelete, { snapshot: second })
    expect(await locationOf(world.store.reader, volume)).toBeUndefined()
    expect(await world.arrays()).toEqual([])
  })

  test('that cannot be deleted while something depends on it is usable as before', async () => {
    const { snapshot } = await snapped()
    await world.simulator.faults.arm({ method: 'array/snapshots/delete', kind: 'error-before', code: 'IN_USE' })
    const ended = await world.run(snapshotDelete, { snapshot })
    expect(ended).toMatchObject({ state: 'failed', failure: { code: 'IN_USE' } })
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'BackedUp' })
    const volume = await world.volume()
    await world.done(volumeFromSnapshot, { volume, snapshot })
  })

  test('whose deletion was carried out unseen is never called usable again', async () => {
    const { snapshot } = await snapped()
    await world.simulator.faults.arm({ method: 'array/snapshots/delete', kind: 'lose-answer' })
    refused(await world.run(snapshotDelete, { snapshot }), 'did not delete the snapshot')
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'Destroying' })
    await world.done(snapshotDelete, { snapshot })
  })
})

describe('a revert', () => {
  test('is refused while the volume belongs to a running VM, and done once that is stopped', async () => {
    const { vm, volume, snapshot } = await snapped()
    await world.done(vmStart, { vm })
    refused(await world.run(snapshotRevert, { snapshot }), 'not in the shutdown state')
    await world.done(vmStop, { vm, force: true })
    await world.done(snapshotRevert, { snapshot })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready' })
  })

  test('of a volume that has grown since is recorded in the size that the array gives it', async () => {
    const { volume, snapshot } = await snapped()
    await world.done(volumeResize, { volume, bytes: 4 * GIB })
    await world.done(snapshotRevert, { snapshot })
    const made = (await world.arrays()).find(({ kind }) => kind === 'volume')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready', bytes: made?.bytes })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: made?.bytes })
    expect(await world.findings()).toEqual([])
  })

  test('by which a volume grows is refused with nothing lost where its pool has no room for that', async () => {
    const { volume, snapshot: early } = await snapped()
    const pool = (await locationOf(world.store.reader, volume))?.poolId ?? ''
    await world.done(volumeResize, { volume, bytes: 4 * GIB })
    const late = await world.snapshot(volume)
    await world.done(snapshotCreate, { snapshot: late })
    // As it is recorded after a revert on an array that gives back what had grown; this one does not.
    await world.store.transact(async (tx) => {
      await updateLocation(tx, volume, { bytes: GIB })
      await updateVolume(tx, volume, { bytes: GIB })
      await changeReservation(tx, volume, { bytes: GIB, iops: 0 })
    })
    const capacity = async (capacityBytes: number | null) =>
      world.store.transact((tx) => updatePool(tx, pool, { capacityBytes }))
    await capacity(3 * GIB)
    const short = await world.run(snapshotRevert, { snapshot: late })
    expect(short).toMatchObject({ state: 'failed', failure: { code: 'NO_CAPACITY', text: containing('4 GiB needed') } })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready', bytes: GIB })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: GIB, beforeBytes: null })
    // That the array makes more than was asked for comes out when it has; the census tells what there is then.
    refused(await world.run(snapshotRevert, { snapshot: early }), 'made more of volume')
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: GIB, beforeBytes: null })
    expect(await world.findings()).toEqual([expect.stringContaining(volume)])
    await capacity(null)
    await world.simulator.faults.arm({ method: 'array/revert/revert', kind: 'error-before', code: 'INTERNAL' })
    expect(await world.run(snapshotRevert, { snapshot: late })).toMatchObject({ state: 'failed' })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: GIB, beforeBytes: null })
    await world.simulator.faults.clear()
    await world.done(snapshotRevert, { snapshot: late })
    expect(await reservationOf(world.store.reader, volume)).toMatchObject({ bytes: 4 * GIB, beforeBytes: null })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ bytes: 4 * GIB })
    expect(await world.findings()).toEqual([])
  })
})

describe('a volume made from a snapshot', () => {
  test('lives where the snapshot does, and is independent of it', async () => {
    const { volume: source, snapshot } = await snapped()
    const volume = await world.volume({ bytes: 2 * GIB })
    await world.done(volumeFromSnapshot, { volume, snapshot })
    const pool = (await locationOf(world.store.reader, source))?.poolId
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ poolId: pool, bytes: 2 * GIB })
    await world.done(snapshotDelete, { snapshot })
    expect(await world.findings()).toEqual([])
  })

  test('is refused when it is smaller than the snapshot, and when the snapshot is gone', async () => {
    const { snapshot } = await snapped()
    refused(
      await world.run(volumeFromSnapshot, { volume: await world.volume({ bytes: GIB / 2 }), snapshot }),
      'is smaller than',
    )
    await world.done(snapshotDelete, { snapshot })
    const volume = await world.volume()
    refused(await world.run(volumeFromSnapshot, { volume, snapshot }), 'cannot be used any more')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Allocated' })
  })

  test('is made at its first attach when it was not made before', async () => {
    const { snapshot } = await snapped()
    const [vm, volume] = [await world.vm(), await world.volume({ from: snapshot })]
    await world.done(volumeAttach, { vm, volume })
    expect((await world.simulator.calls({ method: 'array/clones/clone', object: volume })).items).toHaveLength(1)
  })
})
