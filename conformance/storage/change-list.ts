import assert from 'node:assert/strict'
import type { Extent, SnapshotId, VolumeId } from '@moorage/contract'
import { allPages, newId, pattern, refused, sameBytes } from '../check.ts'
import type { StorageCase, StorageContext } from './context.ts'

/**
 * Promises of `changeList`. What the extents say is tried by use: whoever holds the base and copies what they name must
 * hold the snapshot. An extent may be larger than what changed, never smaller.
 */
export const changeListCases: readonly StorageCase[] = [
  {
    name: 'from nothing, the extents make the snapshot',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { first } = await written(c)
      await rebuilds(c, { snapshot: first })
    },
  },
  {
    name: 'from the base, the extents make the snapshot, and are not the whole of it',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      await write(c, volume, [
        [4096, pattern(3, 4096)],
        [c.bytes / 2, pattern(4, 4096)],
      ])
      const second = (await c.snapshot(volume)).id
      const extents = await rebuilds(c, { base: first, snapshot: second })
      const total = extents.reduce((sum, extent) => sum + extent.length, 0)
      assert.ok(total < c.bytes, 'everything is said to have changed')
    },
  },
  {
    name: 'bytes that have become zeros since the base are among the changes',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      await write(c, volume, [[0, new Uint8Array(8192)]])
      await rebuilds(c, { base: first, snapshot: (await c.snapshot(volume)).id })
    },
  },
  {
    name: 'changes are those since the base that was named, however many snapshots lie between',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      await write(c, volume, [[262_144, pattern(3, 4096)]])
      const second = (await c.snapshot(volume)).id
      await write(c, volume, [[524_288, pattern(4, 4096)]])
      const third = (await c.snapshot(volume)).id
      await rebuilds(c, { base: first, snapshot: third })
      await rebuilds(c, { base: second, snapshot: third })
    },
  },
  {
    name: 'between two snapshots without a write between them nothing has changed, whatever is written later',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      const second = (await c.snapshot(volume)).id
      await write(c, volume, [[c.bytes / 2, pattern(3, 4096)]])
      assert.deepEqual(await list(c, { base: first, snapshot: second }), [])
    },
  },
  {
    name: 'what a volume grew by, and what a revert brought back, is among the changes',
    needs: ['changeList', 'snapshots', 'resize', 'revert', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      await write(c, volume, [[0, pattern(3, 8192)]])
      const second = (await c.snapshot(volume)).id
      await c.facet('resize').grow(volume, c.bytes * 2, c.call())
      await c.facet('revert').revert(volume, first, c.call())
      await write(c, volume, [[c.bytes * 2 - 4096, pattern(4, 4096)]])
      await rebuilds(c, { base: second, snapshot: (await c.snapshot(volume)).id })
    },
  },
  {
    name: 'changes of a snapshot that is not there, or since one that is not there, are refused as NOT_FOUND',
    needs: ['changeList', 'snapshots'],
    async run(c) {
      const taken = (await c.snapshot((await c.volume()).id)).id
      const { extents } = c.facet('changeList')
      await refused(extents({ snapshot: newId() }, c.call()), 'NOT_FOUND')
      await refused(extents({ base: newId(), snapshot: taken }, c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'changes since a snapshot of another volume are refused',
    needs: ['changeList', 'snapshots'],
    async run(c) {
      const [one, two] = [await c.snapshot((await c.volume()).id), await c.snapshot((await c.volume()).id)]
      const range = { base: one.id, snapshot: two.id }
      await refused(c.facet('changeList').extents(range, c.call()), ['INVALID', 'CONFLICT', 'NOT_FOUND'])
    },
  },
  {
    name: 'however many places were written, each is among the changes',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      const places = Array.from({ length: 16 }, (_, at) => 131_072 * at + 16_384)
      await write(
        c,
        volume,
        places.map((at) => [at, pattern(at, 4096)] as const),
      )
      await rebuilds(c, { base: first, snapshot: (await c.snapshot(volume)).id })
    },
  },
  {
    name: 'changes since the base stay changes when a snapshot between has been deleted',
    needs: ['changeList', 'snapshots', 'connect'],
    async run(c) {
      const { volume, first } = await written(c)
      await write(c, volume, [[262_144, pattern(3, 4096)]])
      const second = (await c.snapshot(volume)).id
      await write(c, volume, [[524_288, pattern(4, 4096)]])
      const third = (await c.snapshot(volume)).id
      await c.facet('snapshots').delete(second, c.call())
      await rebuilds(c, { base: first, snapshot: third })
    },
  },
]

interface Range {
  readonly base?: SnapshotId
  readonly snapshot: SnapshotId
}

async function written(c: StorageContext) {
  const volume = (await c.volume()).id
  await write(c, volume, [
    [0, pattern(1, 8192)],
    [c.bytes - 4096, pattern(2, 4096)],
  ])
  return { volume, first: (await c.snapshot(volume)).id }
}

function write(c: StorageContext, volume: VolumeId, runs: readonly (readonly [number, Uint8Array])[]): Promise<void> {
  return c.withDisk({ kind: 'volume', id: volume }, async (disk) => {
    for (const [offset, bytes] of runs) await disk.write(offset, bytes)
  })
}

function list(c: StorageContext, range: Range) {
  return allPages((cursor) =>
    c.facet('changeList').extents({ ...range, ...(cursor !== undefined && { cursor }) }, c.call()),
  )
}

/** Does what an incremental backup does, and fails unless that makes the snapshot. Answers the extents. */
async function rebuilds(c: StorageContext, range: Range): Promise<readonly Extent[]> {
  const wanted = await contents(c, range.snapshot)
  const made = new Uint8Array(wanted.length)
  if (range.base !== undefined) made.set(await contents(c, range.base))
  const extents = await list(c, range)
  orderly(extents, wanted.length)
  for (const { offset, length, kind } of extents) {
    if (kind === 'zero') made.fill(0, offset, offset + length)
    else made.set(wanted.subarray(offset, offset + length), offset)
  }
  sameBytes(made, wanted, 'what the extents make of the base')
  return extents
}

async function contents(c: StorageContext, id: SnapshotId): Promise<Uint8Array> {
  const length = (await c.facet('snapshots').get(id, c.call()))?.bytes ?? 0
  return c.bytesOf({ kind: 'snapshot', id }, { offset: 0, length })
}

function orderly(extents: readonly Extent[], bytes: number): void {
  let end = 0
  for (const extent of extents) {
    assert.ok(extent.offset >= end && extent.length > 0, `extent at ${extent.offset} is out of order`)
    end = extent.offset + extent.length
  }
  assert.ok(end <= bytes, `an extent ends at ${end}, beyond the ${bytes} bytes of the snapshot`)
}
