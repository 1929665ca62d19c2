import assert from 'node:assert/strict'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import {
  archiveCases,
  archiveCheats,
  hypervisorCases,
  hypervisorCheats,
  runStorageCase,
  storageCases,
  storageCheats,
  storageConformance,
} from '../index.ts'
import { kitOf, KITS } from '../testing/mutants.ts'
import { simulatorStorageSubject } from '../testing/simulator.ts'

let simulator: TestSimulator
beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.stop())

for (const kit of KITS) {
  const { cheats, verdict } = kitOf(kit, () => simulator)
  // They wait more than they compute.
  describe.concurrent(`of the ${kit} kit, what`, () => {
    for (const { name, caughtBy } of cheats) {
      for (const each of caughtBy) {
        test(`${name} is caught at "${each}"`, async () => {
          // Caught: the case itself says which promise was broken, it does not just stumble.
          expect(await verdict(name, each)).toBe('caught')
        })
      }
    }
  })
}

describe('a subject', () => {
  test('that hides a facet by declaring it absent is caught by every case', async () => {
    const honest = simulatorStorageSubject(() => simulator)
    const [first] = storageCases
    assert.ok(first)
    const run = runStorageCase(first, { ...honest, lacks: { qos: 'too hard' } })
    await expect(run).rejects.toThrow('facet qos is there, and the subject declares the opposite')
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

  test('names of cases and of cheats are unique, so that they can be named', () => {
    for (const named of [storageCases, hypervisorCases, archiveCases, storageCheats, hypervisorCheats, archiveCheats]) {
      expect(new Set(named.map(({ name }) => name)).size).toBe(named.length)
    }
  })

  test('every case has a cheat for which it alone is answerable', () => {
    const alone = [...storageCheats, ...hypervisorCheats, ...archiveCheats].filter(
      ({ caughtBy }) => caughtBy.length === 1,
    )
    const sole = new Set(alone.flatMap(({ caughtBy }) => caughtBy))
    const without = [...storageCases, ...hypervisorCases, ...archiveCases]
      .map(({ name }) => name)
      .filter((name) => !sole.has(name))
    expect(without).toEqual([])
  })
})
