import assert from 'node:assert/strict'
import type { Call } from '@moorage/contract'
import { failureOf, pattern, sameBytes } from '../check.ts'
import type { ArchiveCase, ArchiveContext } from './context.ts'

const BYTES = 3_000_000

/** Promises of `Call`: deadlines, and callers that give up. */
export const callCases: readonly ArchiveCase[] = [
  {
    name: 'a change whose time is up ends in TIMEOUT, and effect none means that nothing was changed',
    needs: [],
    run: (c) => noneMeansNothing(c, () => c.call({ withinMs: 0 })),
  },
  {
    name: 'a change that its caller has given up ends in TIMEOUT, and effect none means that nothing was changed',
    needs: [],
    run: (c) => noneMeansNothing(c, () => c.call({ signal: AbortSignal.abort() })),
  },
  {
    name: 'whoever only looks and has no time left is told so',
    needs: [],
    async run(c) {
      const key = await c.stored('looked-at')
      const late = () => c.call({ withinMs: 0 })
      for (const look of [
        () => c.store.get(key, undefined, late()),
        () => c.store.stat(key, late()),
        () => c.store.list(c.root, undefined, late()),
        () => c.store.probe(late()),
      ]) {
        assert.equal((await failureOf(look()))?.code, 'TIMEOUT')
      }
    },
  },
  {
    name: 'a put that its caller gives up halfway leaves the whole object or none, and asking again settles it',
    needs: [],
    async run(c) {
      for (let round = 0; round < 8; round++) {
        const key = c.key(`halfway-${round}`)
        await givenUp(c, (call) => c.store.put(key, pattern(round, BYTES), call), round)
        const seen = await c.store.get(key, undefined, c.call())
        if (seen) sameBytes(seen, pattern(round, BYTES), 'what a put that was given up left')
        await c.store.put(key, pattern(round, BYTES), c.call())
        await c.holds(key, { seed: round, bytes: BYTES })
      }
    },
  },
]

/** Each change is tried with a call that is too late, and must then be as if nobody had asked, if it says so. */
async function noneMeansNothing(c: ArchiveContext, late: () => Call): Promise<void> {
  const fresh = c.key('too-late')
  const put = await failureOf(c.store.put(fresh, pattern(1, 100), late()))
  assert.equal(put?.code, 'TIMEOUT', 'put')
  if (put.effect === 'none') assert.equal(await c.store.stat(fresh, c.call()), undefined, 'put had an effect')
  const there = await c.stored('stays')
  const gone = await failureOf(c.store.delete(there, late()))
  assert.equal(gone?.code, 'TIMEOUT', 'delete')
  if (gone.effect === 'none') assert.ok(await c.store.stat(there, c.call()), 'delete had an effect')
}

/** Lets a caller give up some turns of the event loop after it asked. */
async function givenUp(c: ArchiveContext, ask: (call: Call) => Promise<unknown>, turns: number): Promise<void> {
  const giveUp = new AbortController()
  const answer = failureOf(ask(c.call({ signal: giveUp.signal })))
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
  giveUp.abort()
  const error = await answer
  if (error) assert.equal(error.code, 'TIMEOUT')
}
