import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Refusal } from '../domain/failures.ts'
import { createSagas } from './registry.ts'
import { clear, ledgerFaults, leftHeld, settled } from './testing/checks.ts'
import { type CallsByStep, CALLS_NOTHING, type Scene } from './testing/scene.ts'
import { SCENES } from './testing/scenes.ts'
import { type CallMoment, createValve, type Watch, type Way } from './testing/watch.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'

/** What was called, and which operation fails when it is about to end well. */
const stage: { calls: CallMoment[]; doomed?: string } = { calls: [] }
const valve = createValve()

const watch: Watch = {
  call: async (moment, go) => {
    stage.calls.push(moment)
    return go()
  },
  commit: async ({ operation, way, ends }, go) => {
    if (ends && way === 'forward' && operation === stage.doomed) throw new Refusal('INVALID', 'told to fail')
    return go()
  },
  valve,
}

let world: World
beforeAll(async () => {
  world = await startWorld({ watch })
})
afterAll(async () => world.stop())

/** Shown beside what differs. */
const HOW = 'docs/how-to/add-a-saga.md, step 6'

describe('the scenes are complete, so that the crash matrix is', () => {
  const steps = () => [...createSagas({ ...world, jobs: world.runner }).values()]

  test('every saga of the registry has a scene', () => {
    const staged = new Set(SCENES.map(({ saga }) => saga))
    const without = steps().filter(({ name }) => !staged.has(name))
    expect(without.map(({ name }) => `${name} has no scene: see ${HOW}`)).toEqual([])
  })

  test.each(SCENES)('$saga, $of: names every step of the saga, in order, and undoes what is one', (scene) => {
    const names = steps()
      .find(({ name }) => name === scene.saga)
      ?.steps.map(({ name }) => name)
    expect({ see: HOW, steps: Object.keys(scene.calls) }).toEqual({ see: HOW, steps: names })
    expect(Object.keys(scene.undoing ?? {}).filter((name) => !names?.includes(name))).toEqual([])
  })

  test('every outer step calls a back end in some scene, or the reason why it never does is given', () => {
    const outer = steps().flatMap(({ name: saga, steps }) =>
      steps.filter(({ step }) => 'run' in step).map(({ name }) => ({ saga, name, step: `${saga}/${name}` })),
    )
    const silent = outer.filter(({ saga, name }) =>
      SCENES.filter((scene) => scene.saga === saga).every(({ calls }) => (calls[name] ?? []).length === 0),
    )
    expect({ see: HOW, silent: silent.map(({ step }) => step).toSorted() }).toEqual({
      see: HOW,
      silent: Object.keys(CALLS_NOTHING).toSorted(),
    })
  })

  test('no two scenes are called the same', () => {
    expect(new Set(SCENES.map(({ saga, of }) => `${saga}: ${of}`)).size).toBe(SCENES.length)
  })
})

/** Runs a scene with nothing in its way, or with its very end in its way. */
async function play(scene: Scene, how: 'to the end' | 'doomed'): Promise<Ended> {
  const { ask } = await scene.stage(world)
  await valve.shut()
  const operation = await ask()
  if (how === 'doomed') stage.doomed = operation
  stage.calls = []
  valve.open()
  world.runner().wake()
  const ended = await world.end(operation)
  stage.calls = stage.calls.filter((call) => call.operation === operation)
  await settled(world)
  return ended
}

/** What was called by step on one way; `steps` are there even without. */
function called(way: Way, steps: readonly string[]): CallsByStep {
  const of = (step: string) => stage.calls.filter((call) => call.step === step && call.way === way)
  return Object.fromEntries(steps.map((step) => [step, of(step).map(({ method }) => method)]))
}

describe.each(SCENES)('$saga, $of', (scene) => {
  const steps = Object.keys(scene.calls)
  afterEach(async () => {
    valve.open()
    await clear(world)
  })

  test('succeeds, calls what it says it calls, and leaves nothing over', async () => {
    expect(await play(scene, 'to the end')).toMatchObject({ state: 'succeeded' })
    expect(called('forward', steps)).toEqual(scene.calls)
    expect(await world.findings()).toEqual([])
    expect(await ledgerFaults(world)).toEqual([])
    expect(await leftHeld(world)).toEqual([])
  })

  test('that fails at its very end is undone, and calls what it says it calls', async () => {
    expect(await play(scene, 'doomed')).toMatchObject({ state: 'failed' })
    const nothing = Object.fromEntries(steps.map((step) => [step, []]))
    expect(called('undo', steps)).toEqual({ ...nothing, ...scene.undoing })
    expect(await ledgerFaults(world)).toEqual([])
    expect(await leftHeld(world)).toEqual([])
  })
})
