import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clear, faultsLeft, settled } from './checks.ts'
import { methodsOf, type Scene } from './scene.ts'
import { SCENES_OF_CHANGE } from './scenes.ts'
import { startWorld, type World } from './world.ts'

/**
 * Tests that let every back end be out of reach once and lose an answer once, in the scenes that `concerns` picks. Every scene is to
 * be in one file or another: they wait for the next try most of the time.
 */
export function playUnreachable(concerns: (scene: Scene) => boolean): void {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ patienceMs: 20_000 })
  })
  afterAll(async () => world.stop())
  afterEach(async () => {
    await world.simulator.faults.clear()
    await clear(world)
  })

  describe.each(SCENES_OF_CHANGE.filter(concerns))('$saga, $of', (scene) => {
    test('succeeds when every back end is out of reach once and loses an answer once', async () => {
      const { ask } = await scene.stage(world)
      for (const method of methodsOf(scene)) {
        await world.simulator.faults.arm({ method, kind: 'error-before', code: 'UNAVAILABLE' })
        await world.simulator.faults.arm({ method, kind: 'lose-answer' })
      }
      expect(await world.end(await ask())).toMatchObject({ state: 'succeeded' })
      await settled(world)
      expect(await faultsLeft(world)).toEqual([])
    })
  })
}
