import assert from 'node:assert/strict'
import { type BackendVolume, sameQos, type Source, type StorageProvider } from '@moorage/contract'
import { newId, pattern, refused, sameBytes } from '../check.ts'
import { maximum } from '../qos.ts'
import type { StorageCase, StorageContext } from './context.ts'

const BLOCK = { offset: 0, length: 4096 }

/**
 * Promises that hold beyond the process that made the call: a controller that takes over, or one that starts anew, opens
 * the same pool and knows nothing. What a provider keeps in memory is lost to it.
 */
export const controllerCases: readonly StorageCase[] = [
  {
    name: 'a volume that one controller made another finds, is given when it asks again, and deletes for both',
    needs: ['plugin'],
    async run(c) {
      const [made, other] = [await c.volume(), await c.another()]
      const facts = (volume: BackendVolume | undefined) => [volume?.id, volume?.name, volume?.bytes]
      assert.deepEqual(facts(await other.volumes.get(made.id, c.call())), facts(made))
      assert.deepEqual(facts(await other.volumes.create(c.spec(made.id), c.call())), facts(made))
      await other.volumes.delete(made.id, c.call())
      assert.equal(await c.has(made.id), false, 'still there for the controller that made it')
      assert.deepEqual(await c.ours(), [])
    },
  },
  {
    name: 'fences that one controller has raised bind another',
    needs: ['plugin'],
    async run(c) {
      const [spec, other] = [c.spec(c.volumeId()), await c.another()]
      const exposure = c.exposure({ kind: 'volume', id: (await c.volume()).id })
      await c.provider.volumes.create(spec, c.call({ fence: 2001 }))
      await c.provider.volumes.delete(spec.id, c.call({ fence: 2007 }))
      await c.provider.access.expose(exposure, c.call({ fence: 2001 }))
      await c.provider.access.withdraw(exposure, c.call({ fence: 2007 }))
      await refused(other.volumes.create(spec, c.call({ fence: 2005 })), 'FENCED')
      await refused(other.access.expose(exposure, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await c.exposures(), [])
    },
  },
  {
    name: 'access that one controller gave another gives alike, and takes away with its sessions',
    needs: ['plugin', 'connect'],
    async run(c) {
      const [source, other] = [await newSource(c), await c.another()]
      const access = await c.exposed(source)
      assert.deepEqual(await other.access.expose(access, c.call()), access.connection)
      const disk = await c.connect(access.connection)
      await disk.write(0, pattern(1, 4096))
      if (c.provider.limits.withdrawal === 'host-must-detach') await disk.close()
      await other.access.withdraw(access, c.call())
      assert.deepEqual(await c.exposures(), [])
      await disk.write(0, pattern(2, 4096)).catch(() => undefined)
      await disk.close()
      sameBytes(await c.bytesOf(source, BLOCK), pattern(1, 4096), 'the volume after the withdraw')
    },
  },
  {
    name: 'a snapshot that one controller took shows another the same bytes, whatever is written since',
    needs: ['plugin', 'snapshots', 'connect'],
    async run(c) {
      const source = await newSource(c)
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 4096)))
      const [taken, other] = [await c.snapshot(source.id), await c.another()]
      await c.withDisk(source, (disk) => disk.write(0, pattern(2, 4096)))
      const again = await other.snapshots?.create({ id: taken.id, volume: source.id }, c.call())
      assert.deepEqual([again?.takenAt, again?.name], [taken.takenAt, taken.name])
      sameBytes(await seenBy(c, other, { kind: 'snapshot', id: taken.id }), pattern(1, 4096), 'the snapshot')
    },
  },
  {
    name: 'a group that one controller prepared another commits',
    needs: ['plugin', 'groupSnapshots', 'snapshots'],
    async run(c) {
      const members = [{ id: c.snapshotId(), volume: (await c.volume()).id }]
      const [group, other] = [newId<'group'>(), await c.another()]
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      assert.equal((await other.groupSnapshots?.commit(group, c.call()))?.length, 1)
      assert.equal((await c.facet('groupSnapshots').commit(group, c.call())).length, 1)
      assert.equal((await c.snapshotIds()).length, 1)
    },
  },
  {
    name: 'QoS that one controller set another reads and changes',
    needs: ['plugin', 'qos'],
    async run(c) {
      const keeps = c.provider.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet qos')
      const [volume, other] = [await c.volume({ qos: maximum(keeps, 1) }), await c.another()]
      assert.ok(sameQos((await other.qos?.read(volume.id, c.call())) ?? {}, maximum(keeps, 1)), 'as the other reads it')
      await other.qos?.apply(volume.id, maximum(keeps, 2), c.call())
      const now = await c.facet('qos').read(volume.id, c.call())
      assert.ok(sameQos(now, maximum(keeps, 2)), 'as the first reads what the other set')
    },
  },
  {
    name: 'the source of a clone is known to every controller',
    needs: ['plugin', 'clones'],
    async run(c) {
      const [one, two, spec, other] = [await newSource(c), await newSource(c), c.spec(c.volumeId()), await c.another()]
      const made = await c.facet('clones').clone(one, spec, c.call())
      assert.equal((await other.clones?.clone(one, spec, c.call()))?.name, made.name)
      await refused(other.clones?.clone(two, spec, c.call()) ?? Promise.resolve(), 'CONFLICT')
    },
  },
  {
    name: 'simultaneous creates of one id by two controllers make one volume',
    needs: ['plugin'],
    async run(c) {
      const [spec, call, other] = [c.spec(c.volumeId()), c.call(), await c.another()]
      const asking = Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? c.provider : other))
      const answers = await Promise.all(asking.map(({ volumes }) => volumes.create(spec, call)))
      assert.equal(new Set(answers.map(({ name }) => name)).size, 1)
      assert.equal((await c.ours()).length, 1)
    },
  },
  {
    name: 'counters that one controller has read do not go down for another',
    needs: ['plugin', 'stats', 'connect'],
    async run(c) {
      const source = await newSource(c)
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 65_536)))
      const [before, other] = [await c.facet('stats').read(source.id, c.call()), await c.another()]
      const after = await other.stats?.read(source.id, c.call())
      assert.ok(after && after.writeBytes >= before.writeBytes, `${after?.writeBytes} after ${before.writeBytes}`)
    },
  },
]

/** The first bytes of a source, through an exposure by that provider. */
async function seenBy(c: StorageContext, provider: StorageProvider, source: Source): Promise<Uint8Array> {
  const exposure = c.exposure(source)
  const disk = await c.connect(await provider.access.expose(exposure, c.call()))
  const seen = await disk.read(0, BLOCK.length)
  await disk.close()
  await provider.access.withdraw(exposure, c.call())
  return seen
}

async function newSource(c: StorageContext): Promise<Extract<Source, { readonly kind: 'volume' }>> {
  return { kind: 'volume', id: (await c.volume()).id }
}
