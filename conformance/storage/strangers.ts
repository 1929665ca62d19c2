import assert from 'node:assert/strict'
import type { BackendVolume, InventoryItem, StorageProvider } from '@moorage/contract'
import { allPages, failureOf, newId, refused } from '../check.ts'
import { maximum } from '../qos.ts'
import { consumerOf, type StorageCase, type StorageContext } from './context.ts'

/** Promises of ownership marks: what others own is counted, and never touched. */
export const strangerCases: readonly StorageCase[] = [
  {
    name: 'what another installation owns is listed as foreign, and ours as foreign to it',
    needs: ['stranger'],
    async run(c) {
      const [ours, theirs] = [await c.volume(), await strangersVolume(c)]
      await c.exposed({ kind: 'volume', id: ours.id })
      for (const [eyes, own, other] of [[c.provider, ours, theirs] as const, [c.stranger, theirs, ours] as const]) {
        const seen = await list(c, eyes)
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
    name: 'foreign exposures and snapshots are counted too',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVolume(c)
      const source = { kind: 'volume', id: theirs.id } as const
      await strangersExposure(c, theirs)
      if (c.stranger.snapshots) await strangersSnapshot(c, theirs)
      const own = (await list(c, c.stranger)).filter((item) => item.owner === 'ours')
      const all = await list(c, c.provider)
      const foreign = new Set(all.filter((item) => item.owner === 'foreign').map(({ name }) => name))
      assert.ok(own.some((item) => item.kind === 'exposure' && item.source.id === source.id))
      for (const { kind, name } of own) assert.ok(foreign.has(name), `${kind} ${name} is not listed as foreign`)
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
      await refused(volumes.create(c.spec(made.id, made.bytes), c.call()), ['CONFLICT', 'DENIED'])
      const exposure = c.exposure({ kind: 'volume', id: made.id })
      await refused(access.expose(exposure, c.call()), ['NOT_FOUND', 'CONFLICT', 'DENIED'])
      assert.ok(await c.stranger.volumes.get(made.id, c.call()), 'the volume of the other installation is gone')
      const seen = await list(c, c.stranger)
      assert.ok(!seen.some(({ kind }) => kind === 'exposure'), 'the volume of the other installation was exposed')
    },
  },
  {
    name: 'access that another installation gave is not taken away by us',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVolume(c)
      const exposure = await strangersExposure(c, theirs)
      await harmless(c.provider.access.withdraw(exposure, c.call()))
      const left = (await list(c, c.stranger)).filter((item) => item.kind === 'exposure' && item.owner === 'ours')
      assert.equal(left.length, 1, 'exposures of the other installation')
    },
  },
  {
    name: 'no facet changes or copies a volume of another installation',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVolume(c)
      const { resize, qos, snapshots, clones } = c.provider
      const keeps = c.provider.limits.qos
      const before = await c.stranger.volumes.get(theirs.id, c.call())
      const codes = ['NOT_FOUND', 'CONFLICT', 'DENIED'] as const
      if (resize) await refused(resize.grow(theirs.id, c.bytes * 2, c.call()), codes)
      if (qos && keeps) await refused(qos.apply(theirs.id, maximum(keeps, 1), c.call()), codes)
      if (snapshots) {
        await refused(snapshots.create({ id: c.snapshotId(), volume: theirs.id }, c.call()), codes)
        const taken = await strangersSnapshot(c, theirs)
        assert.equal(await snapshots.get(taken, c.call()), undefined)
        await harmless(snapshots.delete(taken, c.call()))
        assert.ok(await c.stranger.snapshots?.get(taken, c.call()), 'the snapshot of the other installation is gone')
        if (c.provider.revert) await refused(c.provider.revert.revert(theirs.id, taken, c.call()), codes)
      }
      if (clones) await refused(clones.clone({ kind: 'volume', id: theirs.id }, c.spec(c.volumeId()), c.call()), codes)
      const after = await c.stranger.volumes.get(theirs.id, c.call())
      assert.deepEqual([after?.bytes, after?.qos], [before?.bytes, before?.qos], 'the volume of the other installation')
    },
  },
  {
    name: 'no facet reads, copies or shows what another installation owns',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVolume(c)
      const { qos, stats, snapshots, clones, groupSnapshots, changeList, access } = c.provider
      const codes = ['NOT_FOUND', 'CONFLICT', 'DENIED'] as const
      if (qos) await refused(qos.read(theirs.id, c.call()), codes)
      if (stats) await refused(stats.read(theirs.id, c.call()), codes)
      if (groupSnapshots && snapshots) {
        const members = [{ id: c.snapshotId(), volume: theirs.id }]
        await refused(groupSnapshots.prepare(newId(), members, c.call()), codes)
      }
      if (!snapshots) return
      const taken = { kind: 'snapshot', id: await strangersSnapshot(c, theirs) } as const
      await refused(access.expose(c.exposure(taken), c.call()), codes)
      if (clones) await refused(clones.clone(taken, c.spec(c.volumeId()), c.call()), codes)
      if (changeList) await refused(changeList.extents({ snapshot: taken.id }, c.call()), codes)
    },
  },
]

/** Either nothing happens, or the call is refused and says that nothing happened. */
async function harmless(promise: Promise<unknown>): Promise<void> {
  const error = await failureOf(promise)
  if (error) assert.equal(error.effect, 'none')
}

function list(c: StorageContext, eyes: StorageProvider): Promise<readonly InventoryItem[]> {
  return allPages((cursor) => eyes.inventory.list(cursor, c.call()))
}

async function strangersVolume(c: StorageContext): Promise<BackendVolume> {
  const id: BackendVolume['id'] = newId()
  c.defer(() => c.stranger.volumes.delete(id, c.call()))
  return c.stranger.volumes.create(c.spec(id), c.call())
}

async function strangersExposure(c: StorageContext, volume: BackendVolume) {
  const exposure = {
    source: { kind: 'volume', id: volume.id },
    consumer: consumerOf(newId()),
    mode: 'rw',
    account: 'theirs',
  } as const
  c.defer(() => c.stranger.access.withdraw(exposure, c.call()))
  await c.stranger.access.expose(exposure, c.call())
  return exposure
}

async function strangersSnapshot(c: StorageContext, volume: BackendVolume) {
  const { snapshots } = c.stranger
  assert.ok(snapshots, 'the stranger has no facet snapshots')
  const id = newId<'snapshot'>()
  c.defer(() => snapshots.delete(id, c.call()))
  await snapshots.create({ id, volume: volume.id }, c.call())
  return id
}
