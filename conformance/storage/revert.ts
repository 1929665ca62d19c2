import assert from 'node:assert/strict'
import { sameQos } from '@moorage/contract'
import { newId, pattern, refused, sameBytes } from '../check.ts'
import { maximum } from '../qos.ts'
import type { StorageCase, StorageContext } from './context.ts'

const BYTES = 131_072

/** Promises of `revert`. */
export const revertCases: readonly StorageCase[] = [
  {
    name: 'a revert brings the bytes of the snapshot back exactly, whatever was written since',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      await c.facet('revert').revert(volume.id, snapshot, c.call())
      sameBytes(await c.withDisk(volume, (disk) => disk.read(0, BYTES)), pattern(1, BYTES), 'where it was written over')
      const beyond = await c.withDisk(volume, (disk) => disk.read(BYTES, BYTES))
      sameBytes(beyond, new Uint8Array(BYTES), 'where it was written anew')
    },
  },
  {
    name: 'a volume can be written and reverted again after a revert',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      for (const offset of [4096, 65_536]) {
        await c.facet('revert').revert(volume.id, snapshot, c.call())
        await c.withDisk(volume, (disk) => disk.write(offset, pattern(5, 4096)))
        const expected = pattern(1, BYTES)
        expected.set(pattern(5, 4096), offset)
        sameBytes(
          await c.bytesOf(volume, { offset: 0, length: BYTES }),
          expected,
          'what is written, and what is beside it',
        )
      }
    },
  },
  {
    name: 'a revert leaves every snapshot as it was',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      const later = await c.snapshot(volume.id)
      await c.facet('revert').revert(volume.id, snapshot, c.call())
      const read = (id: typeof snapshot) => c.withDisk({ kind: 'snapshot', id }, (view) => view.read(0, BYTES))
      sameBytes(await read(snapshot), pattern(1, BYTES), 'the snapshot')
      sameBytes(await read(later.id), pattern(2, BYTES), 'a later snapshot')
    },
  },
  {
    name: 'an exposed volume is not reverted: IN_USE, and it keeps its bytes',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      for (const mode of ['rw', 'ro'] as const) {
        const access = await c.exposed(volume, { mode })
        await refused(c.facet('revert').revert(volume.id, snapshot, c.call()), 'IN_USE')
        const disk = await c.connect(access.connection)
        sameBytes(await disk.read(0, BYTES), pattern(2, BYTES), 'the volume')
        await disk.close()
        await c.provider.access.withdraw(access, c.call())
      }
    },
  },
  {
    name: 'a volume that has grown since the snapshot keeps its size in a revert, with zeros at its end',
    needs: ['revert', 'snapshots', 'resize', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      await c.facet('resize').grow(volume.id, c.bytes * 2, c.call())
      await c.withDisk(volume, (disk) => disk.write(c.bytes, pattern(5, 4096)))
      const reverted = await c.facet('revert').revert(volume.id, snapshot, c.call())
      assert.equal(reverted.bytes, c.bytes * 2)
      assert.equal((await c.provider.volumes.get(volume.id, c.call()))?.bytes, c.bytes * 2)
      sameBytes(await c.bytesOf(volume, { offset: c.bytes, length: 4096 }), new Uint8Array(4096), 'what had grown')
      const end = await c.bytesOf(volume, { offset: c.bytes * 2 - 4096, length: 4096 })
      sameBytes(end, new Uint8Array(4096), 'the end')
    },
  },
  {
    name: 'a volume that is reverted keeps its QoS',
    needs: ['revert', 'snapshots', 'qos'],
    async run(c) {
      const keeps = c.provider.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet qos')
      const volume = await c.volume({ qos: maximum(keeps, 1) })
      const taken = await c.snapshot(volume.id)
      await c.facet('qos').apply(volume.id, maximum(keeps, 2), c.call())
      const reverted = await c.facet('revert').revert(volume.id, taken.id, c.call())
      assert.ok(sameQos(reverted.qos?.applied ?? {}, maximum(keeps, 2)), 'QoS as revert reports it')
      assert.ok(sameQos(await c.facet('qos').read(volume.id, c.call()), maximum(keeps, 2)), 'QoS as it is enforced')
    },
  },
  {
    name: 'a late revert below the fence of a newer call is refused and changes nothing',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      await c.facet('revert').revert(volume.id, snapshot, c.call({ fence: 2007 }))
      await c.withDisk(volume, (disk) => disk.write(0, pattern(3, BYTES)))
      await refused(c.facet('revert').revert(volume.id, snapshot, c.call({ fence: 2005 })), 'FENCED')
      sameBytes(await c.withDisk(volume, (disk) => disk.read(0, BYTES)), pattern(3, BYTES), 'the volume')
    },
  },
  {
    name: 'a revert to what is not there, or to a snapshot of another volume, is refused and changes nothing',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const { volume } = await written(c)
      const other = await c.snapshot((await c.volume()).id)
      await refused(c.facet('revert').revert(volume.id, newId(), c.call()), 'NOT_FOUND')
      await refused(c.facet('revert').revert(volume.id, other.id, c.call()), ['INVALID', 'CONFLICT', 'NOT_FOUND'])
      sameBytes(await c.withDisk(volume, (disk) => disk.read(0, BYTES)), pattern(2, BYTES), 'the volume')
    },
  },
  {
    name: 'a revert leaves the clones of the volume as they were',
    needs: ['revert', 'snapshots', 'clones', 'connect'],
    async run(c) {
      const { volume, snapshot } = await written(c)
      const copy = c.spec(c.volumeId())
      await c.facet('clones').clone(volume, copy, c.call())
      await c.facet('revert').revert(volume.id, snapshot, c.call())
      await c.withDisk(volume, (disk) => disk.write(0, pattern(5, BYTES)))
      const seen = await c.bytesOf({ kind: 'volume', id: copy.id }, { offset: 0, length: BYTES })
      sameBytes(seen, pattern(2, BYTES), 'the clone')
    },
  },
  {
    name: 'every byte of a volume is that of the snapshot after a revert',
    needs: ['revert', 'snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.cover(source, 1)
      const taken = await c.snapshot(source.id)
      await c.cover(source, 2)
      await c.facet('revert').revert(source.id, taken.id, c.call())
      await c.holds(source, 1, 'the volume')
    },
  },
]

/** A volume with a snapshot of pattern 1 that now holds pattern 2, and more of it than before. */
async function written(c: StorageContext) {
  const volume = { kind: 'volume', id: (await c.volume()).id } as const
  await c.withDisk(volume, (disk) => disk.write(0, pattern(1, BYTES)))
  const snapshot = await c.snapshot(volume.id)
  await c.withDisk(volume, async (disk) => {
    await disk.write(0, pattern(2, BYTES))
    await disk.write(BYTES, pattern(4, BYTES))
  })
  return { volume, snapshot: snapshot.id }
}
