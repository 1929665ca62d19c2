import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

/** A user with the events of a volume. */
async function withEvents(): Promise<{ readonly user: TestClient; readonly ids: readonly string[] }> {
  const user = await controller.user()
  const { zone: zoneid, offering: diskofferingid } = ground
  await user.run('createVolume', { name: 'eventful', zoneid, diskofferingid, size: 1 })
  const events = await user.list('listEvents', { type: 'VOLUME.CREATE' })
  return { user, ids: events.map((event) => textOf(event, 'id')) }
}

describe('events', () => {
  test('that are archived are listed when asked for only', async () => {
    const { user, ids } = await withEvents()
    const [first = ''] = ids
    await user.run('archiveEvents', { ids: first })
    const left = await user.list('listEvents', { type: 'VOLUME.CREATE' })
    expect(left.map(({ id }) => id)).toEqual(ids.slice(1))
    const all = await user.list('listEvents', { type: 'VOLUME.CREATE', archived: true })
    expect(all.map(({ id, archived }) => [id, archived])).toEqual(ids.map((id) => [id, id === first]))
  })

  test('are deleted by type or by time, those of others left alone', async () => {
    const [one, other] = [await withEvents(), await withEvents()]
    await one.user.run('deleteEvents', { type: 'VOLUME.CREATE' })
    expect(await one.user.list('listEvents', { type: 'VOLUME.CREATE', archived: true })).toEqual([])
    expect(await other.user.list('listEvents', { type: 'VOLUME.CREATE' })).toHaveLength(other.ids.length)
    await other.user.run('deleteEvents', { startdate: '2020-01-01', enddate: '2020-12-31' })
    expect(await other.user.list('listEvents', { type: 'VOLUME.CREATE' })).toHaveLength(other.ids.length)
    await other.user.run('deleteEvents', { enddate: '2099-12-31' })
    expect(await other.user.list('listEvents', { archived: true })).toEqual([])
  })

  test('are neither archived nor deleted when nothing says which, and those of others are not found', async () => {
    const [one, other] = [await withEvents(), await withEvents()]
    expect(await one.user.refuses('deleteEvents', {})).toMatch(/either ids, type or enddate must be specified/)
    expect(await one.user.refuses('archiveEvents', { startdate: '2020-01-01', type: 'X' })).toMatch(/parameter enddate/)
    expect(await one.user.refuses('deleteEvents', { ids: other.ids.join(',') })).toMatch(/parameter ids/)
  })
})
