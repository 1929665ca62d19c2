import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { addArchive } from '../testing.ts'
import { type Asked, textOf } from '../testing-client.ts'
import { type Scene, startScene } from './testing.ts'

let scene: Scene
let folder: string
let volume: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-archives-'))
  scene = await startScene({ plugins: { archives: [directoryArchive] } })
  await addArchive(scene, { zone: scene.ground.zone, folder })
})
afterAll(async () => {
  await scene.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  volume = await scene.create()
  await scene.api.run('attachVolume', { id: volume, virtualmachineid: await scene.deploy() })
})
afterEach(async () => {
  await scene.simulator.faults.clear()
  expect(await scene.findings()).toEqual([])
})

async function policy(more: Asked = {}): Promise<string> {
  const usual = { intervaltype: 'HOURLY', schedule: '0', timezone: 'UTC', maxsnaps: 2, locationtype: 'SECONDARY' }
  return textOf(await scene.api.run('createSnapshotPolicy', { volumeid: volume, ...usual, ...more }), 'id')
}

/** Waits for all that is done with snapshots of the volume, and answers the copies of each, the newest snapshot first. */
async function copies(): Promise<readonly string[]> {
  const all = scene.store.reader.selectFrom('snapshot').select('id').where('volumeId', '=', volume)
  const open = scene.store.reader
    .selectFrom('operation')
    .select(['saga', 'subjectId as snapshot'])
    .where('subjectId', 'in', all)
    .where('endedAt', 'is', null)
  // What ends may have submitted what follows.
  for (let found = await open.execute(); found.length > 0; found = await open.execute())
    for (const { saga, snapshot } of found) await scene.operations(saga, snapshot ?? '')
  const { rows } = await sql<{ readonly held: string }>`
    select coalesce(string_agg(copy.kind || case when copy.base then ' base' else '' end, ', ' order by copy.kind desc), '') held
    from snapshot left join snapshot_copy copy on copy.snapshot_id = snapshot.id and copy.state = 'present'
    where snapshot.volume_id = ${volume} and snapshot.removed_at is null
    group by snapshot.seq order by snapshot.seq desc`.execute(scene.store.reader)
  return rows.map(({ held }) => held)
}

/** Lets a run be due and be taken, and then what policies keep be settled. */
async function runOf(id: string): Promise<readonly string[]> {
  const nextAt = sql<Date>`now() - interval '1 minute'`
  await scene.store.reader.updateTable('snapshotPolicy').set({ nextAt }).where('id', '=', id).execute()
  await scene.turn('snapshot-schedule')
  await copies()
  await scene.turn('snapshot-schedule')
  return copies()
}

test('what a policy takes is archived, the array keeps a base, and as many as are asked for stay in the archive', async () => {
  const id = await policy()
  expect(await runOf(id)).toEqual(['array base, archive'])
  expect(await runOf(id)).toEqual(['array base, archive', 'archive'])
  expect(await runOf(id)).toEqual(['array base, archive', 'archive'])
})

test('the newest that are to stay on the array do, and fewer once the policy says so', async () => {
  const id = await policy({ maxsnaps: 3, maxprimary: 2 })
  for (let run = 0; run < 3; run++) await runOf(id)
  expect(await copies()).toEqual(['array, archive', 'array, archive', 'archive'])
  await scene.api.run('updateSnapshotPolicy', { id, maxprimary: 0 })
  await scene.turn('snapshot-schedule')
  // The next increment needs the newest.
  expect(await copies()).toEqual(['array base, archive', 'archive', 'archive'])
})

test('while archiving fails nothing goes from the archive, operators hear of it, and it is made up for', async () => {
  const id = await policy()
  await runOf(id)
  await runOf(id)
  await scene.simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'NO_SPACE' })
  expect(await runOf(id)).toEqual(['array', 'array base, archive', 'archive'])
  const [failed] = await scene.api.list('listSnapshots', { volumeid: volume, locationtype: 'PRIMARY' })
  const snapshot = textOf(failed ?? {}, 'id')
  const alerts = await scene.api.list('listAlerts', { name: 'SNAPSHOT.ARCHIVE' })
  expect(alerts.map(({ description }) => description)).toContain(
    `Error while archiving snapshot ${snapshot}: The secondary storage is full`,
  )
  await scene.age(snapshot, 120)
  await scene.turn('snapshot-schedule')
  await copies()
  await scene.turn('snapshot-schedule')
  expect(await copies()).toEqual(['array base, archive', 'archive'])
})

test('snapshots that a policy took before it archived are archived, the oldest first', async () => {
  const id = await policy({ locationtype: 'PRIMARY' })
  await runOf(id)
  expect(await runOf(id)).toEqual(['array', 'array'])
  await scene.api.run('updateSnapshotPolicy', { id, locationtype: 'SECONDARY' })
  await scene.turn('snapshot-schedule')
  expect(await copies()).toEqual(['array base, archive', 'archive'])
})
