import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clear, faultsLeft, settled } from './testing/checks.ts'
import { methodsOf } from './testing/scene.ts'
import { SCENES_OF_CHANGE } from './testing/scenes.ts'
import { startWorld, type World } from './testing/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ patienceMs: 20_000 })
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  await clear(world)
})

/** One call of each scene, the first, second and so on in turn: the crash matrix ends controllers at every call of every step. */
const CELLS = SCENES_OF_CHANGE.flatMap((scene, nth) => {
  const methods = methodsOf(scene)
  const call = methods[nth % Math.max(1, methods.length)]
  return call === undefined ? [] : [{ ...scene, call }]
})

describe.each(CELLS)('$saga, $of, is taken over during $call', ({ call, stage }) => {
  test('goes on where it was, and the late duplicate does no harm', async () => {
    const { ask } = await stage(world)
    await world.simulator.faults.arm({ method: call, kind: 'hold-before' })
    const operation = await ask()
    await world.simulator.faults.held(call)
    await world.takeOver()
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
    await settled(world)
    await world.simulator.faults.release()
    expect(await faultsLeft(world)).toEqual([])
  })
})
