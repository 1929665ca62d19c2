import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(async () => controller.stop())

const today = () => new Date().toISOString().slice(0, 10)
const period = () => ({ startdate: '2026-01-01', enddate: today() })

test('both ways to bill are there: what is provisioned, with its IOPS, and each type with its number', async () => {
  const { api } = controller
  const { zone: zoneid, offering: diskofferingid } = ground
  const id = textOf(await api.run('createVolume', { name: 'billed', zoneid, diskofferingid, size: 2 }), 'id')
  await api.run('resizeVolume', { id, size: 3 })
  const records = await api.list('listUsageRecords', { ...period(), usageid: id })
  const ofType = (type: number) => records.filter(({ usagetype }) => usagetype === type)
  expect(ofType(6)).toMatchObject([
    { size: 2 * 2 ** 30, miniops: 100, maxiops: 1000, name: 'billed', account: 'admin', zoneid, usageid: id },
    { size: 3 * 2 ** 30, miniops: 100, maxiops: 1000, offeringid: diskofferingid },
  ])
  expect(records.map(({ usagetype }) => usagetype)).toEqual([6, 6, 10001, 10001, 10002, 10002])
  const hours = Number(ofType(6)[0]?.['rawusage'])
  expect(hours).toBeGreaterThan(0)
  expect(Number(ofType(10001)[0]?.['rawusage']) / hours).toBeCloseTo(100, 6)
  expect(ofType(6)[0]?.['usage']).toMatch(/^[\d.e-]+ Hrs$/)
  const page = async (number: number) =>
    api.ask('listUsageRecords', { ...period(), usageid: id, page: number, pagesize: 4 })
  expect(await page(1)).toMatchObject({ count: 6, usagerecord: { length: 4 } })
  expect(await page(2)).toMatchObject({ count: 6, usagerecord: { length: 2 } })
})

test('types are listed, those of CloudStack and ours', async () => {
  const types = await controller.api.list('listUsageTypes')
  expect(types).toContainEqual({ id: 6, name: 'VOLUME', description: 'Volume Usage' })
  expect(types.map(({ id }) => id)).toContain(10001)
})

test('a period that ends before it begins and a type that is not recorded are refused, naming the parameter', async () => {
  const { api } = controller
  await expect(api.run('listUsageRecords', { startdate: '2026-02-01', enddate: '2026-01-01' })).rejects.toThrow(
    /enddate/,
  )
  await expect(api.run('listUsageRecords', { ...period(), type: 5 })).rejects.toThrow(
    /parameter type: it must be one of 1/,
  )
})

test('an account is billed for its own; a domain administrator sees its domain alone', async () => {
  const { api } = controller
  const domain = textOf(await api.run('createDomain', { name: 'billed-domain' }), 'id')
  const other = await controller.user({ role: 'domain-admin', domain })
  const { zone: zoneid, offering: diskofferingid } = ground
  const id = textOf(await other.run('createVolume', { name: 'theirs', zoneid, diskofferingid, size: 1 }), 'id')
  const seen = await other.list('listUsageRecords', { ...period(), type: 6 })
  expect(seen.map(({ usageid }) => usageid)).toEqual([id])
  const [account] = await other.list('listAccounts')
  const of = async (more: Asked) =>
    (await api.list('listUsageRecords', { ...period(), type: 6, ...more })).map(({ usageid }) => usageid)
  expect(await of({ accountid: textOf(account ?? {}, 'id') })).toEqual([id])
  expect(await of({ domainid: domain })).toEqual([id])
  expect(await of({})).toContain(id)
  const [admin] = await api.list('listAccounts', { name: 'admin' })
  await expect(other.list('listUsageRecords', { ...period(), accountid: textOf(admin ?? {}, 'id') })).rejects.toThrow(
    /accountid/,
  )
})

test('the history of a volume shows what each reading found, in a period, to whoever may see the volume', async () => {
  const user = await controller.user()
  const { zone: zoneid, offering: diskofferingid } = ground
  const id = textOf(await user.run('createVolume', { name: 'historic', zoneid, diskofferingid, size: 1 }), 'id')
  const { reader } = controller.store
  const { accountId, zoneId } = await reader
    .selectFrom('volume')
    .select(['accountId', 'zoneId'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const io = { readOps: 3, writeOps: 4, readBytes: 4096, writeBytes: 8192, volumeId: id, accountId, zoneId }
  const at = (minutes: number) => new Date(Date.UTC(2026, 2, 1, 0, minutes))
  const rows = [0, 5, 10].map((minutes) => ({ ...io, at: at(minutes), readOps: minutes }))
  await reader.insertInto('usageIo').values(rows).execute()
  const day = { startdate: '2026-03-01', enddate: '2026-03-01' }
  const [volume] = await user.list('listVolumesUsageHistory', { id, ...day })
  const moment = { diskiowrite: 4, diskkbsread: 4, diskkbswrite: 8 }
  expect(volume).toEqual({
    id,
    name: 'historic',
    stats: [0, 5, 10].map((minutes) => ({
      timestamp: `2026-03-01T00:${String(minutes).padStart(2, '0')}:00+0000`,
      diskioread: minutes,
      diskiopstotal: minutes + 4,
      ...moment,
    })),
  })
  const part = { startdate: '2026-03-01T00:05:00+0000', enddate: '2026-03-01T00:10:00+0000' }
  expect((await user.list('listVolumesUsageHistory', { id, ...part }))[0]).toMatchObject({ stats: { length: 1 } })
  expect(await user.list('listVolumesUsageHistory', { name: 'historic' })).toMatchObject([{ id, stats: [] }])
  const other = await controller.user()
  expect(await other.refuses('listVolumesUsageHistory', { id })).toMatch(/431/)
})

test('tags come along when they are asked for, and generating has nothing to do', async () => {
  const { api } = controller
  const { zone: zoneid, offering: diskofferingid } = ground
  const id = textOf(await api.run('createVolume', { name: 'tagged', zoneid, diskofferingid, size: 1 }), 'id')
  const tag = { 'tags[0].key': 'cost', 'tags[0].value': 'center' }
  await api.run('createTags', { resourceids: id, resourcetype: 'Volume', ...tag })
  const wanted = { ...period(), usageid: id, type: 6 }
  expect((await api.list('listUsageRecords', wanted))[0]).not.toHaveProperty('tags')
  const [record] = await api.list('listUsageRecords', { ...wanted, includetags: true })
  expect(record?.['tags']).toMatchObject([{ key: 'cost', value: 'center', resourceid: id, resourcetype: 'Volume' }])
  expect(await api.run('generateUsageRecords', period())).toMatchObject({ success: true })
})
