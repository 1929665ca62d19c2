import assert from 'node:assert/strict'
import { NotApplicable } from '../runner.ts'
import type { ArchiveCase } from './context.ts'

/** Names in the byte order of their keys, which is not that of folders: `-` and `.` come before `/`, and digits after it. */
const ORDERED = [
  'a-b',
  'a.b',
  'a/-',
  'a/0',
  'a/b/c',
  'a/z',
  'a0',
  'a_',
  'aa',
  'b/1',
  'b/10',
  'b/2',
  'c',
  'c0',
  'd/e/f/g',
]

/** Promises of `list`, and of `delete`. */
export const listingCases: readonly ArchiveCase[] = [
  {
    name: 'all objects are listed once, in the byte order of their keys, whatever the size of pages',
    needs: [],
    async run(c) {
      for (const name of [...ORDERED.slice(7), ...ORDERED.slice(0, 7).toReversed()]) await c.stored(name)
      assert.deepEqual(
        await c.keys(),
        ORDERED.map((name) => `${c.root}${name}`),
      )
    },
  },
  {
    name: 'an object is listed as soon as it is stored, where the probe says so',
    needs: [],
    async run(c) {
      const { listing } = await c.store.probe(c.call())
      if (listing === 'eventual') throw new NotApplicable('a listing may be late, and the probe says so')
      for (let at = 1; at <= 5; at++) {
        const key = await c.stored(`soon-${at}`)
        assert.ok((await c.keys()).includes(key), 'what was stored is not listed')
      }
    },
  },
  {
    name: 'a prefix is the beginning of keys, and no folder',
    needs: [],
    async run(c) {
      for (const name of ['p/ab', 'p/abc', 'p/a/b', 'p/b', 'q/a']) await c.stored(name)
      const under = async (prefix: string) =>
        (await c.keys(`${c.root}${prefix}`)).map((key) => key.slice(c.root.length))
      assert.deepEqual(await under('p/a'), ['p/a/b', 'p/ab', 'p/abc'])
      assert.deepEqual(await under('p'), ['p/a/b', 'p/ab', 'p/abc', 'p/b'])
      assert.deepEqual(await under('p/abc'), ['p/abc'])
      assert.deepEqual(await under('r'), [])
    },
  },
  {
    name: 'a listing goes on where it stopped, whatever was stored and deleted meanwhile',
    needs: [],
    async run(c) {
      const names = Array.from({ length: 12 }, (_, at) => `m/${String(at).padStart(2, '0')}`)
      for (const name of names) await c.stored(name)
      const [listed, seen]: [string[], string[]] = [[], []]
      let cursor: string | undefined
      do {
        const page = await c.store.list(`${c.root}m/`, cursor, c.call())
        seen.push(...page.items.map(({ key }) => key))
        cursor = page.next
        // Of what was listed, one goes.
        const gone = seen.shift()
        if (gone !== undefined) await c.store.delete(gone, c.call())
        if (gone !== undefined) listed.push(gone)
      } while (cursor !== undefined)
      assert.deepEqual(
        [...listed, ...seen],
        names.map((name) => `${c.root}${name}`),
      )
    },
  },
  {
    name: 'what was deleted is gone: it is not read, not seen, and not listed',
    needs: [],
    async run(c) {
      const [gone, kept] = [await c.stored('gone'), await c.stored('kept')]
      await c.store.delete(gone, c.call())
      assert.equal(await c.store.get(gone, undefined, c.call()), undefined)
      assert.equal(await c.store.stat(gone, c.call()), undefined)
      assert.deepEqual(await c.keys(), [kept])
    },
  },
  {
    name: 'deleting what is not there succeeds',
    needs: [],
    async run(c) {
      await c.store.delete(c.key('never'), c.call())
      const key = await c.stored('twice')
      for (let times = 0; times < 2; times++) await c.store.delete(key, c.call())
    },
  },
  {
    name: 'a delete takes one object, and none that begins alike',
    needs: [],
    async run(c) {
      const [one, longer, below] = [await c.stored('x/a'), await c.stored('x/ab'), await c.stored('x-a/b')]
      await c.store.delete(one, c.call())
      await c.holds(longer)
      await c.holds(below)
    },
  },
  {
    name: 'a key whose object was deleted takes another',
    needs: [],
    async run(c) {
      const key = await c.stored('again')
      await c.store.delete(key, c.call())
      await c.stored('again', { seed: 2, bytes: 300 })
      await c.holds(key, { seed: 2, bytes: 300 })
    },
  },
]
