import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  BLOCK_BYTES,
  copyImage,
  differences,
  dropImage,
  mappedBytes,
  newImage,
  readImage,
  replaceImage,
  writeImage,
} from './layers.ts'
import { Store } from './store.ts'

const SIZE = 4 * BLOCK_BYTES

let folder: string
let store: Store

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'moorage-layers-'))
  store = new Store(folder)
})

afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What an image must hold, kept as plain bytes. */
interface Model {
  readonly image: number
  readonly bytes: Buffer
}

const write = fc.record({
  kind: fc.constant('write' as const),
  on: fc.nat(),
  offset: fc.nat({ max: SIZE - 1 }),
  length: fc.integer({ min: 1, max: 2 * BLOCK_BYTES }),
  fill: fc.integer({ min: 1, max: 255 }),
})
const other = fc.record({
  kind: fc.constantFrom('copy' as const, 'replace' as const, 'drop' as const),
  on: fc.nat(),
  by: fc.nat(),
})

test('images read back what was written to them, whatever was copied, reverted and dropped in between', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(write, write, other), { maxLength: 25 }), (steps) => {
      const before = readdirSync(store.layersFolder)
      const models: Model[] = [fresh()]
      for (const step of steps) {
        if (models.length === 0) models.push(fresh())
        const at = step.on % models.length
        const model = models[at]
        if (!model) continue
        if (step.kind === 'write') overwrite(model, step)
        else if (step.kind === 'copy') models.push(copied(model))
        else if (step.kind === 'drop') drop(models.splice(at, 1))
        else revert(model, models[step.by % models.length] ?? model)
        for (const each of models) expect(readImage(store, each.image, { offset: 0, length: SIZE })).toEqual(each.bytes)
      }
      drop(models)
      expect(readdirSync(store.layersFolder)).toEqual(before)
    }),
    { numRuns: 40 },
  )
})

test('differences between an image and its copy are the blocks written since, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 6 }), fc.array(write, { maxLength: 6 }), (before, since) => {
      const model = fresh()
      for (const step of before) overwrite(model, step)
      const base = copied(model)
      for (const step of since) overwrite(model, step)
      const touched = new Set(since.flatMap(({ offset, length }) => blocksOf(offset, Math.min(length, SIZE - offset))))
      const runs = differences(store, model.image, { base: base.image, start: 0, limit: 100 })
      expect(runs.flatMap((run) => blocksOf(run.offset, run.length))).toEqual([...touched].toSorted((a, b) => a - b))
      drop([model, base])
    }),
    { numRuns: 40 },
  )
})

test('a block that the base holds and the image does not is reported as zeros', () => {
  const model = fresh()
  const empty = copied(model)
  overwrite(model, { offset: BLOCK_BYTES, length: 10, fill: 1 })
  const runs = differences(store, empty.image, { base: model.image, start: 0, limit: 100 })
  expect(runs).toEqual([{ offset: BLOCK_BYTES, length: BLOCK_BYTES, kind: 'zero' }])
})

test('a copy costs no bytes', () => {
  const model = fresh()
  overwrite(model, { offset: 0, length: SIZE, fill: 7 })
  const files = readdirSync(store.layersFolder).length
  const copy = copied(model)
  expect(mappedBytes(store, copy.image)).toBe(SIZE)
  expect(readdirSync(store.layersFolder)).toHaveLength(files)
})

test('a transaction that fails leaves no file behind', () => {
  const files = readdirSync(store.layersFolder)
  const failing = () =>
    store.transaction(() => {
      newImage(store, SIZE)
      throw new Error('refused')
    })
  expect(failing).toThrow('refused')
  expect(readdirSync(store.layersFolder)).toEqual(files)
})

test('a file that no row names is gone after a restart', () => {
  const { image } = fresh()
  const kept = readdirSync(store.layersFolder)
  store.run(`DELETE FROM layers WHERE id NOT IN (SELECT layer FROM images WHERE id = ?)`, image)
  store.close()
  const lost = new Store(folder)
  expect(readdirSync(lost.layersFolder)).toEqual(kept)
  lost.run('DELETE FROM layers')
  lost.close()
  store = new Store(folder)
  expect(readdirSync(store.layersFolder)).toEqual([])
})

function fresh(): Model {
  return { image: store.transaction(() => newImage(store, SIZE)), bytes: Buffer.alloc(SIZE) }
}

function copied(model: Model): Model {
  return { image: store.transaction(() => copyImage(store, model.image)), bytes: Buffer.from(model.bytes) }
}

function revert(model: Model, to: Model): void {
  if (model === to) return
  store.transaction(() => replaceImage(store, model.image, to.image))
  to.bytes.copy(model.bytes)
}

function drop(models: readonly Model[]): void {
  for (const { image } of models) store.transaction(() => dropImage(store, image))
}

function overwrite(
  model: Model,
  step: { readonly offset: number; readonly length: number; readonly fill: number },
): void {
  const data = Buffer.alloc(Math.min(step.length, SIZE - step.offset), step.fill)
  store.transaction(() => writeImage(store, model.image, { offset: step.offset, data }))
  data.copy(model.bytes, step.offset)
}

function blocksOf(offset: number, length: number): readonly number[] {
  const first = Math.floor(offset / BLOCK_BYTES)
  const last = Math.floor((offset + length - 1) / BLOCK_BYTES)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
