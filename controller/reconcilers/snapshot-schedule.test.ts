import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Asked, textOf } from '../testing-client.ts'
import { type Scene, startScene } from './testing.ts'

let scene: Scene
let volume: string
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.stop())
beforeEach(async () => {
  volume = await scene.create()
  await scene.api.run('attachVolume', { id: volume, virtualmachineid: await scene.deploy() })
})

async function policy(more: Asked = {}): Promise<string> {
  const usual = { intervaltype: 'HOURLY', schedule: '0', timezone: 'UTC', maxsnaps: 2 }
  return textOf(await scene.api.run('createSnapshotPolicy', { volumeid: volume, ...usual, ...more }), 'id')
}

/** Lets the policy have been due so many minutes ago. */
async function overdue(id: string, minutes: number): Promise<void> {
  const nextAt = sql<Date>`now() - make_interval(mins => ${minutes})`
  await scene.store.reader.updateTable('snapshotPolicy').set({ nextAt }).where('id', '=', id).execute()
}

/** What the policy of the volume has taken, once all operations on it have ended. */
async function taken() {
  const all = await scene.api.list('listSnapshots', { volumeid: volume, snapshottype: 'RECURRING' })
  for (const { id } of all) {
    await scene.operations('snapshot-create', String(id))
    await scene.operations('snapshot-delete', String(id))
  }
  return scene.api.list('listSnapshots', { volumeid: volume, snapshottype: 'RECURRING' })
}

test('a snapshot that is due is taken once, and runs that were missed are made up for by one', async () => {
  const id = await policy()
  await scene.turn('snapshot-schedule')
  expect(await taken()).toEqual([])
  await overdue(id, 10 * 60)
  await Promise.all([scene.turn('snapshot-schedule'), scene.turn('snapshot-schedule')])
  const [first, ...more] = await taken()
  expect(first).toMatchObject({ state: 'BackedUp', intervaltype: 'HOURLY', snapshottype: 'RECURRING' })
  expect(more).toEqual([])
  const [listed] = await scene.api.list('listSnapshotPolicies', { id })
  expect(Date.parse(textOf(listed ?? {}, 'nextrun'))).toBeGreaterThan(Date.now())
  expect(await scene.api.list('listSnapshots', { volumeid: volume, snapshottype: 'MANUAL' })).toEqual([])
})

test('what a policy keeps no more is deleted, and what somebody asked for stays', async () => {
  const id = await policy()
  const own = textOf(await scene.api.run('createSnapshot', { volumeid: volume, name: 'own' }), 'id')
  const names: string[] = []
  for (let run = 0; run < 3; run++) {
    await overdue(id, 1)
    await scene.turn('snapshot-schedule')
    names.push(...(await taken()).map((each) => textOf(each, 'id')).filter((each) => !names.includes(each)))
  }
  await scene.turn('snapshot-schedule')
  const left = (await taken()).map((each) => textOf(each, 'id'))
  expect(left.toSorted()).toEqual(names.slice(1).toSorted())
  expect(await scene.api.list('listSnapshots', { id: own })).toHaveLength(1)
})

test('a run is left out, with an event, where the volume lives nowhere', async () => {
  volume = await scene.create()
  await overdue(await policy(), 1)
  await scene.turn('snapshot-schedule')
  expect(await taken()).toEqual([])
  expect(await scene.events(volume, 'SNAPSHOT.POLICY.%')).toEqual(['SNAPSHOT.POLICY.SKIPPED WARN'])
})

test('a policy goes with its volume, and not before', async () => {
  const id = await policy()
  await scene.api.run('detachVolume', { id: volume })
  await scene.turn('snapshot-schedule')
  expect(await scene.api.list('listSnapshotPolicies', { id })).toHaveLength(1)
  await scene.api.run('deleteVolume', { id: volume })
  await scene.turn('snapshot-schedule')
  const kept = await scene.store.reader.selectFrom('snapshotPolicy').select('id').where('id', '=', id).execute()
  expect(kept).toEqual([])
})
