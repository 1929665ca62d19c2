import { join } from 'node:path'
import { hypervisorConformance, storageConformance } from '@moorage/conformance'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { simulatorHypervisorSubject, simulatorStorageSubject } from '../../conformance/testing/simulator.ts'
import { loadOutside, type OutsidePlugin } from '../../controller/plugin-host/outside/load.ts'
import { readPluginSpec } from '../../controller/plugin-host/outside/spec.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Here its libraries are linked, not installed: their own folders must be readable too. */
const LINKED = `read=${join(ROOT, 'plugins')},read=${join(ROOT, 'libraries')}`
const log = { info: () => {}, warn: () => {} }

let simulator: TestSimulator
let array: OutsidePlugin
let host: OutsidePlugin
beforeAll(async () => {
  simulator = await startSimulator()
  array = await loadOutside(readPluginSpec(`${import.meta.dirname}/simulator-storage.ts,${LINKED}`), { log })
  host = await loadOutside(readPluginSpec(`${import.meta.dirname}/simulator-hypervisor.ts,${LINKED}`), { log })
})
afterAll(async () => {
  await array.close()
  await host.close()
  await simulator.stop()
})

describe('the simulated array, its plug-in in a process of its own', () => {
  storageConformance({
    test,
    subject: simulatorStorageSubject(
      () => simulator,
      () => storage(array),
    ),
  })
})

describe('the simulated host, its plug-in in a process of its own', () => {
  hypervisorConformance({
    test,
    subject: simulatorHypervisorSubject(
      () => simulator,
      () => hypervisor(host),
    ),
  })
})

function storage({ plugin }: OutsidePlugin) {
  if (plugin.kind !== 'storage') throw new Error('it is a storage plug-in')
  return plugin
}

function hypervisor({ plugin }: OutsidePlugin) {
  if (plugin.kind !== 'hypervisor') throw new Error('it is a hypervisor plug-in')
  return plugin
}
