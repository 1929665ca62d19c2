import assert from 'node:assert/strict'
import { refused } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import type { ArchiveCase } from './context.ts'

const NO_KEYS = ['', '/a', 'a/', 'a//b', '../a', 'a/../b', 'a/./b', '.a', 'a/.b', 'A', 'ä', 'a b', 'a\\b', 'a\n', '%2e']

/** More is not tried: it must be held in memory. */
const MOST_TRIED_BYTES = 256 * 1024 * 1024

/** Promises about keys and limits. */
export const keyCases: readonly ArchiveCase[] = [
  {
    name: 'what is no key is refused as INVALID, whoever asks',
    needs: [],
    async run(c) {
      for (const key of NO_KEYS) {
        await refused(c.store.put(key, new Uint8Array(1), c.call()), 'INVALID')
        await refused(c.store.get(key, undefined, c.call()), 'INVALID')
        await refused(c.store.stat(key, c.call()), 'INVALID')
        await refused(c.store.delete(key, c.call()), 'INVALID')
      }
    },
  },
  {
    name: 'every character of a key counts, up to the longest key',
    needs: [],
    async run(c) {
      const { maxKeyBytes } = c.store.limits
      const stem = c.root.padEnd(maxKeyBytes - 1, 'x').slice(c.root.length)
      for (const [at, end] of ['1', '2'].entries()) await c.stored(`${stem}${end}`, { seed: at + 1 })
      for (const [at, end] of ['1', '2'].entries()) await c.holds(`${c.root}${stem}${end}`, { seed: at + 1 })
    },
  },
  {
    name: 'a key that is too long is refused as LIMIT',
    needs: [],
    async run(c) {
      const key = c.root.padEnd(c.store.limits.maxKeyBytes + 1, 'x')
      await refused(c.store.put(key, new Uint8Array(1), c.call()), 'LIMIT')
    },
  },
  {
    name: 'a body that is too large is refused as LIMIT, and nothing of it is stored',
    needs: [],
    async run(c) {
      const { maxObjectBytes } = c.store.limits
      if (maxObjectBytes >= MOST_TRIED_BYTES) throw new NotApplicable('the largest object is too large to try')
      const key = c.key('large')
      await refused(c.store.put(key, new Uint8Array(maxObjectBytes + 1), c.call()), 'LIMIT')
      assert.equal(await c.store.stat(key, c.call()), undefined)
    },
  },
]
