import assert from 'node:assert/strict'
import { type InventoryItem, sameQos } from '@moorage/contract'
import { allPages, isCount, isRecent } from '../check.ts'
import { maximum } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `inventory`. */
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
    name: 'what is there throughout is listed exactly once while others come and go between the pages',
    needs: [],
    async run(c) {
      const passing = await Promise.all(Array.from({ length: 10 }, () => c.volume()))
      const staying = await Promise.all(Array.from({ length: 20 }, () => c.volume()))
      const seen: string[] = []
      let pages = 0
      await allPages(async (cursor) => {
        const page = await c.provider.inventory.list(cursor, c.call())
        seen.push(...page.items.flatMap((item) => (item.kind === 'volume' && item.owner === 'ours' ? [item.id] : [])))
        pages += 1
        for (const { id } of passing.splice(0, 3)) await c.provider.volumes.delete(id, c.call())
        if (pages < 5) await c.volume()
        return page
      })
      if (pages === 1) throw new NotApplicable('the listing has one page')
      const times = staying.map(({ id }) => seen.filter((one) => one === id).length)
      assert.deepEqual(times, Array(staying.length).fill(1), 'times that each was listed')
    },
  },
  {
    name: 'sizes and times in the inventory are whole bytes and epoch milliseconds',
    needs: [],
    async run(c) {
      const volume = await c.volume()
      await c.exposed({ kind: 'volume', id: volume.id })
      if (c.provider.snapshots) await c.snapshot(volume.id)
      for (const item of await c.ours()) {
        isCount(item.bytes, `bytes of ${item.name}`)
        isRecent(item.createdAt, `createdAt of ${item.name}`)
        if (item.kind === 'snapshot') assert.equal(item.bytes, volume.bytes, 'bytes of a snapshot')
      }
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
    name: 'what was deleted leaves nothing in the inventory, foreign or ours',
    needs: [],
    async run(c) {
      const before = await names(c)
      const volume = await c.volume()
      const access = await c.exposed({ kind: 'volume', id: volume.id })
      await c.provider.access.withdraw(access, c.call())
      if (c.provider.snapshots) {
        const taken = await c.snapshot(volume.id)
        await c.provider.snapshots.delete(taken.id, c.call())
      }
      await c.provider.volumes.delete(volume.id, c.call())
      assert.deepEqual(await names(c), before)
    },
  },
  {
    name: 'what the inventory says of modes and of QoS is what is enforced',
    needs: [],
    async run(c) {
      const { qos: keeps } = c.provider.limits
      const volume = await c.volume(keeps && { qos: maximum(keeps, 1) })
      const source = { kind: 'volume', id: volume.id } as const
      for (const mode of ['ro', 'rw'] as const) await c.exposed(source, { mode })
      if (keeps) await c.facet('qos').apply(volume.id, maximum(keeps, 2), c.call())
      const items = await c.ours()
      const modes = items.flatMap((item) => (item.kind === 'exposure' && item.mode !== undefined ? [item.mode] : []))
      if (modes.length > 0) assert.deepEqual(modes.toSorted(), ['ro', 'rw'], 'modes of the exposures')
      for (const item of items) {
        if (item.kind !== 'volume' || item.qos === undefined) continue
        const enforced = (await c.provider.qos?.read(item.id, c.call())) ?? {}
        assert.ok(sameQos(item.qos, enforced), `QoS ${JSON.stringify(item.qos)} is not ${JSON.stringify(enforced)}`)
      }
    },
  },
]

async function names(c: StorageContext): Promise<readonly string[]> {
  const all = await allPages<InventoryItem>((cursor) => c.provider.inventory.list(cursor, c.call()))
  return all.map(({ owner, kind, name }) => `${owner} ${kind} ${name}`).toSorted()
}
