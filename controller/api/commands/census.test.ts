import { randomUUID } from 'node:crypto'
import type { Call, VolumeId } from '@moorage/contract'
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
  expect(Object.keys(finding ?? {})).toEqual(expect.arrayContaining(['id', 'where', 'object', 'ageseconds']))
  expect(JSON.stringify(finding)).toContain(id)
  expect(await volumes.get(id, call())).toMatchObject({ id })
  expect(await api.list('listCensusFindings', { id: String(finding?.['id']) })).toHaveLength(1)
  expect(await api.list('listCensusFindings', { kind: 'ghost' })).toEqual([])

  await volumes.delete(id, { ...call(), fence: 2 })
  await api.run('runCensus')
  expect(await api.list('listCensusFindings', { state: 'open' })).toEqual([])
  expect(await api.list('listCensusFindings', { state: 'gone' })).toMatchObject([{ id: finding?.['id'] }])
})

test('tenants neither take a census nor see what it found', async () => {
  const tenant = await controller.user()
  for (const command of ['runCensus', 'listCensusFindings']) expect(await tenant.refuses(command, {})).toMatch(/^432 /)
})
