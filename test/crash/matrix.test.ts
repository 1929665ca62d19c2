import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSagas } from '../../controller/sagas/registry.ts'
import { SCENES } from '../../controller/sagas/testing/scenes.ts'
import { type Cell, cellsOf, CLASSES, rowsOf, titleOf } from '../matrix/cells.ts'
import { type Ground, startGround } from '../matrix/ground.ts'
import { playCell } from '../matrix/play.ts'
import { random } from '../support/random.ts'

/** Cells of each class; all of them are played by `npm run crash-matrix`. */
const SAMPLE = 2

describe('a sample of the crash matrix, of every fault class', () => {
  const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)
  const next = random(seed)
  let ground: Ground
  let cells: readonly Cell[]

  beforeAll(async () => {
    ground = await startGround()
    cells = cellsOf(rowsOf(createSagas({ ...ground.world, jobs: ground.world.runner }), SCENES))
  })
  afterAll(() => ground.stop())
  afterEach(() => ground.clean())

  it.each(CLASSES)(`ends as predicted: %s (seed ${seed})`, async (name) => {
    const ofClass = cells.filter((cell) => cell.name === name)
    const drawn = Array.from({ length: SAMPLE }, () => ofClass[Math.floor(next() * ofClass.length)])
    expect(ofClass.length).toBeGreaterThan(SAMPLE)
    for (const cell of drawn) {
      if (!cell) throw new Error('drawn from those that are there')
      await playCell(ground, cell).catch((error: unknown) => {
        throw new Error(titleOf(cell), { cause: error })
      })
    }
  })
})
