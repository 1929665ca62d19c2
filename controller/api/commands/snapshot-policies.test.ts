import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let volume: string

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const { zone: zoneid, offering: diskofferingid } = ground
  volume = textOf(await controller.api.run('createVolume', { name: 'disk', zoneid, diskofferingid, size: 1 }), 'id')
})
afterAll(() => controller.stop())

const DAILY = { intervaltype: 'DAILY', schedule: '30:02', timezone: 'Europe/Berlin', maxsnaps: 7 } as const

test('a volume has one policy for each interval: another one takes its place', async () => {
  const { api } = controller
  const made = await api.run('createSnapshotPolicy', { volumeid: volume, ...DAILY })
  expect(made).toMatchObject({ volumeid: volume, intervaltype: 1, schedule: '30:02', maxsnaps: 7, fordisplay: true })
  const changed = { volumeid: volume, ...DAILY, maxsnaps: 3, keepweeks: 4 }
  expect(await api.run('createSnapshotPolicy', changed)).toMatchObject({ id: made['id'], maxsnaps: 3, keepweeks: 4 })
  const monthly = { intervaltype: 'MONTHLY', schedule: '0:0:1', timezone: 'UTC', maxsnaps: 1 }
  await api.run('createSnapshotPolicy', { volumeid: volume, ...monthly })
  const listed = await api.list('listSnapshotPolicies', { volumeid: volume })
  expect(listed.map(({ intervaltype, maxsnaps }) => [intervaltype, maxsnaps])).toEqual([
    [1, 3],
    [3, 1],
  ])
  await api.run('deleteSnapshotPolicies', { ids: listed.map(({ id }) => String(id)).join(',') })
  expect(await api.list('listSnapshotPolicies', { volumeid: volume })).toEqual([])
})

test('runs of policies are spread over the seconds that it says, each always by the same', async () => {
  const { api } = controller
  const spread = { volumeid: volume, ...DAILY, timezone: 'UTC', spread: 3600 }
  const one = await api.run('createSnapshotPolicy', spread)
  const other = await api.run('createSnapshotPolicy', spread)
  expect(other).toMatchObject({ id: one['id'], nextrun: one['nextrun'] })
  const minutes = /T(\d\d):(\d\d):/.exec(textOf(one, 'nextrun')) ?? []
  const after = Number(minutes[1]) * 60 + Number(minutes[2]) - 150
  expect(after).toBeGreaterThanOrEqual(0)
  expect(after).toBeLessThanOrEqual(60)
  await api.run('deleteSnapshotPolicies', { id: textOf(one, 'id') })
})

test.each<readonly [string, Asked, RegExp]>([
  [
    'an interval that is none',
    { intervaltype: 'YEARLY' },
    /intervaltype: it must be one of HOURLY, DAILY, WEEKLY, MONTHLY/,
  ],
  ['a schedule of another interval', { schedule: '30' }, /schedule: DAILY is written MM:HH/],
  ['a zone that is none', { timezone: 'Mars/Olympus' }, /timezone: it must name a time zone/],
  ['no snapshots', { maxsnaps: 0 }, /maxsnaps/],
  ['more snapshots than are allowed', { maxsnaps: 9 }, /maxsnaps: snapshot.max.daily allows 8 at most/],
  ['a location where no archive is', { locationtype: 'SECONDARY' }, /to secondary storage, and the zone has none/],
  [
    'copies on the array besides those on the array',
    { maxprimary: 1 },
    /maxprimary: it is for policies whose location/,
  ],
])('a policy with %s is refused', async (_what, more, text) => {
  expect(await controller.api.refuses('createSnapshotPolicy', { volumeid: volume, ...DAILY, ...more })).toMatch(text)
})

test('a policy is changed, and keeps what nobody speaks of', async () => {
  const { api } = controller
  const { id } = await api.run('createSnapshotPolicy', { volumeid: volume, ...DAILY, keepweeks: 4 })
  const changed = await api.run('updateSnapshotPolicy', { id: String(id), maxsnaps: 5, schedule: '15:04' })
  expect(changed).toMatchObject({ id, maxsnaps: 5, keepweeks: 4, schedule: '15:04', timezone: 'Europe/Berlin' })
  await api.run('updateSnapshotPolicy', { id: String(id), fordisplay: false })
  expect(await api.list('listSnapshotPolicies', { id: String(id), fordisplay: true })).toEqual([])
  expect(await api.refuses('updateSnapshotPolicy', { id: String(id), schedule: '30' })).toMatch(
    /schedule: DAILY is written MM:HH/,
  )
  expect(await api.refuses('updateSnapshotPolicy', { id: String(id), locationtype: 'SECONDARY' })).toMatch(
    /would go to secondary storage, and the zone has none/,
  )
  await api.run('deleteSnapshotPolicies', { id: String(id) })
})

test('deleting no policy is refused', async () => {
  expect(await controller.api.refuses('deleteSnapshotPolicies', {})).toMatch(/id or ids must name a policy/)
})

test('a simulation tells what would be left, and why, and records nothing', async () => {
  const { api } = controller
  const terms = { ...DAILY, timezone: 'UTC', maxsnaps: 2, keepweeks: 3, days: 60 }
  const left = await api.list('simulateSnapshotPolicy', terms)
  expect(left.map(({ keptas }) => keptas).slice(0, 2)).toEqual(['newest, weeks', 'newest'])
  expect(left.filter(({ keptas }) => keptas === 'weeks').length).toBeGreaterThanOrEqual(1)
  expect(left.length).toBeLessThanOrEqual(5)
  const places = await api.list('simulateSnapshotPolicy', { ...terms, locationtype: 'SECONDARY', maxprimary: 1 })
  expect(places.map(({ keptin }) => keptin).slice(0, 2)).toEqual(['PRIMARY, SECONDARY', 'SECONDARY'])
  expect(await api.refuses('simulateSnapshotPolicy', { ...terms, locationtype: 'SECONDARY', maxprimary: 3 })).toMatch(
    /maxprimary: what stays on the array is in the archive, too, where maxsnaps keeps 2/,
  )
  expect(await api.list('listSnapshotPolicies', { listall: true })).toEqual([])
  const endless = { ...terms, intervaltype: 'HOURLY', schedule: '0', days: 3660 }
  expect(await api.refuses('simulateSnapshotPolicy', endless)).toMatch(
    /days: the policy would run more than 20000 times/,
  )
})
