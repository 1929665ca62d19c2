import assert from 'node:assert/strict'
import { type BackendVolume, differingAxes, sameQos, type Source } from '@moorage/contract'
import { failureOf, newId, pattern, refused, sameBytes } from '../check.ts'
import { axisOf, maximum, vector } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'

const BLOCK = { offset: 0, length: 4096 }

/** Promises of `clones`. */
export const cloneCases: readonly StorageCase[] = [
  {
    name: 'a clone and its source do not see each other’s writes',
    needs: ['clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 131_072)))
      const copy = { kind: 'volume', id: (await clone(c, source)).id } as const
      await c.withDisk(copy, (disk) => disk.write(0, pattern(2, 4096)))
      await c.withDisk(source, (disk) => disk.write(8192, pattern(3, 4096)))
      const expected = pattern(1, 131_072)
      const seen = await c.withDisk(source, (disk) => disk.read(0, 131_072))
      sameBytes(seen.subarray(0, 8192), expected.subarray(0, 8192), 'the source where the clone was written')
      sameBytes(seen.subarray(8192, 12_288), pattern(3, 4096), 'the source where it was written')
      const cloned = await c.withDisk(copy, (disk) => disk.read(0, 131_072))
      sameBytes(cloned.subarray(0, 4096), pattern(2, 4096), 'the clone where it was written')
      sameBytes(cloned.subarray(4096), expected.subarray(4096), 'the clone where the source was written')
    },
  },
  {
    name: 'a clone of a snapshot has the bytes of the snapshot, not those of the volume now',
    needs: ['clones', 'snapshots', 'connect'],
    async run(c) {
      const volume = await c.volume()
      await c.withDisk({ kind: 'volume', id: volume.id }, (disk) => disk.write(0, pattern(1, 8192)))
      const taken = await c.snapshot(volume.id)
      await c.withDisk({ kind: 'volume', id: volume.id }, (disk) => disk.write(0, pattern(2, 8192)))
      const copy = await clone(c, { kind: 'snapshot', id: taken.id })
      const seen = await c.withDisk({ kind: 'volume', id: copy.id }, (disk) => disk.read(0, 8192))
      sameBytes(seen, pattern(1, 8192), 'the clone')
    },
  },
  {
    name: 'cloning again gives the same volume, once',
    needs: ['clones'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const copy = await clone(c, source)
      const spec = { id: copy.id, bytes: copy.bytes, qos: {}, settings: {} }
      assert.equal((await c.facet('clones').clone(source, spec, c.call())).name, copy.name)
      assert.equal((await c.ours()).filter((item) => item.kind === 'volume').length, 2)
    },
  },
  {
    name: 'cloning again keeps what was written to the clone',
    needs: ['clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const copy = await clone(c, source)
      await c.withDisk({ kind: 'volume', id: copy.id }, (disk) => disk.write(0, pattern(1, 4096)))
      await c.facet('clones').clone(source, c.spec(copy.id), c.call())
      sameBytes(await c.bytesOf({ kind: 'volume', id: copy.id }, BLOCK), pattern(1, 4096), 'the clone')
    },
  },
  {
    name: 'ten simultaneous clones of one id are one volume',
    needs: ['clones'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const [spec, call] = [c.spec(c.volumeId()), c.call()]
      const answers = await Promise.all(Array.from({ length: 10 }, () => c.facet('clones').clone(source, spec, call)))
      assert.equal(new Set(answers.map(({ name }) => name)).size, 1)
      assert.equal((await c.ours()).filter((item) => item.kind === 'volume').length, 2)
    },
  },
  {
    name: 'QoS asked for a clone is enforced, and its source keeps its own',
    needs: ['clones', 'qos'],
    async run(c) {
      const keeps = c.provider.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet qos')
      const source = await c.volume({ qos: maximum(keeps, 1) })
      const spec = { ...c.spec(c.volumeId()), qos: maximum(keeps, 2) }
      const copy = await c.facet('clones').clone({ kind: 'volume', id: source.id }, spec, c.call())
      assert.deepEqual(copy.qos, { applied: maximum(keeps, 2), clamped: [] })
      assert.ok(sameQos(await c.facet('qos').read(copy.id, c.call()), maximum(keeps, 2)), 'QoS of the clone')
      assert.ok(sameQos(await c.facet('qos').read(source.id, c.call()), maximum(keeps, 1)), 'QoS of the source')
    },
  },
  {
    name: 'a plain volume is not made into a clone: CONFLICT, and it keeps its bytes',
    needs: ['clones', 'connect'],
    async run(c) {
      const [source, plain] = [await c.volume(), await c.volume()]
      await c.withDisk({ kind: 'volume', id: plain.id }, (disk) => disk.write(0, pattern(1, 4096)))
      await refused(c.facet('clones').clone({ kind: 'volume', id: source.id }, c.spec(plain.id), c.call()), 'CONFLICT')
      sameBytes(await c.bytesOf({ kind: 'volume', id: plain.id }, BLOCK), pattern(1, 4096), 'the plain volume')
    },
  },
  {
    name: 'a clone above the largest size is refused as LIMIT, and nothing is made',
    needs: ['clones'],
    async run(c) {
      const { maxVolumeBytes, granularityBytes } = c.provider.limits
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const spec = c.spec(c.volumeId(), maxVolumeBytes + granularityBytes)
      await refused(c.facet('clones').clone(source, spec, c.call()), 'LIMIT')
      assert.equal(await c.has(spec.id), false)
    },
  },
  {
    name: 'the id of a clone asked from another source, in another size, or as a plain volume, is refused as CONFLICT',
    needs: ['clones'],
    async run(c) {
      const [one, two] = [await c.volume(), await c.volume()]
      const copy = await clone(c, { kind: 'volume', id: one.id })
      const spec = { id: copy.id, bytes: copy.bytes, qos: {}, settings: {} }
      await refused(c.facet('clones').clone({ kind: 'volume', id: two.id }, spec, c.call()), 'CONFLICT')
      const larger = { ...spec, bytes: spec.bytes * 2 }
      await refused(c.facet('clones').clone({ kind: 'volume', id: one.id }, larger, c.call()), 'CONFLICT')
      await refused(c.provider.volumes.create(spec, c.call()), 'CONFLICT')
    },
  },
  {
    name: 'a clone of what is not there is refused as NOT_FOUND, and nothing is made',
    needs: ['clones'],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await refused(c.facet('clones').clone({ kind: 'volume', id: newId() }, spec, c.call()), 'NOT_FOUND')
      await refused(c.facet('clones').clone({ kind: 'snapshot', id: newId() }, spec, c.call()), 'NOT_FOUND')
      assert.equal(await c.provider.volumes.get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a clone smaller than its source is refused as INVALID, and nothing is made',
    needs: ['clones'],
    async run(c) {
      const source = await c.volume({ bytes: c.bytes * 2 })
      const spec = { id: c.volumeId(), bytes: c.bytes, qos: {}, settings: {} }
      await refused(c.facet('clones').clone({ kind: 'volume', id: source.id }, spec, c.call()), 'INVALID')
      assert.equal(await c.provider.volumes.get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a clone larger than its source has zeros where the source ends',
    needs: ['clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(c.bytes - 4096, pattern(1, 4096)))
      const copy = await clone(c, source, c.bytes * 2)
      assert.equal(copy.bytes, c.bytes * 2)
      const seen = await c.withDisk({ kind: 'volume', id: copy.id }, (disk) => disk.read(c.bytes - 4096, 8192))
      sameBytes(seen.subarray(0, 4096), pattern(1, 4096), 'the end of the source')
      sameBytes(seen.subarray(4096), new Uint8Array(4096), 'beyond the end of the source')
    },
  },
  {
    name: 'deleting a clone leaves its source as it was',
    needs: ['clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 4096)))
      const copy = await clone(c, source)
      await c.provider.volumes.delete(copy.id, c.call())
      sameBytes(await c.bytesOf(source, BLOCK), pattern(1, 4096), 'the source')
    },
  },
  {
    name: 'a snapshot can be deleted before its clone exactly when the limits say so, and the clone keeps its bytes',
    needs: ['clones', 'snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 4096)))
      const taken = await c.snapshot(source.id)
      const copy = await clone(c, { kind: 'snapshot', id: taken.id })
      const deleted = c.facet('snapshots').delete(taken.id, c.call())
      if (c.provider.limits.cloneDependsOnParent) await refused(deleted, 'IN_USE')
      else await deleted
      sameBytes(await c.bytesOf({ kind: 'volume', id: copy.id }, BLOCK), pattern(1, 4096), 'the clone')
    },
  },
  {
    name: 'a clone of a clone keeps its bytes, whichever of its ancestors is written',
    needs: ['clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 4096)))
      const middle = { kind: 'volume', id: (await clone(c, source)).id } as const
      const last = { kind: 'volume', id: (await clone(c, middle)).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(2, 4096)))
      await c.withDisk(middle, (disk) => disk.write(0, pattern(3, 4096)))
      sameBytes(await c.bytesOf(last, BLOCK), pattern(1, 4096), 'the clone of the clone')
    },
  },
  {
    name: 'a source can be deleted before its clone exactly when the limits say so, and the clone keeps its bytes',
    needs: ['clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 8192)))
      const copy = await clone(c, source)
      const deleted = c.provider.volumes.delete(source.id, c.call())
      if (c.provider.limits.cloneDependsOnParent) await refused(deleted, 'IN_USE')
      else await deleted
      const seen = await c.withDisk({ kind: 'volume', id: copy.id }, (disk) => disk.read(0, 8192))
      sameBytes(seen, pattern(1, 8192), 'the clone')
    },
  },
  {
    name: 'QoS outside the range is clamped and reported for a clone as it is by apply, or no clone is made',
    needs: ['clones', 'qos'],
    async run(c) {
      const keeps = c.provider.limits.qos
      if (!keeps?.iops) throw new NotApplicable('the limits name no range')
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const asked = vector(axisOf(keeps), { max: keeps.iops.max * 2 })
      const spec = { ...c.spec(c.volumeId()), qos: asked }
      const error = await failureOf(c.facet('clones').clone(source, spec, c.call()))
      const made = await c.provider.volumes.get(spec.id, c.call())
      if (error) assert.deepEqual([error.code, made], ['LIMIT', undefined])
      else {
        assert.ok(made?.qos, 'get does not report the QoS')
        assert.deepEqual(made.qos.clamped, differingAxes(asked, made.qos.applied), 'axes reported as clamped')
        assert.ok(sameQos(await c.facet('qos').read(spec.id, c.call()), made.qos.applied), 'QoS as it is enforced')
      }
    },
  },
]

async function clone(c: StorageContext, from: Source, bytes: number = c.bytes): Promise<BackendVolume> {
  const id = c.volumeId()
  return c.facet('clones').clone(from, { id, bytes, qos: {}, settings: {} }, c.call())
}
