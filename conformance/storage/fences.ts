import assert from 'node:assert/strict'
import { refused } from '../check.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `Call.fence`: late duplicates, whichever call they are and whichever call fenced them off. */
export const fenceCases: readonly StorageCase[] = [
  {
    name: 'a late create is refused after a delete with a higher fence, and brings nothing back',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await c.provider.volumes.create(spec, c.call({ fence: 5 }))
      await c.provider.volumes.delete(spec.id, c.call({ fence: 7 }))
      await refused(c.provider.volumes.create(spec, c.call({ fence: 5 })), 'FENCED')
      assert.equal(await c.has(spec.id), false)
    },
  },
  {
    name: 'a create that arrives after the delete that undid it is refused although nothing was ever made',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await c.provider.volumes.delete(spec.id, c.call({ fence: 7 }))
      await refused(c.provider.volumes.create(spec, c.call({ fence: 5 })), 'FENCED')
      assert.equal(await c.has(spec.id), false)
    },
  },
  {
    name: 'a late delete below the fence of a newer call is refused and deletes nothing',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await c.provider.volumes.create(spec, c.call({ fence: 7 }))
      await refused(c.provider.volumes.delete(spec.id, c.call({ fence: 5 })), 'FENCED')
      assert.ok(await c.has(spec.id))
    },
  },
  {
    name: 'calls with the same fence follow each other',
    needs: [],
    async run(c) {
      const { volumes, access } = c.provider
      const spec = c.spec(c.volumeId())
      const exposure = c.exposure({ kind: 'volume', id: spec.id })
      for (let times = 0; times < 2; times++) await volumes.create(spec, c.call({ fence: 2007 }))
      for (let times = 0; times < 2; times++) await access.expose(exposure, c.call({ fence: 2007 }))
      for (let times = 0; times < 2; times++) await access.withdraw(exposure, c.call({ fence: 2007 }))
      for (let times = 0; times < 2; times++) await volumes.delete(spec.id, c.call({ fence: 2007 }))
      assert.equal(await c.has(spec.id), false)
    },
  },
  {
    name: 'a fence of one volume does not bind another',
    needs: [],
    async run(c) {
      const { volumes, access } = c.provider
      const [spec, other] = [c.spec(c.volumeId()), await c.volume()]
      const exposure = c.exposure({ kind: 'volume', id: spec.id })
      await access.withdraw({ ...exposure, source: { kind: 'volume', id: other.id } }, c.call({ fence: 1_000_000 }))
      await volumes.delete(other.id, c.call({ fence: 1_000_000 }))
      await volumes.create(spec, c.call({ fence: 5 }))
      await access.expose(exposure, c.call({ fence: 6 }))
      await access.withdraw(exposure, c.call({ fence: 7 }))
      await volumes.delete(spec.id, c.call({ fence: 8 }))
    },
  },
  {
    name: 'a fence that access was taken away under binds every other call on that volume',
    needs: [],
    async run(c) {
      const { volumes, access } = c.provider
      const { id } = await c.volume()
      const exposure = c.exposure({ kind: 'volume', id })
      await access.expose(exposure, c.call({ fence: 2006 }))
      await access.withdraw(exposure, c.call({ fence: 2007 }))
      await refused(volumes.delete(id, c.call({ fence: 2005 })), 'FENCED')
      if (c.provider.revert && c.provider.snapshots) {
        const taken = await c.snapshot(id)
        await refused(c.provider.revert.revert(id, taken.id, c.call({ fence: 2005 })), 'FENCED')
      }
      if (c.provider.qos) await refused(c.provider.qos.apply(id, {}, c.call({ fence: 2005 })), 'FENCED')
      assert.ok(await c.has(id))
    },
  },
  {
    name: 'a late expose is refused after a withdraw with a higher fence, and gives nothing back',
    needs: [],
    async run(c) {
      const exposure = c.exposure({ kind: 'volume', id: (await c.volume()).id })
      await c.provider.access.expose(exposure, c.call({ fence: 2005 }))
      await c.provider.access.withdraw(exposure, c.call({ fence: 2007 }))
      await refused(c.provider.access.expose(exposure, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await c.exposures(), [])
    },
  },
  {
    name: 'an expose that arrives after the withdraw that undid it is refused although nothing was ever given',
    needs: [],
    async run(c) {
      const exposure = c.exposure({ kind: 'volume', id: (await c.volume()).id })
      await c.provider.access.withdraw(exposure, c.call({ fence: 2007 }))
      await refused(c.provider.access.expose(exposure, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await c.exposures(), [])
    },
  },
  {
    name: 'fences of access are per source, whoever the consumer is',
    needs: [],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const [one, two] = [c.exposure(source), c.exposure(source)]
      await c.provider.access.expose(one, c.call({ fence: 2005 }))
      await c.provider.access.withdraw(one, c.call({ fence: 2007 }))
      await refused(c.provider.access.expose(two, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await c.exposures(), [])
    },
  },
  {
    name: 'a late withdraw below the fence of a newer expose is refused and takes nothing away',
    needs: [],
    async run(c) {
      const exposure = c.exposure({ kind: 'volume', id: (await c.volume()).id })
      await c.provider.access.expose(exposure, c.call({ fence: 2007 }))
      await refused(c.provider.access.withdraw(exposure, c.call({ fence: 2005 })), 'FENCED')
      assert.equal((await c.exposures()).length, 1)
    },
  },
  {
    name: 'a late snapshot is refused after a delete with a higher fence, and brings nothing back',
    needs: ['snapshots'],
    async run(c) {
      const spec = { id: c.snapshotId(), volume: (await c.volume()).id }
      await c.facet('snapshots').create(spec, c.call({ fence: 5 }))
      await noLateSnapshot(c, spec)
    },
  },
  {
    name: 'a snapshot that arrives after the delete that undid it is refused although none was ever taken',
    needs: ['snapshots'],
    async run(c) {
      await noLateSnapshot(c, { id: c.snapshotId(), volume: (await c.volume()).id })
    },
  },
  {
    name: 'a late delete of a snapshot below the fence of a newer call is refused and deletes nothing',
    needs: ['snapshots'],
    async run(c) {
      const spec = { id: c.snapshotId(), volume: (await c.volume()).id }
      await c.facet('snapshots').create(spec, c.call({ fence: 2007 }))
      await refused(c.facet('snapshots').delete(spec.id, c.call({ fence: 2005 })), 'FENCED')
      assert.ok(await c.facet('snapshots').get(spec.id, c.call()))
    },
  },
  {
    name: 'a fence of a snapshot does not bind its volume, nor the next snapshot',
    needs: ['snapshots'],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await c.provider.volumes.create(spec, c.call({ fence: 5 }))
      const first = { id: c.snapshotId(), volume: spec.id }
      await c.facet('snapshots').create(first, c.call({ fence: 1_000_000 }))
      await c.facet('snapshots').delete(first.id, c.call({ fence: 1_000_000 }))
      await c.facet('snapshots').create({ id: c.snapshotId(), volume: spec.id }, c.call({ fence: 5 }))
      await c.provider.access.expose(c.exposure({ kind: 'volume', id: spec.id }), c.call({ fence: 5 }))
    },
  },
  {
    name: 'a late clone is refused after a delete with a higher fence, and brings nothing back',
    needs: ['clones'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const spec = c.spec(c.volumeId())
      await c.facet('clones').clone(source, spec, c.call({ fence: 5 }))
      await c.provider.volumes.delete(spec.id, c.call({ fence: 7 }))
      await refused(c.facet('clones').clone(source, spec, c.call({ fence: 5 })), 'FENCED')
      assert.equal(await c.has(spec.id), false)
    },
  },
  {
    name: 'fences are compared as whole numbers, beyond 32 bits',
    needs: [],
    async run(c) {
      const exposure = c.exposure({ kind: 'volume', id: (await c.volume()).id })
      await c.provider.access.withdraw(exposure, c.call({ fence: 2 ** 32 + 1 }))
      await refused(c.provider.access.expose(exposure, c.call({ fence: 2 ** 32 - 1 })), 'FENCED')
      await c.provider.access.expose(exposure, c.call({ fence: 2 ** 40 }))
      assert.equal((await c.exposures()).length, 1)
    },
  },
  {
    name: 'a late expose of a snapshot is refused after a withdraw with a higher fence, and gives nothing back',
    needs: ['snapshots'],
    async run(c) {
      const exposure = c.exposure({ kind: 'snapshot', id: (await c.snapshot((await c.volume()).id)).id })
      await c.provider.access.expose(exposure, c.call({ fence: 2005 }))
      await c.provider.access.withdraw(exposure, c.call({ fence: 2007 }))
      await refused(c.provider.access.expose(exposure, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await c.exposures(), [])
    },
  },
]

async function noLateSnapshot(
  c: StorageContext,
  spec: Parameters<ReturnType<typeof c.facet<'snapshots'>>['create']>[0],
): Promise<void> {
  await c.facet('snapshots').delete(spec.id, c.call({ fence: 7 }))
  await refused(c.facet('snapshots').create(spec, c.call({ fence: 5 })), 'FENCED')
  assert.equal(await c.facet('snapshots').get(spec.id, c.call()), undefined)
}
