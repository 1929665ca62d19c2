import assert from 'node:assert/strict'
import { allPages, failureOf, refused } from '../check.ts'
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
      const made = await c.volume()
      await c.exposed({ kind: 'volume', id: made.id })
      const seen = await allPages((cursor) => c.stranger.inventory.list(cursor, c.call()))
      const item = seen.find(({ name, kind }) => kind === 'volume' && name === made.name)
      assert.equal(item?.owner, 'foreign')
      assert.ok(!JSON.stringify(seen.filter(({ owner }) => owner === 'ours')).includes(made.id), 'ours shown as theirs')
    },
  },
  {
    name: 'what another installation owns is not found, not deleted, not exposed and not taken over',
    needs: ['stranger'],
    async run(c) {
      const made = await c.volume()
      const { volumes, access } = c.stranger
      assert.equal(await volumes.get(made.id, c.call()), undefined)
      await harmless(volumes.delete(made.id, c.call()))
      const spec = { id: made.id, bytes: made.bytes, qos: {}, settings: {} }
      await refused(volumes.create(spec, c.call()), 'CONFLICT')
      const exposure = c.exposure({ kind: 'volume', id: made.id })
      await refused(access.expose(exposure, c.call()), ['NOT_FOUND', 'CONFLICT', 'DENIED'])
      await untouched(c, made.id)
    },
  },
]

/** Either nothing happens, or the call is refused and says that nothing happened. */
async function harmless(promise: Promise<unknown>): Promise<void> {
  const error = await failureOf(promise)
  if (error) assert.equal(error.effect, 'none')
}

async function untouched(c: StorageContext, id: Parameters<typeof c.provider.volumes.get>[0]): Promise<void> {
  assert.ok(await c.provider.volumes.get(id, c.call()), 'our volume is gone')
  const kinds = (await c.ours()).map((item) => item.kind)
  assert.ok(!kinds.includes('exposure'), 'our volume was exposed')
}
