import assert from 'node:assert/strict'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  HYPERVISOR_CAPABILITIES,
  type HypervisorAdapter,
  STORAGE_CAPABILITIES,
  type StorageProvider,
} from '@moorage/contract'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import {
  hypervisorCases,
  hypervisorCheats,
  type HypervisorSubject,
  runHypervisorCase,
  runStorageCase,
  storageCases,
  storageCheats,
  storageConformance,
  type StorageSubject,
} from '../index.ts'
import { simulatorHypervisorSubject, simulatorStorageSubject } from '../testing/simulator.ts'

let simulator: TestSimulator
beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.stop())

describe('a provider that', () => {
  const honest = simulatorStorageSubject(() => simulator)
  for (const cheat of storageCheats) {
    for (const name of cheat.caughtBy) {
      test(`${cheat.name} is caught at "${name}"`, async () => {
        const subject: StorageSubject = {
          ...honest,
          async make() {
            const bench = await honest.make()
            return { ...bench, provider: cheat.make(withEverything(bench.provider)) }
          },
        }
        await expectCaught(runStorageCase(named(storageCases, name), subject))
      })
    }
  }
})

describe('an adapter that', () => {
  const honest = simulatorHypervisorSubject(() => simulator)
  for (const cheat of hypervisorCheats) {
    for (const name of cheat.caughtBy) {
      test(`${cheat.name} is caught at "${name}"`, async () => {
        const subject: HypervisorSubject = {
          ...honest,
          async make() {
            const bench = await honest.make()
            const adapter = cheat.make(everyFacet(bench.adapter))
            return bench.peer
              ? { ...bench, adapter, peer: { ...bench.peer, adapter: cheat.make(everyFacet(bench.peer.adapter)) } }
              : { ...bench, adapter }
          },
        }
        await expectCaught(runHypervisorCase(named(hypervisorCases, name), subject))
      })
    }
  }
})

describe('a subject', () => {
  test('that hides a facet by declaring it absent is caught by every case', async () => {
    const honest = simulatorStorageSubject(() => simulator)
    const [first] = storageCases
    assert.ok(first)
    await expectCaught(runStorageCase(first, { ...honest, lacks: { qos: 'too hard' } }))
  })

  test('that declares what it lacks gets the cases for it skipped, with the reason', async () => {
    const honest = simulatorStorageSubject(() => simulator)
    const skipped: string[] = []
    const runs: (() => Promise<void>)[] = []
    storageConformance({
      test: (name, run) => runs.push(() => run({ skip: (reason) => skipped.push(`${name}: ${reason ?? ''}`) })),
      subject: {
        lacks: { groupSnapshots: 'the array has none' },
        async make() {
          const bench = await honest.make()
          const { groupSnapshots: _, ...provider } = bench.provider
          return { ...bench, provider }
        },
      },
    })
    const about = storageCases.filter(({ needs }) => needs.includes('groupSnapshots'))
    for (const run of runs
      .slice(0, 5)
      .concat(runs.filter((_, at) => about.some((each) => each === storageCases[at])))) {
      await run()
    }
    expect(skipped).toEqual(about.map(({ name }) => `${name}: lacks groupSnapshots: the array has none`))
  })

  test('names of cases are unique, so that a cheat can name the case that catches it', () => {
    for (const cases of [storageCases, hypervisorCases]) {
      expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
    }
  })
})

/** Caught: the case itself says which promise was broken, it does not just stumble. */
async function expectCaught(run: Promise<void>): Promise<void> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error, 'the cheat passed').toBeInstanceOf(assert.AssertionError)
}

function named<Case extends { readonly name: string }>(cases: readonly Case[], name: string): Case {
  const found = cases.find((each) => each.name === name)
  assert.ok(found, `there is no case "${name}"`)
  return found
}

function withEverything(provider: StorageProvider): Required<StorageProvider> {
  for (const name of STORAGE_CAPABILITIES) assert.ok(provider[name], `the honest provider lacks ${name}`)
  return provider as Required<StorageProvider> // Every optional member was just looked at.
}

function everyFacet(adapter: HypervisorAdapter): Required<HypervisorAdapter> {
  for (const name of HYPERVISOR_CAPABILITIES) assert.ok(adapter[name], `the honest adapter lacks ${name}`)
  return adapter as Required<HypervisorAdapter> // Every optional member was just looked at.
}
