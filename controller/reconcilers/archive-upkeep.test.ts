import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { addArchive } from '../testing.ts'
import { type Answered, textOf } from '../testing-client.ts'
import { type Scene, startScene } from './testing.ts'

let scene: Scene
let folder: string
let archive: string
let volume: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-archives-'))
  scene = await startScene({ plugins: { archives: [directoryArchive] } })
  const { api, ground } = scene
  archive = await addArchive(scene, { zone: ground.zone, folder })
  expect(await api.refuses('collectImageStore', { id: archive })).toMatch(/Nothing was ever archived in vault/)
  expect(await api.refuses('drillImageStore', { id: archive })).toMatch(/vault holds no snapshot/)
  volume = await scene.create()
  await api.run('attachVolume', { id: volume, virtualmachineid: await scene.deploy() })
})
afterAll(async () => {
  await scene.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(() => scene.simulator.faults.clear())

async function newArchived(): Promise<string> {
  return textOf(await scene.api.run('createSnapshot', { volumeid: volume, locationtype: 'SECONDARY' }), 'id')
}

/** Lets everything have happened so many hours ago. */
async function age(hours: number): Promise<void> {
  const { reader } = scene.store
  await sql`update archive set created_at = created_at - make_interval(hours => ${hours})`.execute(reader)
  await sql`update archive_upkeep set ended_at = ended_at - make_interval(hours => ${hours})`.execute(reader)
}

/** Lets the reconciler look; answers how many operations of each kind there were on the archive so far, and the archive. */
async function looked(): Promise<{ readonly done: readonly number[]; readonly store: Answered }> {
  await scene.turn('archive-upkeep')
  const [collected, drilled] = [
    await scene.operations('archive-collect', archive),
    await scene.operations('archive-drill', archive),
  ]
  for (const { state } of [...collected, ...drilled]) expect(state).toBe('succeeded')
  return { done: [collected.length, drilled.length], store: await scene.one('listImageStores', { id: archive }) }
}

test('an archive is collected every day and drilled every week, unless it has intervals of its own', async () => {
  const snapshot = await newArchived()
  expect((await looked()).done).toEqual([0, 0])
  await age(25)
  const { done, store } = await looked()
  expect(done).toEqual([1, 0])
  expect(store).toMatchObject({ collectobjects: 0, collectbytes: 0, collectwaiting: 0 })
  await age(6 * 24)
  // One at a time.
  await looked()
  const { store: drilled } = await looked()
  expect(drilled).toMatchObject({ drillsnapshotid: snapshot, drilldamaged: 0 })
  expect(Number(drilled['drilltook'])).toBeGreaterThan(0)
  const { done: before } = await looked()
  expect(before).toEqual([2, 1])

  await scene.api.run('updateImageStore', { id: archive, collectinterval: 0, drillinterval: 3600 })
  await age(2)
  expect((await looked()).done).toEqual([2, 2])
  await scene.api.run('updateImageStore', { id: archive, drillinterval: 0 })
  await age(1000)
  expect((await looked()).done).toEqual([2, 2])
})

test('what a deleted snapshot has left is removed, and an operator need not wait for it', async () => {
  const before = await scene.api.run('collectImageStore', { id: archive })
  const id = await newArchived()
  await scene.api.run('deleteSnapshot', { id })
  const after = await scene.api.run('collectImageStore', { id: archive })
  expect(Date.parse(textOf(after, 'collected'))).toBeGreaterThanOrEqual(Date.parse(textOf(before, 'collected')))
  expect(await scene.findings()).toEqual([])
})

test('a drill of a snapshot that is not there is refused, and one that is deleted meanwhile says nothing', async () => {
  const { api, simulator } = scene
  const [kept, going] = [await newArchived(), await newArchived()]
  const before = await api.run('drillImageStore', { id: archive, snapshotid: kept })
  expect(before).toMatchObject({ drillsnapshotid: kept })
  await simulator.faults.arm({ method: 'mover/jobs/submit', kind: 'hold-before' })
  const drilling = api.run('drillImageStore', { id: archive, snapshotid: going })
  const held = await simulator.faults.held('mover/jobs/submit')
  await api.run('deleteSnapshot', { id: going })
  await simulator.faults.release(held.id)
  expect(await drilling).toMatchObject({ drillsnapshotid: kept, drilled: before['drilled'] })
  expect(await api.refuses('drillImageStore', { id: archive, snapshotid: going })).toMatch(/snapshotid/)
})

test('a mover that does not answer fails it, which operators hear of, and it is asked for again', async () => {
  await scene.api.run('updateImageStore', { id: archive, collectinterval: 3600 })
  await age(2)
  await scene.simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'DENIED' })
  await scene.turn('archive-upkeep')
  const ended = await scene.operations('archive-collect', archive)
  expect(ended.at(-1)).toMatchObject({ state: 'failed' })
  const alerts = await scene.api.list('listAlerts', { name: 'IMAGE.STORE.COLLECT' })
  expect(alerts.at(0)?.['description']).toMatch(/did not let the data mover in/)
  await scene.age(archive, 120)
  await scene.turn('archive-upkeep')
  expect((await scene.operations('archive-collect', archive)).at(-1)).toMatchObject({ state: 'succeeded' })
})
