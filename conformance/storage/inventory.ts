import assert from 'node:assert/strict'
import type { BackendVolume } from '@moorage/contract'
import { allPages, failureOf, newId, refused } from '../check.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `inventory` and of ownership marks. */
export const inventoryCases: readonly StorageCase[] = [
  {
    name: 'the inventory lists each of our volumes exactly once, with id, name and size, however many pages it takes',
    needs: [],
    async run(c) {
      const made = await Promise.all(Array.from({ length: 25 }, () => c.volume()))
      const listed = (await c.ours()).filter((item) => item.kind === 'volume')
      const expected = made.map(({ id, name, bytes }) => `${id} ${name} ${bytes}`)
      assert.deepEqual(listed.map(({ id, name, bytes }) => `${id} ${name} ${bytes}`).toSorted(), expected.toSorted())
    },
  },
  {
    name: 'names on the back end are different for different volumes and outlive nothing',
    needs: [],
    async run(c) {
      const [one, two] = [await c.volume(), await c.volume()]
      assert.notEqual(one.name, two.name)
      await c.provider.volumes.delete(one.id, c.call())
      assert.deepEqual(
        (await c.ours()).flatMap((item) => (item.kind === 'volume' ? [item.name] : [])),
        [two.name],
      )
    },
  },
  {
    name: 'what another installation owns is listed as foreign, and ours as foreign to it',
    needs: ['stranger'],
    async run(c) {
      const [ours, theirs] = [await c.volume(), await strangersVolume(c)]
      await c.exposed({ kind: 'volume', id: ours.id })
      for (const [eyes, own, other] of [[c.provider, ours, theirs] as const, [c.stranger, theirs, ours] as const]) {
        const seen = await allPages((cursor) => eyes.inventory.list(cursor, c.call()))
        const marks = (name: string) =>
          seen.filter((item) => item.name === name).map(({ kind, owner }) => [kind, owner])
        assert.deepEqual(marks(own.name), [['volume', 'ours']])
        assert.deepEqual(marks(other.name), [['volume', 'foreign']])
        const claimed = JSON.stringify(seen.filter(({ owner }) => owner === 'ours'))
        assert.ok(!claimed.includes(other.id), 'what others own is claimed')
      }
    },
  },
  {
    name: 'what another installation owns is not found, not deleted, not exposed and not taken over',
    needs: ['stranger'],
    async run(c) {
      const made = await strangersVolume(c)
      const { volumes, access } = c.provider
      assert.equal(await volumes.get(made.id, c.call()), undefined)
      await harmless(volumes.delete(made.id, c.call()))
      const spec = { id: made.id, bytes: made.bytes, qos: {}, settings: {} }
      await refused(volumes.create(spec, c.call()), ['CONFLICT', 'DENIED'])
      const exposure = c.exposure({ kind: 'volume', id: made.id })
      await refused(access.expose(exposure, c.call()), ['NOT_FOUND', 'CONFLICT', 'DENIED'])
      assert.ok(await c.stranger.volumes.get(made.id, c.call()), 'the volume of the other installation is gone')
      const seen = await allPages((cursor) => c.stranger.inventory.list(cursor, c.call()))
      assert.ok(!seen.some(({ kind }) => kind === 'exposure'), 'the volume of the other installation was exposed')
    },
  },
]

/** Either nothing happens, or the call is refused and says that nothing happened. */
async function harmless(promise: Promise<unknown>): Promise<void> {
  const error = await failureOf(promise)
  if (error) assert.equal(error.effect, 'none')
}

async function strangersVolume(c: StorageContext): Promise<BackendVolume> {
  const id: BackendVolume['id'] = newId()
  c.defer(() => c.stranger.volumes.delete(id, c.call()))
  return c.stranger.volumes.create({ id, bytes: c.bytes, qos: {}, settings: {} }, c.call())
}
