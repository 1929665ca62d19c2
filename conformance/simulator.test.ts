import { afterAll, beforeAll, describe, test } from 'vitest'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import { hypervisorConformance, storageConformance } from './index.ts'
import { simulatorHypervisorSubject, simulatorStorageSubject } from './testing/simulator.ts'

let simulator: TestSimulator
beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.stop())

describe('the simulated array', () => {
  storageConformance({ test, subject: simulatorStorageSubject(() => simulator) })
})

describe('the simulated host', () => {
  hypervisorConformance({ test, subject: simulatorHypervisorSubject(() => simulator) })
})
