import assert from 'node:assert/strict'
import { failureOf, isCount } from '../check.ts'
import { checkNames, checkUrls } from '../plugin.ts'
import { NotApplicable } from '../runner.ts'
import type { ArchiveCase } from './context.ts'

/** How many write one key at once. */
const WRITERS = 8
const ROUNDS = 4

/** Promises of `ArchivePlugin.open`, `probe` and `limits`. */
export const probeCases: readonly ArchiveCase[] = [
  {
    name: 'a plug-in for archives names itself, its schemes and its settings',
    needs: ['plugin'],
    async run(c) {
      checkNames(c.opened)
      assert.equal(c.opened.plugin.kind, 'archive')
    },
  },
  {
    name: 'opening a url of no archive of its kind is refused as INVALID',
    needs: ['plugin'],
    run: (c) => checkUrls(c.opened, c.audit),
  },
  {
    name: 'a store reports a stable identity, whoever opened it, and sizes that make sense',
    needs: ['plugin'],
    async run(c) {
      const another = await c.another()
      const [one, two] = [await c.store.probe(c.call()), await another.probe(c.call())]
      assert.ok(one.identity.length > 0)
      assert.equal(two.identity, one.identity)
      if (one.totalBytes !== undefined) isCount(one.totalBytes, 'totalBytes')
      if (one.usedBytes !== undefined) isCount(one.usedBytes, 'usedBytes')
      assert.ok((one.usedBytes ?? 0) <= (one.totalBytes ?? Infinity), 'more is used than there is')
    },
  },
  {
    name: 'a probe leaves nothing behind',
    needs: [],
    async run(c) {
      const before = await c.keys('')
      await c.store.probe(c.call())
      assert.deepEqual(await c.keys(''), before)
    },
  },
  {
    name: 'limits of a store are numbers that can be worked with',
    needs: [],
    async run(c) {
      const { maxObjectBytes, maxKeyBytes } = c.store.limits
      isCount(maxObjectBytes, 'maxObjectBytes')
      assert.ok(maxObjectBytes >= 16 * 1024 * 1024, `packs do not fit into ${maxObjectBytes} bytes`)
      isCount(maxKeyBytes, 'maxKeyBytes')
      assert.ok(maxKeyBytes >= 200, `keys do not fit into ${maxKeyBytes} bytes`)
    },
  },
  {
    name: 'of several writers of one key exactly one stores it, where the probe says so',
    needs: [],
    async run(c) {
      const { conditionalPut } = await c.store.probe(c.call())
      if (conditionalPut === 'none') throw new NotApplicable('the last writer of a key wins, and the probe says so')
      for (let round = 0; round < ROUNDS; round++) {
        const key = c.key(`contested-${round}`)
        const body = (at: number) => new Uint8Array(1000).fill(at + 1)
        const outcomes = await Promise.all(
          Array.from({ length: WRITERS }, (_, at) => c.store.put(key, body(at), c.call())),
        )
        const winners = outcomes.flatMap((outcome, at) => (outcome === 'stored' ? [at] : []))
        assert.equal(winners.length, 1, `${winners.length} of ${WRITERS} writers stored one key`)
        const seen = await c.store.get(key, undefined, c.call())
        assert.equal(seen?.[0], (winners[0] ?? 0) + 1, 'the object is not of the writer who stored it')
      }
    },
  },
  {
    name: 'an object that is listed while it is stored is whole',
    needs: [],
    async run(c) {
      const bytes = 4 * 1024 * 1024
      for (let round = 0; round < ROUNDS; round++) {
        const key = c.key(`growing-${round}`)
        let over = false
        const write = failureOf(c.store.put(key, new Uint8Array(bytes).fill(7), c.call())).finally(() => {
          over = true
        })
        while (!over) {
          const size = (await c.listed(key)).at(0)?.bytes
          if (size !== undefined) assert.equal(size, bytes, 'a part of an object is listed')
        }
        await write
      }
    },
  },
]
