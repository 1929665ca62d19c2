import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import { simulatorStorage } from '@moorage/storage-simulator'
import { createPluginHost } from '../plugin-host/create.ts'
import { probe } from './probe.ts'

let simulator: TestSimulator
const owner = '00000000-0000-4000-8000-000000000000'
const nobody = () => Promise.reject(new Error('nothing is registered'))
const plugins = createPluginHost({
  storage: [simulatorStorage],
  hypervisors: [],
  load: { pool: nobody, host: nobody },
  owner,
})

beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.stop())

function ask(url: string, settings: Readonly<Record<string, string>> = {}) {
  const endpoint = { url, settings: { user: simulator.user, password: simulator.password, ...settings }, owner }
  return probe('The array', (call) => plugins.probePool('simulator', endpoint, call), { withinMs: 400 })
}

test('an array that answers says what it is', async () => {
  const report = await ask(simulator.storageEndpoint('there').url)
  expect(report.identity).toEqual(expect.any(String))
  expect(report.totalBytes).toBeGreaterThan(0)
})

test('an array that takes the call and never answers is given up at the deadline', async () => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const refused = ask(`simulator://127.0.0.1:${port}/silent`)
  await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(refused).rejects.not.toThrow(/127\.0\.0\.1/)
  await expect(refused).rejects.toThrow(/did not answer within 0.4 seconds/)
  silent.close()
})

test('an array that denies is told apart from one that is away', async () => {
  const refused = ask(simulator.storageEndpoint('there').url, { password: 'wrong' })
  await expect(refused).rejects.toMatchObject({ code: 'INVALID' })
  await expect(refused).rejects.toThrow(/refused the credentials: check user and password. Nothing was registered/)
})

test('a failure inside the array is no fault of the caller, and its words stay inside', async () => {
  await simulator.faults.arm({ method: 'array/pools/report', kind: 'error-before', code: 'CONFLICT' })
  const refused = ask(simulator.storageEndpoint('there').url)
  await expect(refused).rejects.toMatchObject({ code: 'INTERNAL' })
  await expect(refused).rejects.not.toThrow(/CONFLICT/)
  await simulator.faults.clear()
})
