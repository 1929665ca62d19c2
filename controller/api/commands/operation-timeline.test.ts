import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buryNode, listNodes } from '../../store/operations.ts'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let vm: string

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  vm = textOf(await controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
})
afterAll(() => controller.stop())

async function attaching(name: string): Promise<string> {
  const { api } = controller
  const { zone: zoneid, offering: diskofferingid } = ground
  const volume = await api.run('createVolume', { zoneid, diskofferingid, size: 1, name })
  return textOf(await api.ask('attachVolume', { id: textOf(volume, 'id'), virtualmachineid: vm }), 'jobid')
}

function timeline(id: string): Promise<readonly Answered[]> {
  return controller.api.list('listOperationTimeline', { id })
}

function told(entries: readonly Answered[], kind: string): readonly string[] {
  return entries
    .filter((entry) => entry['kind'] === kind)
    .map(({ step, method, outcome, attempts }) => [step, method, outcome, attempts].filter(Boolean).join(' '))
}

test('a timeline shows the wait behind another operation, each step with its attempts, and calls with their times', async () => {
  const { simulator, system } = controller
  await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before' })
  const first = await attaching('first')
  await simulator.faults.held('array/volumes/create')
  await simulator.faults.arm({ method: 'array/access/expose', kind: 'error-before', code: 'BUSY' })
  const second = await attaching('second')
  const waiting = await timeline(second)
  expect(waiting.map(({ kind, end }) => ({ kind, end }))).toEqual([{ kind: 'queued' }, { kind: 'waited' }])
  expect(waiting[1]).toMatchObject({ operation: first, command: 'attachVolume', resources: [`vm:${vm}`] })
  expect(await timeline(first)).toContainEqual(expect.objectContaining({ kind: 'step', step: 'create', attempts: 1 }))
  await simulator.faults.clear()
  await system.jobs.ended(second, 30_000)
  await system.jobs.ended(first, 30_000)
  const [one, two] = [await timeline(first), await timeline(second)]
  expect(two.find(({ kind }) => kind === 'waited')).toMatchObject({ operation: first, outcome: 'ended' })
  for (const entries of [one, two]) {
    expect(told(entries, 'run')).toEqual(['succeeded'])
    const begins = entries.map(({ begin }) => Date.parse(String(begin)))
    expect(begins).toEqual(begins.toSorted((a, b) => a - b))
    for (const { end, ms, offsetms } of entries) {
      expect(end).toEqual(expect.any(String))
      expect(ms).toBeGreaterThanOrEqual(0)
      expect(offsetms).toBeGreaterThanOrEqual(0)
    }
  }
  expect(told(one, 'step')).toEqual(['begin done 1', 'create done 1', 'expose done 1', 'plug done 1'])
  expect(told(one, 'call')).toContain('create volumes.create ok')
})

test('a timeline shows failed attempts, the failed step, and what was undone', async () => {
  const { simulator, system, api } = controller
  await simulator.faults.arm({ method: 'host/disks/attach', kind: 'error-before', code: 'BUSY' })
  await simulator.faults.arm({ method: 'host/disks/attach', kind: 'error-before', code: 'INTERNAL' })
  const id = await attaching('failing')
  await system.jobs.ended(id, 30_000)
  const entries = await timeline(id)
  expect(told(entries, 'attempt')).toEqual(['plug failed 1'])
  expect(told(entries, 'step').at(-1)).toBe('plug INTERNAL 2')
  expect(told(entries, 'undo')).toEqual(['plug undone 1', 'expose undone 1', 'create undone 1', 'begin undone 1'])
  expect(told(entries, 'run')).toEqual(['failed'])
  expect(told(entries, 'call')).toContain('plug disks.attach BUSY')
  const page = await api.ask('listOperationTimeline', { id, page: 2, pagesize: 3 })
  expect(page).toMatchObject({ count: entries.length, operationtimeline: entries.slice(3, 6) })
})

test('a timeline goes on after a take-over: the run, and the attempt in it, end as taken over', async () => {
  const { simulator, system, store } = controller
  await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before' })
  const id = await attaching('taken over')
  await simulator.faults.held('array/volumes/create')
  // As if a controller had died that held it: one that lives would renew its lease.
  await sql`update operation set fence = nextval('fence_seq') where id = ${id}`.execute(store.reader)
  const [node] = await listNodes(store.reader)
  await buryNode(store, node?.id ?? '')
  await system.jobs.ended(id, 30_000)
  await simulator.faults.clear()
  const entries = await timeline(id)
  expect(told(entries, 'run')).toEqual(['taken over', 'succeeded'])
  expect(told(entries, 'attempt')).toEqual(['create taken over 1'])
  expect(told(entries, 'step')).toEqual(['begin done 1', 'create done 2', 'expose done 1', 'plug done 1'])
  const user = await controller.user()
  await expect(user.list('listOperationTimeline', { id })).rejects.toThrow(/entity does not exist/)
})
