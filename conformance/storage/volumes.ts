import assert from 'node:assert/strict'
import { type BackendVolume, type Call, PluginError } from '@moorage/contract'
import { failureOf, isCount, newId, pattern, refused, sameBytes } from '../check.ts'
import { wrongVectors } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'

const LARGE_BYTES = 5 * 1024 ** 3

/** Promises of `volumes`. */
export const volumeCases: readonly StorageCase[] = [
  {
    name: 'a volume is made with the size asked for and found again by its id',
    needs: [],
    async run(c) {
      const made = await c.volume()
      assert.equal(made.bytes, c.bytes)
      assert.ok(made.name.length > 0)
      isCount(made.usedBytes, 'usedBytes')
      const found = await c.provider.volumes.get(made.id, c.call())
      assert.deepEqual([found?.id, found?.name, found?.bytes], [made.id, made.name, made.bytes])
    },
  },
  {
    name: 'creating a volume again gives the same volume, with the same key and with another',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      const call = c.call()
      const answers = [
        await c.provider.volumes.create(spec, call),
        await c.provider.volumes.create(spec, call),
        await c.provider.volumes.create(spec, c.call()),
      ]
      assert.deepEqual(answers.map(facts), Array(3).fill(facts(answers[0])))
      await oneVolume(c, spec.id)
    },
  },
  {
    name: 'the same id with another size is refused as CONFLICT and changes nothing',
    needs: [],
    async run(c) {
      const made = await c.volume()
      const spec = c.spec(made.id, c.bytes * 2)
      await refused(c.provider.volumes.create(spec, c.call()), 'CONFLICT')
      assert.equal((await c.provider.volumes.get(made.id, c.call()))?.bytes, made.bytes)
      await oneVolume(c, made.id)
    },
  },
  {
    name: 'sizes are rounded up to the granularity, and the same odd size asked again is the same volume',
    needs: [],
    async run(c) {
      const { granularityBytes } = c.provider.limits
      // Where the granularity is 1 the odd size is kept as it is.
      const spec = c.spec(c.volumeId(), c.bytes + 1)
      const made = await c.provider.volumes.create(spec, c.call())
      assert.equal(made.bytes, c.bytes + granularityBytes)
      assert.deepEqual(facts(await c.provider.volumes.create(spec, c.call())), facts(made))
    },
  },
  {
    name: 'a volume of the smallest size is made',
    needs: [],
    async run(c) {
      const { minVolumeBytes, granularityBytes } = c.provider.limits
      const bytes = Math.ceil(minVolumeBytes / granularityBytes) * granularityBytes
      assert.equal((await c.volume({ bytes })).bytes, bytes)
    },
  },
  {
    name: 'a volume of exactly the largest size is not refused as LIMIT',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId(), c.provider.limits.maxVolumeBytes)
      const error = await failureOf(c.provider.volumes.create(spec, c.call()))
      if (error) assert.deepEqual([error.code, error.effect], ['NO_SPACE', 'none'])
      if (error) assert.ok((await free(c)) < spec.bytes, 'NO_SPACE although there is room')
    },
  },
  {
    name: 'a size below the smallest is refused as LIMIT, and nothing is made',
    needs: [],
    // Far enough below that rounding up does not bring it back.
    run: (c) => limited(c, Math.max(0, c.provider.limits.minVolumeBytes - c.provider.limits.granularityBytes)),
  },
  {
    name: 'a size above the largest is refused as LIMIT, and nothing is made',
    needs: [],
    run: (c) => limited(c, c.provider.limits.maxVolumeBytes + c.provider.limits.granularityBytes),
  },
  {
    name: 'a volume larger than the whole pool is refused as NO_SPACE, and nothing is made',
    needs: [],
    async run(c) {
      const { granularityBytes, maxVolumeBytes } = c.provider.limits
      const { totalBytes } = await c.provider.pools.report(c.call())
      const bytes = (Math.floor(totalBytes / granularityBytes) + 1) * granularityBytes
      if (bytes > maxVolumeBytes) throw new NotApplicable('no volume may be as large as the pool')
      const spec = c.spec(c.volumeId(), bytes)
      await refused(c.provider.volumes.create(spec, c.call()), 'NO_SPACE')
      assert.equal(await c.provider.volumes.get(spec.id, c.call()), undefined)
    },
  },
  {
    name: 'a pool takes as many volumes as the limit says, and one more is refused as LIMIT',
    needs: [],
    async run(c) {
      const most = c.provider.limits.maxVolumes
      if (most === undefined || most > 64) throw new NotApplicable(`the limit is ${most ?? 'absent'}`)
      for (let made = (await c.ours()).filter(({ kind }) => kind === 'volume').length; made < most; made++) {
        await c.volume()
      }
      const spec = c.spec(c.volumeId())
      await refused(c.provider.volumes.create(spec, c.call()), 'LIMIT')
      assert.equal(await c.has(spec.id), false)
    },
  },
  {
    name: 'a volume that is to be made with a contradictory QoS is refused, and nothing is made',
    needs: ['qos'],
    async run(c) {
      const { qos: keeps } = c.provider.limits
      assert.ok(keeps, 'limits.qos is absent although there is a facet qos')
      for (const { qos, wrong } of wrongVectors(keeps)) {
        const spec = { ...c.spec(c.volumeId()), qos }
        const error = await failureOf(c.provider.volumes.create(spec, c.call()))
        assert.ok(error, `made a volume with ${wrong}`)
        assert.ok(['INVALID', 'UNSUPPORTED'].includes(error.code), `${wrong}: ${error.code}`)
        assert.equal(await c.has(spec.id), false, `refused ${wrong}, and made a volume`)
      }
    },
  },
  {
    name: 'the name of a volume follows from its id: made anew, it has the same',
    needs: [],
    async run(c) {
      const first = await c.volume()
      await c.provider.volumes.delete(first.id, c.call())
      const again = await c.provider.volumes.create(c.spec(first.id), c.call())
      assert.equal(again.name, first.name)
    },
  },
  {
    name: 'creating a volume again keeps what was written to it',
    needs: ['connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 8192)))
      await c.provider.volumes.create(c.spec(source.id), c.call())
      sameBytes(await c.bytesOf(source, { offset: 0, length: 8192 }), pattern(1, 8192), 'the volume')
    },
  },
  {
    name: 'asking for a volume that is not there answers nothing',
    needs: [],
    async run(c) {
      assert.equal(await c.provider.volumes.get(newId(), c.call()), undefined)
    },
  },
  {
    name: 'a deleted volume is gone, and deleting it again, or what was never there, succeeds',
    needs: [],
    async run(c) {
      const made = await c.volume()
      const call = c.call()
      await c.provider.volumes.delete(made.id, call)
      assert.equal(await c.has(made.id), false)
      await c.provider.volumes.delete(made.id, call)
      await c.provider.volumes.delete(newId(), c.call())
    },
  },
  {
    name: 'twenty simultaneous creates of one id make one volume',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      const call = c.call()
      const answers = await Promise.all(Array.from({ length: 20 }, () => c.provider.volumes.create(spec, call)))
      assert.equal(new Set(answers.map((answer) => answer.name)).size, 1)
      await oneVolume(c, spec.id)
    },
  },
  {
    name: 'simultaneous creates of one id in two sizes make one of them and refuse the other',
    needs: [],
    async run(c) {
      const id = c.volumeId()
      const call = c.call()
      const tries = Array.from({ length: 10 }, (_, index) => {
        return sizeOrCode(c, { id, bytes: c.bytes * (1 + (index % 2)), call })
      })
      const outcomes = await Promise.all(tries)
      const sizes = new Set(outcomes.filter((outcome) => outcome !== 'CONFLICT'))
      assert.equal(sizes.size, 1, `outcomes: ${outcomes.join(', ')}`)
      assert.equal(outcomes.filter((outcome) => outcome === 'CONFLICT').length, 5)
      await oneVolume(c, id)
    },
  },
  {
    name: 'a create and a delete at the same time end in one or the other, for get and inventory alike',
    needs: [],
    async run(c) {
      const { volumes } = c.provider
      for (let round = 0; round < 3; round++) {
        const spec = c.spec(c.volumeId())
        const call = c.call()
        const both = [volumes.create(spec, call), volumes.delete(spec.id, call)]
        await Promise.all(both.map(failureOf))
        const listed = (await c.ours()).filter((item) => item.kind === 'volume' && item.id === spec.id)
        assert.equal(listed.length, (await c.has(spec.id)) ? 1 : 0, 'times that the inventory lists it')
        await volumes.delete(spec.id, c.call())
        assert.equal(await c.has(spec.id), false, 'there after a delete that came last')
      }
    },
  },
  {
    name: 'a new volume shows zeros, never the bytes of a deleted one',
    needs: ['connect'],
    async run(c) {
      const first = await c.volume()
      const data = pattern(1, 256 * 1024)
      await c.withDisk({ kind: 'volume', id: first.id }, (disk) => disk.write(0, data))
      await c.provider.volumes.delete(first.id, c.call())
      const second = await c.volume()
      const seen = await c.withDisk({ kind: 'volume', id: second.id }, (disk) => disk.read(0, data.length))
      sameBytes(seen, new Uint8Array(data.length), 'a new volume')
    },
  },
  {
    name: 'bytes of two volumes do not mix',
    needs: ['connect'],
    async run(c) {
      const [one, two] = [await c.volume(), await c.volume()]
      await c.withDisk({ kind: 'volume', id: one.id }, (disk) => disk.write(4096, pattern(1, 8192)))
      await c.withDisk({ kind: 'volume', id: two.id }, (disk) => disk.write(4096, pattern(2, 8192)))
      const read = (id: BackendVolume['id']) => c.withDisk({ kind: 'volume', id }, (disk) => disk.read(4096, 8192))
      sameBytes(await read(one.id), pattern(1, 8192), 'the first volume')
      sameBytes(await read(two.id), pattern(2, 8192), 'the second volume')
    },
  },
  {
    name: 'a volume of more than 4 GiB keeps its size, and its bytes where they were written',
    needs: ['connect'],
    async run(c) {
      const { granularityBytes, maxVolumeBytes } = c.provider.limits
      const bytes = Math.ceil(LARGE_BYTES / granularityBytes) * granularityBytes
      if (bytes > maxVolumeBytes) throw new NotApplicable('no volume may be as large')
      const spec = c.spec(c.volumeId(), bytes)
      const error = await failureOf(c.provider.volumes.create(spec, c.call()))
      if (error?.code === 'NO_SPACE' && (await free(c)) < bytes) throw new NotApplicable('the pool is not as large')
      assert.equal(error, undefined)
      assert.equal((await c.provider.volumes.get(spec.id, c.call()))?.bytes, bytes)
      assert.deepEqual(
        (await c.ours()).map((item) => item.bytes),
        [bytes],
      )
      await c.withDisk({ kind: 'volume', id: spec.id }, async (disk) => {
        const [high, low] = [bytes - 4096, (bytes - 4096) % 2 ** 32]
        await disk.write(high, pattern(1, 4096))
        sameBytes(await disk.read(low, 4096), new Uint8Array(4096), `at ${low}`)
        sameBytes(await disk.read(high, 4096), pattern(1, 4096), `at ${high}`)
      })
      const grown = await c.provider.resize?.grow(spec.id, bytes + granularityBytes, c.call())
      if (grown) assert.equal(grown.bytes, bytes + granularityBytes)
    },
  },
]

async function free(c: StorageContext): Promise<number> {
  const { totalBytes, usedBytes } = await c.provider.pools.report(c.call())
  return totalBytes - usedBytes
}

function facts(volume: BackendVolume | undefined): readonly unknown[] {
  return [volume?.id, volume?.name, volume?.bytes]
}

async function oneVolume(c: StorageContext, id: BackendVolume['id']): Promise<void> {
  const volumes = (await c.ours()).filter((item) => item.kind === 'volume')
  assert.equal(volumes.filter((item) => item.id === id).length, 1, 'times that the volume is in the inventory')
  assert.equal(volumes.length, 1, 'volumes on the back end')
}

async function limited(c: StorageContext, bytes: number): Promise<void> {
  const spec = c.spec(c.volumeId(), bytes)
  // No bytes at all is below every limit, and may be called no size at all.
  await refused(c.provider.volumes.create(spec, c.call()), bytes === 0 ? ['LIMIT', 'INVALID'] : 'LIMIT')
  assert.equal(await c.provider.volumes.get(spec.id, c.call()), undefined)
}

async function sizeOrCode(
  c: StorageContext,
  wanted: { readonly id: BackendVolume['id']; readonly bytes: number; readonly call: Call },
): Promise<number | string> {
  try {
    const spec = { id: wanted.id, bytes: wanted.bytes, qos: {}, settings: {} }
    return (await c.provider.volumes.create(spec, wanted.call)).bytes
  } catch (error) {
    if (error instanceof PluginError) return error.code
    throw error
  }
}
