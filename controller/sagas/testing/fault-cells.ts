import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clear, ledgerFaults, leftHeld, settled } from './checks.ts'
import { methodsOf } from './scene.ts'
import { SCENES_OF_CHANGE } from './scenes.ts'
import { startWorld, type World } from './world.ts'

/** Kinds of faults; with no patience for another try the operation must be undone after each of them. */
const FAULTS = [
  { kind: 'error-before', code: 'INVALID' },
  { kind: 'error-after', code: 'INTERNAL' },
  { kind: 'lose-answer' },
] as const

/** One fault of each call, in turn: the crash matrix plays all of them at every call of every step (`npm run crash-matrix`). */
const CELLS = SCENES_OF_CHANGE.flatMap((scene) => methodsOf(scene).map((call) => ({ scene, call }))).map(
  (cell, nth) => ({ ...cell, fault: FAULTS[nth % FAULTS.length] ?? FAULTS[0] }),
)

/**
 * Tests that let the calls that `concerns` picks meet a fault each. Every call of every saga is to be in one file or another: two
 * files take half as long as one.
 */
export function playFaults(concerns: (call: string) => boolean): void {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ patienceMs: 0 })
  })
  afterAll(async () => world.stop())
  afterEach(async () => {
    await world.simulator.faults.clear()
    await clear(world)
  })

  describe.each(CELLS.filter(({ call }) => concerns(call)))(
    '$scene.saga, $scene.of: $call meets $fault.kind',
    ({ scene, call, fault }) => {
      test('ends failed, is recorded as arrays and hosts are, and succeeds when asked again', async () => {
        const { ask, again } = await scene.stage(world)
        await world.simulator.faults.arm({ method: call, ...fault })
        expect(await world.end(await ask())).toMatchObject({ state: 'failed' })
        await world.simulator.faults.clear()
        await settled(world)
        // What a failed withdrawal leaves is no secret: the census names it until somebody asks again.
        const findings = await world.findings()
        expect(findings.filter((finding) => !finding.endsWith('access that was to be withdrawn'))).toEqual([])
        expect(await ledgerFaults(world)).toEqual([])
        expect(await leftHeld(world)).toEqual([])
        expect(await world.end(await (again ?? ask)())).toMatchObject({ state: 'succeeded' })
        expect(await ledgerFaults(world)).toEqual([])
      })
    },
  )
}
