import assert from 'node:assert/strict'
import type { VolumeId } from '@moorage/contract'
import { failureOf } from '../check.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `Call`: deadlines, callers that give up, lost answers. */
export const callCases: readonly StorageCase[] = [
  {
    name: 'a call whose time is up ends in TIMEOUT, and effect none means that nothing was made',
    needs: [],
    async run(c) {
      const spec = newSpec(c)
      const error = await failureOf(c.provider.volumes.create(spec, c.call({ withinMs: 0 })))
      assert.equal(error?.code, 'TIMEOUT')
      if (error.effect === 'none') assert.equal(await c.provider.volumes.get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a call that its caller has given up ends in TIMEOUT, and effect none means that nothing was made',
    needs: [],
    async run(c) {
      const spec = newSpec(c)
      const error = await failureOf(c.provider.volumes.create(spec, c.call({ signal: AbortSignal.abort() })))
      assert.equal(error?.code, 'TIMEOUT')
      if (error.effect === 'none') assert.equal(await c.provider.volumes.get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a create with one millisecond left ends soon, and asking again settles it',
    needs: [],
    async run(c) {
      const spec = newSpec(c)
      const began = Date.now()
      const error = await failureOf(c.provider.volumes.create(spec, c.call({ withinMs: 1 })))
      assert.ok(Date.now() - began < 5000, 'a deadline of 1 ms is not kept within 5 s')
      if (error) assert.equal(error.code, 'TIMEOUT')
      await settled(c, spec)
    },
  },
  {
    name: 'a create that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const spec = newSpec(c)
      const giveUp = new AbortController()
      const answer = failureOf(c.provider.volumes.create(spec, c.call({ signal: giveUp.signal })))
      setImmediate(() => giveUp.abort())
      const error = await answer
      if (error) assert.equal(error.code, 'TIMEOUT')
      await settled(c, spec)
    },
  },
  {
    name: 'a delete that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const made = await c.volume()
      const giveUp = new AbortController()
      const answer = failureOf(c.provider.volumes.delete(made.id, c.call({ signal: giveUp.signal })))
      setImmediate(() => giveUp.abort())
      const error = await answer
      if (error) assert.equal(error.code, 'TIMEOUT')
      await c.provider.volumes.delete(made.id, c.call())
      assert.equal(await c.provider.volumes.get(made.id, c.call()), undefined)
    },
  },
]

function newSpec(c: StorageContext) {
  return { id: c.volumeId(), bytes: c.bytes, qos: {}, settings: {} }
}

async function settled(c: StorageContext, spec: { readonly id: VolumeId; readonly bytes: number }): Promise<void> {
  const made = await c.provider.volumes.create({ ...spec, qos: {}, settings: {} }, c.call())
  assert.equal(made.bytes, spec.bytes)
  const volumes = (await c.ours()).filter((item) => item.kind === 'volume')
  assert.deepEqual(
    volumes.map((item) => item.id),
    [spec.id],
  )
}
