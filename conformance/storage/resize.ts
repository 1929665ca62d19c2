import assert from 'node:assert/strict'
import { sameQos } from '@moorage/contract'
import { failureOf, newId, pattern, refused, sameBytes } from '../check.ts'
import { maximum } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase } from './context.ts'

/** Promises of `resize`. */
export const resizeCases: readonly StorageCase[] = [
  {
    name: 'a volume grows, keeps its bytes, and shows zeros in what is new',
    needs: ['resize', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, async (disk) => {
        await disk.write(0, pattern(3, 8192))
        await disk.write(c.bytes - 8192, pattern(1, 8192))
      })
      const grown = await c.facet('resize').grow(source.id, c.bytes * 2, c.call())
      assert.equal(grown.bytes, c.bytes * 2)
      await c.withDisk(source, async (disk) => {
        const seen = await disk.read(c.bytes - 8192, 16_384)
        sameBytes(seen.subarray(0, 8192), pattern(1, 8192), 'what was there')
        sameBytes(seen.subarray(8192), new Uint8Array(8192), 'what is new')
        sameBytes(await disk.read(0, 8192), pattern(3, 8192), 'the beginning')
        await disk.write(c.bytes * 2 - 4096, pattern(2, 4096))
        sameBytes(await disk.read(c.bytes * 2 - 4096, 4096), pattern(2, 4096), 'the new end')
      })
    },
  },
  {
    name: 'growing again to the same size changes nothing, and the size is found by get and inventory',
    needs: ['resize'],
    async run(c) {
      const volume = await c.volume()
      for (let times = 0; times < 2; times++) {
        assert.equal((await c.facet('resize').grow(volume.id, c.bytes * 2, c.call())).bytes, c.bytes * 2)
      }
      assert.equal((await c.provider.volumes.get(volume.id, c.call()))?.bytes, c.bytes * 2)
      assert.deepEqual(
        (await c.ours()).flatMap((item) => (item.kind === 'volume' ? [item.bytes] : [])),
        [c.bytes * 2],
      )
    },
  },
  {
    name: 'a volume grows under an open session, which goes on',
    needs: ['resize', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const disk = await c.connect((await c.exposed(source)).connection)
      await disk.write(0, pattern(1, 4096))
      const error = await failureOf(c.facet('resize').grow(source.id, c.bytes * 2, c.call()))
      // Where hosts own what they have open, they may have to let go first.
      if (error)
        assert.deepEqual(
          [error.code, error.effect, c.provider.limits.withdrawal],
          ['IN_USE', 'none', 'host-must-detach'],
        )
      await disk.write(4096, pattern(2, 4096))
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'written before the growth')
      await disk.close()
      const seen = await c.bytesOf(source, { offset: 0, length: 8192 })
      sameBytes(seen.subarray(4096), pattern(2, 4096), 'written after the growth, seen by another')
    },
  },
  {
    name: 'growth is rounded up to the granularity',
    needs: ['resize'],
    async run(c) {
      const { granularityBytes } = c.provider.limits
      const volume = await c.volume()
      const grown = await c.facet('resize').grow(volume.id, c.bytes + 1, c.call())
      assert.equal(grown.bytes, c.bytes + granularityBytes)
    },
  },
  {
    name: 'a volume that grows keeps its QoS',
    needs: ['resize', 'qos'],
    async run(c) {
      const keeps = c.provider.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet qos')
      const volume = await c.volume({ qos: maximum(keeps, 1) })
      const grown = await c.facet('resize').grow(volume.id, c.bytes * 2, c.call())
      assert.ok(sameQos(grown.qos?.applied ?? {}, maximum(keeps, 1)), 'QoS as grow reports it')
      assert.ok(sameQos(await c.facet('qos').read(volume.id, c.call()), maximum(keeps, 1)), 'QoS as it is enforced')
    },
  },
  {
    name: 'growing beyond the pool is refused as NO_SPACE and changes nothing',
    needs: ['resize'],
    async run(c) {
      const { granularityBytes, maxVolumeBytes } = c.provider.limits
      const { totalBytes } = await c.provider.pools.report(c.call())
      const bytes = (Math.floor(totalBytes / granularityBytes) + 1) * granularityBytes
      if (bytes > maxVolumeBytes) throw new NotApplicable('no volume may be as large as the pool')
      const volume = await c.volume()
      await refused(c.facet('resize').grow(volume.id, bytes, c.call()), 'NO_SPACE')
      assert.equal((await c.provider.volumes.get(volume.id, c.call()))?.bytes, volume.bytes)
    },
  },
  {
    name: 'a volume never shrinks: INVALID, and it keeps its size and bytes',
    needs: ['resize', 'connect'],
    async run(c) {
      const volume = await c.volume({ bytes: c.bytes * 2 })
      const source = { kind: 'volume', id: volume.id } as const
      await c.withDisk(source, (disk) => disk.write(c.bytes, pattern(1, 4096)))
      await refused(c.facet('resize').grow(volume.id, c.bytes, c.call()), 'INVALID')
      assert.equal((await c.provider.volumes.get(volume.id, c.call()))?.bytes, c.bytes * 2)
      sameBytes(
        await c.withDisk(source, (disk) => disk.read(c.bytes, 4096)),
        pattern(1, 4096),
        'beyond the smaller size',
      )
    },
  },
  {
    name: 'growing beyond the largest size is refused as LIMIT and changes nothing',
    needs: ['resize'],
    async run(c) {
      const volume = await c.volume()
      const { maxVolumeBytes, granularityBytes } = c.provider.limits
      await refused(c.facet('resize').grow(volume.id, maxVolumeBytes + granularityBytes, c.call()), 'LIMIT')
      assert.equal((await c.provider.volumes.get(volume.id, c.call()))?.bytes, volume.bytes)
    },
  },
  {
    name: 'growing a volume that is not there is refused as NOT_FOUND',
    needs: ['resize'],
    async run(c) {
      await refused(c.facet('resize').grow(newId(), c.bytes, c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'simultaneous growths to two sizes end at the larger, for get and inventory alike',
    needs: ['resize'],
    async run(c) {
      const { id } = await c.volume()
      const call = c.call()
      const sizes = [3, 2, 3, 2, 2].map((times) => c.bytes * times)
      const errors = await Promise.all(sizes.map((bytes) => failureOf(c.facet('resize').grow(id, bytes, call))))
      // The smaller size comes too late where the larger one came first.
      for (const error of errors) if (error) assert.equal(error.code, 'INVALID')
      assert.equal((await c.provider.volumes.get(id, c.call()))?.bytes, c.bytes * 3)
      assert.deepEqual(
        (await c.ours()).map((item) => item.bytes),
        [c.bytes * 3],
      )
    },
  },
  {
    name: 'every byte of a volume is what it was after it has grown',
    needs: ['resize', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.cover(source, 1)
      await c.facet('resize').grow(source.id, c.bytes * 2, c.call())
      await c.holds(source, 1, 'the volume')
    },
  },
]
