import { randomUUID } from 'node:crypto'
import type { HostId, MoverJobId, SnapshotId, VolumeId } from '@moorage/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { locationOf } from '../../store/locations.ts'
import { clear } from './checks.ts'
import { latest, snapped } from './scene-parts.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

test('what a mover has not put away is left over, and what an archive holds', async () => {
  expect(await world.moved()).toEqual([])
  const { snapshot, volume } = await snapped(world)
  const [mover, archive] = [await world.mover(), await world.archive()]
  expect([await world.mover(), await world.archive()]).toEqual([mover, archive])
  const daemon = (await world.plugins.mover(mover)).mover(() => {})
  const { initiator } = await daemon.report(await latest(world))
  const pool = (await locationOf(world.store.reader, volume))?.poolId ?? ''
  const { access } = (await world.plugins.pool(pool)).provider(() => {})
  // Ids of ours are made by us; the brands only keep kinds apart.
  const source = { kind: 'snapshot', id: snapshot as SnapshotId } as const
  const consumer = { kind: 'mover', id: mover as HostId, initiator } as const // The same.
  const exposure = { source, consumer, mode: 'ro', account: 'movers' } as const
  const connection = await access.expose(exposure, await latest(world))
  const task = {
    kind: 'archive',
    id: randomUUID() as string as MoverJobId, // The same.
    archive: world.archiveAccess(),
    snapshot: source.id,
    volume: volume as VolumeId, // The same.
    source: connection,
    takenAt: 1,
  } as const
  await daemon.prepare(task.archive, {}, await latest(world))
  await daemon.submit(task, await latest(world))
  for (let times = 0; times < 2; times += 1) await daemon.job(task.id, await latest(world))
  await access.withdraw({ source, consumer }, await latest(world))
  expect(await world.moved()).toMatchObject([
    { moved: 'job', id: task.id, state: 'done' },
    { moved: 'snapshot', snapshot, volume },
  ])
  await expect(clear(world)).rejects.toThrow('left over')
  await daemon.forget(task.id, await latest(world))
  await daemon.remove(task.archive, task.snapshot, await latest(world))
  await clear(world)
})
