import assert from 'node:assert/strict'
import type { Extent, SnapshotId } from '@moorage/contract'
import { allPages, newId, pattern, refused } from '../check.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `changeList`: an extent may be larger than what changed, never smaller. */
export const changeListCases: readonly StorageCase[] = [
  {
    name: 'without a base the extents cover everything that was written',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      const extents = await list(c, { snapshot: first })
      covers(extents, [0, 8192])
      covers(extents, [c.bytes - 4096, 4096])
      orderly(extents, c.bytes)
      assert.ok((await c.provider.volumes.get(volume, c.call())) !== undefined)
    },
  },
  {
    name: 'with a base the extents cover what was written since',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      await c.withDisk({ kind: 'volume', id: volume }, async (disk) => {
        await disk.write(4096, pattern(3, 4096))
        await disk.write(c.bytes / 2, pattern(4, 4096))
      })
      const second = (await c.snapshot(volume)).id
      const extents = await list(c, { base: first, snapshot: second })
      covers(extents, [4096, 4096])
      covers(extents, [c.bytes / 2, 4096])
      orderly(extents, c.bytes)
      const total = extents.reduce((sum, extent) => sum + extent.length, 0)
      assert.ok(total < c.bytes, 'everything is said to have changed')
    },
  },
  {
    name: 'between two snapshots without a write between them nothing has changed',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      const second = (await c.snapshot(volume)).id
      assert.deepEqual(await list(c, { base: first, snapshot: second }), [])
    },
  },
  {
    name: 'changes of a snapshot that is not there are refused as NOT_FOUND',
    needs: ['changeList', 'snapshots'],
    async run(c) {
      await refused(c.facet('changeList').extents({ snapshot: newId() }, c.call()), 'NOT_FOUND')
    },
  },
]

async function written(c: StorageContext) {
  const volume = (await c.volume()).id
  await c.withDisk({ kind: 'volume', id: volume }, async (disk) => {
    await disk.write(0, pattern(1, 8192))
    await disk.write(c.bytes - 4096, pattern(2, 4096))
  })
  return { volume, first: (await c.snapshot(volume)).id }
}

function list(c: StorageContext, range: { readonly base?: SnapshotId; readonly snapshot: SnapshotId }) {
  return allPages((cursor) =>
    c.facet('changeList').extents({ ...range, ...(cursor !== undefined && { cursor }) }, c.call()),
  )
}

function covers(extents: readonly Extent[], [offset, length]: readonly [number, number]): void {
  const found = extents.find((extent) => extent.offset <= offset && offset + length <= extent.offset + extent.length)
  assert.equal(found?.kind, 'data', `${length} bytes at ${offset} were written and are in no extent of data`)
}

function orderly(extents: readonly Extent[], bytes: number): void {
  let end = 0
  for (const extent of extents) {
    assert.ok(extent.offset >= end && extent.length > 0, `extent at ${extent.offset} is out of order`)
    end = extent.offset + extent.length
  }
  assert.ok(end <= bytes, `an extent ends at ${end}, beyond the ${bytes} bytes of the snapshot`)
}
