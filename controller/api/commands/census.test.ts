import { randomUUID } from 'node:crypto'
import type { Call, VmId, VolumeId } from '@moorage/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'

let controller: TestController
let ground: Ground

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

function call(): Call {
  return { key: randomUUID(), deadline: Date.now() + 10_000, signal: new AbortController().signal, fence: 1 }
}

test('a volume that nobody recorded is an orphan until it is gone, and nothing touches it', async () => {
  const { api, system } = controller
  const pool = await system.plugins.pool(ground.pool)
  const { volumes } = pool.provider(() => {})
  const id = randomUUID() as VolumeId // An id that no record has.
  await volumes.create({ id, bytes: 2 ** 30, qos: {}, settings: {} }, call())
  expect(await api.run('runCensus', { graceseconds: 0 })).toMatchObject({ success: true })
  const [finding] = await api.list('listCensusFindings', { kind: 'orphan', state: 'open' })
  expect(finding).toMatchObject({ kind: 'orphan', state: 'open', ageseconds: expect.any(Number) as number }) // A matcher.
  expect(Object.keys(finding ?? {})).toEqual(
    expect.arrayContaining(['id', 'where', 'object', 'ageseconds', 'class', 'actions']),
  )
  expect(JSON.stringify(finding)).toContain(id)
  expect(await volumes.get(id, call())).toMatchObject({ id })
  expect(await api.list('listCensusFindings', { id: String(finding?.['id']) })).toHaveLength(1)
  expect(await api.list('listCensusFindings', { kind: 'ghost' })).toEqual([])

  await volumes.delete(id, { ...call(), fence: 2 })
  await api.run('runCensus')
  expect(await api.list('listCensusFindings', { state: 'open' })).toEqual([])
  expect(await api.list('listCensusFindings', { state: 'gone' })).toMatchObject([{ id: finding?.['id'] }])
})

test('what was found is ignored with a reason, taken up again, adopted, and then a volume like any other', async () => {
  const { api, system } = controller
  const { volumes } = (await system.plugins.pool(ground.pool)).provider(() => {})
  const id = randomUUID() as VolumeId // An id that no record has.
  await volumes.create({ id, bytes: 2 ** 30, qos: {}, settings: {} }, call())
  await api.run('runCensus')
  const [found] = await api.list('listCensusFindings', { class: 'orphan-volume', state: 'open' })
  expect(found).toMatchObject({ actions: ['adopt', 'recycle', 'ignore'], bytes: 2 ** 30 })
  const finding = String(found?.['id'])
  const why = async (params: object) => api.refuses('resolveCensusFinding', { id: finding, ...params })
  expect(await why({ action: 'repair' })).toContain('allows adopt, recycle, ignore')
  expect(await why({ action: 'adopt' })).toContain('account is needed')
  expect(await why({ action: 'ignore' })).toContain('reason is needed')
  expect(await why({ action: 'recycle', reason: 'x' })).toContain('go with action ignore only')
  expect(await why({ action: 'ignore', reason: 'x', until: '2020-01-01' })).toContain('not in the future')

  await api.run('resolveCensusFinding', { id: finding, action: 'ignore', reason: 'a test of ours' })
  await api.run('runCensus')
  const [ignored] = await api.list('listCensusFindings', { id: finding })
  expect(ignored).toMatchObject({ state: 'ignored', reason: 'a test of ours', actions: ['adopt', 'recycle'] })

  const owner = { account: 'admin', domainid: await rootDomain() }
  await api.run('resolveCensusFinding', { id: finding, action: 'adopt', name: 'mine', ...owner })
  expect(await api.list('listVolumes', { id })).toMatchObject([{ id, name: 'mine', state: 'Ready', size: 2 ** 30 }])
  await api.run('runCensus')
  expect(await api.list('listCensusFindings', { state: 'open' })).toEqual([])
  await api.run('deleteVolume', { id })
  expect(await volumes.get(id, call())).toBeUndefined()
})

test('a machine that is gone is repaired by stopping its VM', async () => {
  const { api, system } = controller
  const { service: serviceofferingid, template: templateid, zone: zoneid } = ground
  const vm = await api.run('deployVirtualMachine', { serviceofferingid, templateid, zoneid })
  const id = String(vm['id'])
  const { vms } = (await system.plugins.host(String(vm['hostid']))).adapter(() => {})
  const { fence } = await controller.store.reader
    .selectFrom('operation')
    .select(({ fn }) => fn.max('fence').as('fence'))
    .executeTakeFirstOrThrow()
  await vms.stop(id as VmId, { force: true }, { ...call(), fence }) // An id of ours is made by us.
  await api.run('runCensus')
  const [found] = await api.list('listCensusFindings', { class: 'ghost-vm', state: 'open' })
  await api.run('resolveCensusFinding', { id: String(found?.['id']), action: 'repair' })
  expect(await api.list('listVirtualMachines', { id })).toMatchObject([{ state: 'Stopped' }])
  await api.run('runCensus')
  expect(await api.list('listCensusFindings', { state: 'open' })).toEqual([])
})

async function rootDomain(): Promise<string> {
  const [domain] = await controller.api.list('listDomains', { name: 'ROOT' })
  return String(domain?.['id'])
}

test('tenants neither take a census nor see what it found', async () => {
  const tenant = await controller.user()
  for (const command of ['runCensus', 'listCensusFindings', 'resolveCensusFinding'])
    expect(await tenant.refuses(command, {})).toMatch(/^432 /)
})
