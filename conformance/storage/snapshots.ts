import assert from 'node:assert/strict'
import { failureOf, ioRefused, isCount, isRecent, newId, pattern, refused, sameBytes } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase } from './context.ts'

/** Promises of `snapshots`. */
export const snapshotCases: readonly StorageCase[] = [
  {
    name: 'a snapshot is taken, found again by its id, and listed with its volume',
    needs: ['snapshots'],
    async run(c) {
      const volume = await c.volume()
      const taken = await c.snapshot(volume.id)
      assert.deepEqual([taken.volume, taken.bytes], [volume.id, volume.bytes])
      const found = await c.facet('snapshots').get(taken.id, c.call())
      assert.deepEqual(
        [found?.id, found?.volume, found?.bytes, found?.name, found?.takenAt],
        [taken.id, volume.id, volume.bytes, taken.name, taken.takenAt],
      )
      isCount(taken.usedBytes, 'usedBytes')
      isRecent(taken.takenAt, 'takenAt')
      const listed = (await c.ours()).flatMap((item) => (item.kind === 'snapshot' ? [[item.id, item.volume]] : []))
      assert.deepEqual(listed, [[taken.id, volume.id]])
    },
  },
  {
    name: 'taking a snapshot again answers the first point in time',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const volume = await c.volume()
      const taken = await c.snapshot(volume.id)
      await c.withDisk({ kind: 'volume', id: volume.id }, (disk) => disk.write(0, pattern(1, 4096)))
      const again = await c.facet('snapshots').create({ id: taken.id, volume: volume.id }, c.call())
      assert.deepEqual([again.takenAt, again.name], [taken.takenAt, taken.name])
      const seen = await c.withDisk({ kind: 'snapshot', id: taken.id }, (disk) => disk.read(0, 4096))
      sameBytes(seen, new Uint8Array(4096), 'the snapshot')
    },
  },
  {
    name: 'ten simultaneous snapshots of one id are one',
    needs: ['snapshots'],
    async run(c) {
      const spec = { id: c.snapshotId(), volume: (await c.volume()).id }
      const call = c.call()
      const facet = c.facet('snapshots')
      const answers = await Promise.all(Array.from({ length: 10 }, () => facet.create(spec, call)))
      assert.equal(new Set(answers.map(({ name, takenAt }) => `${name} ${takenAt}`)).size, 1)
      assert.equal((await c.ours()).filter((item) => item.kind === 'snapshot').length, 1)
    },
  },
  {
    name: 'the id of a snapshot asked for another volume is refused as CONFLICT and changes nothing',
    needs: ['snapshots'],
    async run(c) {
      const [one, two] = [await c.volume(), await c.volume()]
      const taken = await c.snapshot(one.id)
      const facet = c.facet('snapshots')
      await refused(facet.create({ id: taken.id, volume: two.id }, c.call()), 'CONFLICT')
      assert.equal((await facet.get(taken.id, c.call()))?.volume, one.id)
    },
  },
  {
    name: 'a snapshot of a volume that is not there is refused as NOT_FOUND',
    needs: ['snapshots'],
    async run(c) {
      const spec = { id: c.snapshotId(), volume: newId<'volume'>() }
      await refused(c.facet('snapshots').create(spec, c.call()), 'NOT_FOUND')
      assert.equal(await c.facet('snapshots').get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a deleted snapshot is gone, and deleting it again succeeds',
    needs: ['snapshots'],
    async run(c) {
      const facet = c.facet('snapshots')
      const taken = await c.snapshot((await c.volume()).id)
      const call = c.call()
      await facet.delete(taken.id, call)
      assert.equal(await facet.get(taken.id, c.call()), undefined)
      assert.equal((await c.ours()).filter((item) => item.kind === 'snapshot').length, 0)
      await facet.delete(taken.id, call)
      await facet.delete(newId(), c.call())
    },
  },
  {
    name: 'a snapshot does not change while its volume is written',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const access = await c.exposed(source)
      const disk = await c.connect(access.connection)
      await disk.write(0, pattern(1, 131_072))
      const taken = await c.snapshot(source.id)
      await disk.write(0, pattern(2, 65_536))
      await disk.write(196_608, pattern(3, 4096))
      const seen = await c.withDisk({ kind: 'snapshot', id: taken.id }, (view) => view.read(0, 262_144))
      sameBytes(seen.subarray(0, 131_072), pattern(1, 131_072), 'the snapshot where the volume was written over')
      sameBytes(seen.subarray(131_072), new Uint8Array(131_072), 'the snapshot where the volume was written anew')
      sameBytes(await disk.read(0, 65_536), pattern(2, 65_536), 'the volume')
    },
  },
  {
    name: 'a snapshot shows the same bytes however often it is read and whatever is written meanwhile',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const disk = await c.connect((await c.exposed(source)).connection)
      const spots = [0, c.bytes / 2, c.bytes - 4096]
      const fill = async (seed: number) => {
        for (const spot of spots) await disk.write(spot, pattern(seed, 4096))
      }
      await fill(1)
      const taken = await c.snapshot(source.id)
      for (let round = 2; round < 6; round++) {
        await fill(round)
        await c.withDisk({ kind: 'snapshot', id: taken.id }, async (view) => {
          for (const spot of spots) sameBytes(await view.read(spot, 4096), pattern(1, 4096), `round ${round}`)
        })
        assert.equal((await c.facet('snapshots').get(taken.id, c.call()))?.takenAt, taken.takenAt, `round ${round}`)
      }
    },
  },
  {
    name: 'an exposed snapshot does not change while its volume is written',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const disk = await c.connect((await c.exposed(source)).connection)
      await disk.write(0, pattern(1, 8192))
      const taken = await c.snapshot(source.id)
      const view = await c.connect((await c.exposed({ kind: 'snapshot', id: taken.id })).connection)
      sameBytes(await view.read(0, 4096), pattern(1, 8192).subarray(0, 4096), 'before the write')
      await disk.write(0, pattern(2, 8192))
      sameBytes(await view.read(4096, 4096), pattern(1, 8192).subarray(4096), 'after the write')
    },
  },
  {
    name: 'a snapshot keeps its size when its volume grows',
    needs: ['snapshots', 'resize'],
    async run(c) {
      const volume = await c.volume()
      const taken = await c.snapshot(volume.id)
      await c.facet('resize').grow(volume.id, c.bytes * 2, c.call())
      assert.equal((await c.facet('snapshots').get(taken.id, c.call()))?.bytes, c.bytes)
      assert.equal((await c.facet('snapshots').create({ id: taken.id, volume: volume.id }, c.call())).bytes, c.bytes)
    },
  },
  {
    name: 'exposing a snapshot that is not there is refused as NOT_FOUND',
    needs: ['snapshots'],
    async run(c) {
      await refused(c.provider.access.expose(c.exposure({ kind: 'snapshot', id: newId() }), c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'the inventory lists the exposure of a snapshot as one of a snapshot until it is withdrawn',
    needs: ['snapshots'],
    async run(c) {
      const source = { kind: 'snapshot', id: (await c.snapshot((await c.volume()).id)).id } as const
      const access = await c.exposed(source)
      assert.deepEqual(await c.exposures(), [`snapshot ${source.id} ${access.consumer.id}`])
      await c.provider.access.withdraw(access, c.call())
      assert.deepEqual(await c.exposures(), [])
    },
  },
  {
    name: 'snapshots of one volume keep a point in time each',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const taken = []
      for (const seed of [1, 2, 3]) {
        await c.withDisk(source, (disk) => disk.write(0, pattern(seed, 8192)))
        taken.push({ seed, snapshot: await c.snapshot(source.id) })
      }
      const times = taken.map(({ snapshot }) => snapshot.takenAt)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
        'points in time, in the order in which they were taken',
      )
      await c.facet('snapshots').delete(taken[1]?.snapshot.id ?? newId(), c.call())
      for (const { seed, snapshot } of taken.filter((each) => each.seed !== 2)) {
        const seen = await c.withDisk({ kind: 'snapshot', id: snapshot.id }, (view) => view.read(0, 8192))
        sameBytes(seen, pattern(seed, 8192), `snapshot ${seed}`)
      }
    },
  },
  {
    name: 'a snapshot is not exposed for writing',
    needs: ['snapshots'],
    async run(c) {
      const taken = await c.snapshot((await c.volume()).id)
      const exposure = c.exposure({ kind: 'snapshot', id: taken.id }, { mode: 'rw' })
      await refused(c.provider.access.expose(exposure, c.call()), ['INVALID', 'UNSUPPORTED', 'DENIED'])
    },
  },
  {
    name: 'a session to a snapshot refuses writes',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const taken = await c.snapshot((await c.volume()).id)
      await c.withDisk({ kind: 'snapshot', id: taken.id }, (view) =>
        ioRefused(view.write(0, pattern(1, 4096)), 'a write'),
      )
    },
  },
  {
    name: 'an exposed snapshot cannot be deleted: IN_USE, and it is still there',
    needs: ['snapshots'],
    async run(c) {
      const taken = await c.snapshot((await c.volume()).id)
      const access = await c.exposed({ kind: 'snapshot', id: taken.id })
      await refused(c.facet('snapshots').delete(taken.id, c.call()), 'IN_USE')
      assert.ok(await c.facet('snapshots').get(taken.id, c.call()))
      await c.provider.access.withdraw(access, c.call())
    },
  },
  {
    name: 'a snapshot outlives its volume, or keeps it with IN_USE',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const volume = await c.volume()
      await c.withDisk({ kind: 'volume', id: volume.id }, (disk) => disk.write(0, pattern(1, 8192)))
      const taken = await c.snapshot(volume.id)
      const error = await failureOf(c.provider.volumes.delete(volume.id, c.call()))
      if (error) assert.deepEqual([error.code, error.effect], ['IN_USE', 'none'])
      assert.equal((await c.provider.volumes.get(volume.id, c.call())) !== undefined, error !== undefined)
      const seen = await c.withDisk({ kind: 'snapshot', id: taken.id }, (view) => view.read(0, 8192))
      sameBytes(seen, pattern(1, 8192), 'the snapshot')
    },
  },
  {
    name: 'a volume has as many snapshots as the limit says, and one more is refused as LIMIT',
    needs: ['snapshots'],
    async run(c) {
      const most = c.provider.limits.maxSnapshotsPerVolume
      if (most === undefined || most > 64) throw new NotApplicable(`the limit is ${most ?? 'absent'}`)
      const volume = await c.volume()
      for (let taken = 0; taken < most; taken++) await c.snapshot(volume.id)
      const spec = { id: c.snapshotId(), volume: volume.id }
      await refused(c.facet('snapshots').create(spec, c.call()), 'LIMIT')
      assert.equal(await c.facet('snapshots').get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a deleted snapshot no longer counts against the limit of its volume, and one of another volume never did',
    needs: ['snapshots'],
    async run(c) {
      const most = c.provider.limits.maxSnapshotsPerVolume
      if (most === undefined || most > 64) throw new NotApplicable(`the limit is ${most ?? 'absent'}`)
      const [one, two] = [await c.volume(), await c.volume()]
      for (let taken = 1; taken < most; taken++) await c.snapshot(one.id)
      const last = await c.snapshot(one.id)
      await c.snapshot(two.id)
      await c.facet('snapshots').delete(last.id, c.call())
      await c.snapshot(one.id)
    },
  },
  {
    name: 'a snapshot that outlived its volume is found, listed with that volume, and cloned',
    needs: ['snapshots', 'clones', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.cover(source, 1)
      const taken = await c.snapshot(source.id)
      const error = await failureOf(c.provider.volumes.delete(source.id, c.call()))
      if (error?.code === 'IN_USE') throw new NotApplicable('a volume outlives its snapshots')
      assert.equal(error, undefined)
      const found = await c.facet('snapshots').get(taken.id, c.call())
      assert.deepEqual([found?.volume, found?.bytes, found?.takenAt], [source.id, taken.bytes, taken.takenAt])
      const listed = (await c.ours()).map((item) => [item.kind, item.kind === 'snapshot' ? item.volume : item.name])
      assert.deepEqual(listed, [['snapshot', source.id]])
      const spec = c.spec(c.volumeId())
      await c.facet('clones').clone({ kind: 'snapshot', id: taken.id }, spec, c.call())
      await c.holds({ kind: 'volume', id: spec.id }, 1, 'the clone')
    },
  },
  {
    name: 'deleting snapshots leaves every byte of their volume as it was',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const taken = [await c.snapshot(source.id)]
      await c.cover(source, 1)
      taken.push(await c.snapshot(source.id))
      await c.cover(source, 2)
      for (const { id } of taken.toReversed()) await c.facet('snapshots').delete(id, c.call())
      await c.holds(source, 2, 'the volume')
    },
  },
  {
    name: 'a session to a snapshot goes on when its volume is deleted',
    needs: ['snapshots', 'connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 8192)))
      const view = await c.connect(
        (await c.exposed({ kind: 'snapshot', id: (await c.snapshot(source.id)).id })).connection,
      )
      sameBytes(await view.read(0, 4096), pattern(1, 8192).subarray(0, 4096), 'before the volume was deleted')
      await failureOf(c.provider.volumes.delete(source.id, c.call()))
      sameBytes(await view.read(4096, 4096), pattern(1, 8192).subarray(4096), 'afterwards')
    },
  },
]
