import assert from 'node:assert/strict'
import { isRecent, pattern, sameBytes } from '../check.ts'
import type { ArchiveCase, ArchiveContext } from './context.ts'

const SIZES = [0, 1, 4095, 4096, 1_048_577, 5_000_000]
const MANY = 24

/** Promises of `put`, `get` and `stat`. */
export const objectCases: readonly ArchiveCase[] = [
  {
    name: 'what is stored is read back whole, from nothing to megabytes',
    needs: [],
    async run(c) {
      for (const bytes of SIZES)
        await c.holds(await c.stored(`size-${bytes}`, { seed: bytes, bytes }), { seed: bytes, bytes })
    },
  },
  {
    name: 'what is stored is there for whoever opens the store next',
    needs: ['plugin'],
    async run(c) {
      const key = await c.stored('kept', { bytes: 70_000 })
      const seen = await (await c.another()).get(key, undefined, c.call())
      assert.ok(seen, 'another one does not find it')
      sameBytes(seen, pattern(1, 70_000), key)
    },
  },
  {
    name: 'what is stored lies in the back end byte for byte',
    needs: ['peek'],
    async run(c) {
      const key = await c.stored('plain', { bytes: 70_000 })
      const seen = await c.bench.peek?.(key)
      assert.ok(seen, 'the back end holds nothing')
      sameBytes(seen, pattern(1, 70_000), key)
    },
  },
  {
    name: 'a body is the caller’s own again once it is stored',
    needs: [],
    async run(c) {
      const key = c.key('lent')
      const body = pattern(3, 10_000).slice()
      await c.store.put(key, body, c.call())
      body.fill(0)
      await c.holds(key, { seed: 3, bytes: 10_000 })
    },
  },
  {
    name: 'what is there already is present, and stays as it was, whatever the body',
    needs: [],
    async run(c) {
      const key = await c.stored('first')
      for (const seed of [1, 2]) assert.equal(await c.store.put(key, pattern(seed, 100), c.call()), 'present')
      await c.holds(key)
    },
  },
  {
    name: 'a store holds what was stored, and nothing besides',
    needs: [],
    async run(c) {
      const before = await c.keys('')
      const key = await c.stored('only', { bytes: 3_000_000 })
      assert.deepEqual(
        (await c.keys('')).filter((each) => !before.includes(each)),
        [key],
      )
    },
  },
  {
    name: 'many objects that are stored at once are each what they were given',
    needs: [],
    async run(c) {
      const names = Array.from({ length: MANY }, (_, at) => `many/${at}`)
      await Promise.all(names.map((name, at) => c.stored(name, { seed: at + 1, bytes: 50_000 + at })))
      await Promise.all(names.map((name, at) => c.holds(`${c.root}${name}`, { seed: at + 1, bytes: 50_000 + at })))
    },
  },
  {
    name: 'a run of an object is what lies there, at its beginning, in its middle and at its end',
    needs: [],
    async run(c) {
      const key = await c.stored('runs', { bytes: 100_000 })
      for (const at of [
        { offset: 0, length: 1 },
        { offset: 0, length: 4096 },
        { offset: 4095, length: 70_001 },
        { offset: 99_999, length: 1 },
        { offset: 0, length: 100_000 },
      ]) {
        await runIs(c, key, { ...at, end: at.offset + at.length })
      }
    },
  },
  {
    name: 'a run beyond the end is cut to what is there',
    needs: [],
    async run(c) {
      const key = await c.stored('short', { bytes: 1000 })
      await runIs(c, key, { offset: 990, length: 100, end: 1000 })
    },
  },
  {
    name: 'a run that begins at or behind the end, or has no length, is empty',
    needs: [],
    async run(c) {
      const key = await c.stored('ended', { bytes: 1000 })
      for (const at of [
        { offset: 1000, length: 10 },
        { offset: 5000, length: 10 },
        { offset: 10, length: 0 },
      ]) {
        await runIs(c, key, { ...at, end: at.offset })
      }
    },
  },
  {
    name: 'what is not there is neither read nor seen, and that is no error',
    needs: [],
    async run(c) {
      const key = c.key('never')
      assert.equal(await c.store.get(key, undefined, c.call()), undefined)
      assert.equal(await c.store.get(key, { offset: 5, length: 5 }, c.call()), undefined)
      assert.equal(await c.store.stat(key, c.call()), undefined)
    },
  },
  {
    name: 'what an object looks like agrees with what was stored and with the listing',
    needs: [],
    async run(c) {
      const key = await c.stored('seen', { bytes: 12_345 })
      const seen = await c.store.stat(key, c.call())
      assert.ok(seen, 'it is not there')
      assert.deepEqual({ key: seen.key, bytes: seen.bytes }, { key, bytes: 12_345 })
      isRecent(seen.writtenAt, 'the time of writing')
      const [listed] = await c.listed()
      assert.deepEqual({ key: listed?.key, bytes: listed?.bytes }, { key, bytes: 12_345 })
      // Some back ends tell milliseconds here and seconds there.
      assert.ok(Math.abs((listed?.writtenAt ?? 0) - seen.writtenAt) <= 1000, 'the listing has another time')
    },
  },
]

async function runIs(
  c: ArchiveContext,
  key: string,
  at: { readonly offset: number; readonly length: number; readonly end: number },
): Promise<void> {
  const seen = await c.store.get(key, { offset: at.offset, length: at.length }, c.call())
  assert.ok(seen, 'the object is not there')
  const whole = await c.store.get(key, undefined, c.call())
  assert.ok(whole, 'the object is not there')
  sameBytes(seen, whole.subarray(at.offset, at.end), `${at.length} bytes at ${at.offset}`)
}
