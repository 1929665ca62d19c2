import { afterAll, beforeAll, expect, test } from 'vitest'
import { attachmentOf } from '../store/attachments.ts'
import { locationOf } from '../store/locations.ts'
import { poolById } from '../store/pools.ts'
import { vmById } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmStart } from './vm-start.ts'
import { vmStop } from './vm-stop.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())

test('a volume is made at its first attach, plugged into the running VM, and gone after detach and delete', async () => {
  const { store } = world
  const volume = await world.volume({ qos: { totalIops: { min: 500, max: 1000 } } })
  const vm = await world.vm()
  await world.done(vmStart, { vm })
  await world.done(volumeAttach, { volume, vm })
  expect(await volumeById(store.reader, volume)).toMatchObject({ state: 'Ready', operationId: null, generation: 1 })
  expect(await attachmentOf(store.reader, volume)).toMatchObject({ deviceId: 1, actual: 'attached' })
  const location = await locationOf(store.reader, volume)
  expect(location).toMatchObject({ state: 'present', qosTier: 'storage' })
  expect(await poolById(store.reader, location?.poolId ?? '')).toMatchObject({ reservedIops: 500 })
  expect(await world.findings()).toEqual([])
  await world.done(volumeDetach, { volume })
  await world.done(vmStop, { vm, force: true })
  await world.done(volumeDelete, { volume })
  expect(await volumeById(store.reader, volume)).toMatchObject({ state: 'Expunged' })
  expect(await vmById(store.reader, vm)).toMatchObject({ state: 'Stopped', hostId: null })
  expect(await world.arrays()).toEqual([])
  expect(await poolById(store.reader, location?.poolId ?? '')).toMatchObject({ reservedIops: 0, reservedBytes: 0 })
  expect(await world.findings()).toEqual([])
})
