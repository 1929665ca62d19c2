import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSagas } from '../../controller/sagas/registry.ts'
import { SCENES } from '../../controller/sagas/testing/scenes.ts'
import { CALL_CLASSES, type Cell, cellsOf, realOf, rowsOf, titleOf } from '../matrix/cells.ts'
import { type Ground, startGround } from '../matrix/ground.ts'
import { playCell } from '../matrix/play.ts'
import { random } from '../support/random.ts'
import { realParts } from '../support/real-parts.ts'

/** All cells are played by `npm run crash-matrix -- --real`. */
describe('a sample of the crash matrix on the real SAN and QEMU', () => {
  const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)
  const next = random(seed)
  const classes = Object.entries(CALL_CLASSES).flatMap(([name, fault]) => ('hold' in fault ? [name] : []))
  let ground: Ground
  let cells: readonly Cell[]

  beforeAll(async () => {
    ground = await startGround(await realParts())
    cells = cellsOf(realOf(rowsOf(createSagas({ ...ground.world, jobs: ground.world.runner }), SCENES)))
  })
  afterAll(() => ground.stop())
  afterEach(() => ground.clean())

  it.each(classes)(`ends as predicted: %s (seed ${seed})`, async (name) => {
    const ofClass = cells.filter((cell) => cell.name === name)
    const drawn = ofClass[Math.floor(next() * ofClass.length)]
    expect(drawn).toBeDefined()
    if (!drawn) return
    await playCell(ground, drawn).catch((error: unknown) => {
      throw new Error(titleOf(drawn, 'real'), { cause: error })
    })
  })
})
