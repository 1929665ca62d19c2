import { afterAll, beforeAll, expect, test } from 'vitest'
import { hostById } from '../store/hosts.ts'
import { testStore } from '../store/testing.ts'
import { startReconcilers } from './start.ts'
import { type LogLine, NAMES, patientReconcilers, type Scene, startScene } from './testing.ts'

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(async () => scene.stop())

test('a reconciler that fails is logged and has its next turn all the same', async () => {
  const store = await testStore()
  await store.close()
  const { plugins, jobs } = scene.system
  const errors: LogLine[] = []
  const log = {
    ...QUIET,
    error: (fields: object, message: string) => void errors.push({ level: 'error', fields, message }),
  }
  const everyMs = Object.fromEntries(NAMES.map((name) => [name, 40]))
  const reconcilers = startReconcilers({ store, plugins, jobs, log, everyMs })
  const failuresOf = (name: string) =>
    errors.filter(({ fields }) => 'reconciler' in fields && fields.reconciler === name)
  await expect.poll(() => NAMES.filter((name) => failuresOf(name).length < 3), { timeout: 10_000 }).toEqual([])
  await reconcilers.stop()
  const before = errors.length
  await expect(reconcilers.runNow('host-report')).resolves.toBeUndefined()
  expect(errors).toHaveLength(before)
})

test('a turn waits for the one at work, and another reconciler does not', async () => {
  const { simulator, ground, store } = scene
  const reconcilers = patientReconcilers(scene, QUIET)
  const method = 'host/hosts/report'
  const callsOf = async () => (await simulator.calls()).counts[method] ?? 0
  const before = await callsOf()
  await simulator.faults.arm({ method, kind: 'hold-before', match: { host: 'host-one-a' } })
  const first = reconcilers.runNow('host-report')
  await simulator.faults.held(method)
  const second = reconcilers.runNow('host-report')
  await reconcilers.runNow('pool-report')
  expect(await callsOf()).toBe(before + ground.hosts.length)
  await simulator.faults.release()
  await Promise.all([first, second])
  expect(await callsOf()).toBe(before + 2 * ground.hosts.length)
  expect(await hostById(store.reader, ground.hosts[0])).toMatchObject({ state: 'Up' })
  await reconcilers.stop()
})

test('a stop interrupts what is at work, and blames no host for it', async () => {
  const { simulator, ground, store, events } = scene
  const reconcilers = patientReconcilers(scene, QUIET)
  await simulator.faults.arm({ method: 'host/hosts/report', kind: 'hold-before', count: 2 })
  const turn = reconcilers.runNow('host-report')
  await simulator.faults.held('host/hosts/report')
  await reconcilers.stop()
  await turn
  for (const id of ground.hosts) {
    expect(await hostById(store.reader, id)).toMatchObject({ state: 'Up' })
    expect(await events(id, 'HOST.ALERT')).toEqual([])
  }
  await simulator.faults.clear()
})

test('a name that is no reconciler is an error', async () => {
  await expect(scene.reconcilers.runNow('nothing')).rejects.toThrow('no reconciler is called nothing')
})
