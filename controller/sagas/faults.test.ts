import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createSagas } from './registry.ts'
import { startWorld, type World } from './testing/world.ts'
import { SCENES } from './testing/scenes.ts'
import { clear, ledgerFaults, leftHeld, settled } from './testing/checks.ts'

/** Kinds of faults; with no patience for another try the operation must be undone after each of them. */
const FAULTS = [
  { kind: 'error-before', code: 'INVALID' },
  { kind: 'error-after', code: 'INTERNAL' },
  { kind: 'lose-answer' },
] as const

const CELLS = SCENES.flatMap((scene) => scene.calls.flatMap((call) => FAULTS.map((fault) => ({ scene, call, fault }))))

let world: World
beforeAll(async () => {
  world = await startWorld({ patienceMs: 0 })
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  await clear(world)
})

test('every saga that calls a back end has a scene', () => {
  // The census has its own tests: it changes nothing on a back end.
  const staged = new Set(['census', ...SCENES.map(({ saga }) => saga)])
  const all = [...createSagas({ ...world, jobs: world.runner }).values()]
  const outer = all.filter(({ steps }) => steps.some(({ step }) => 'run' in step))
  expect(outer.map(({ name }) => name).filter((name) => !staged.has(name))).toEqual([])
})

describe.each(SCENES)('$saga ($calls)', (scene) => {
  test('succeeds, makes the calls it says it makes, and leaves nothing over', async () => {
    const { ask } = await scene.stage(world)
    await world.simulator.send('calls/clear', {})
    expect(await world.end(await ask())).toMatchObject({ state: 'succeeded' })
    const { counts } = await world.simulator.calls()
    expect(Object.keys(counts)).toEqual(expect.arrayContaining([...scene.calls]))
    expect(await world.findings()).toEqual([])
    expect(await ledgerFaults(world)).toEqual([])
    expect(await leftHeld(world)).toEqual([])
  })
})

describe.each(CELLS)('$scene.saga: $call meets $fault.kind', ({ scene, call, fault }) => {
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
})
