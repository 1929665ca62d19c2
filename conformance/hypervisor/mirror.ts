import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { type BackendDisk, type MirrorFacet, type MirrorSpec, sameQos, type VmId } from '@moorage/contract'
import { newId, pattern, refused, sameBytes } from '../check.ts'
import { maximum } from '../qos.ts'
import { attached, type HypervisorCase, type HypervisorContext, sessionsOf } from './context.ts'
import type { TestDisk } from './subject.ts'

const SAME_MS = 60_000
const LOOK_AGAIN_MS = 20

/** A running machine with a disk, and where that is to go on. */
interface Mover {
  readonly vm: VmId
  readonly disk: TestDisk
  readonly target: TestDisk
  readonly mirror: MirrorSpec
}

/** Promises of `mirror`. */
export const mirrorCases: readonly HypervisorCase[] = [
  {
    name: 'a mirrored disk goes on at its target as the same disk, with one session there and none to where it was',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      const before = await diskOf(c, one)
      await same(c, one)
      assert.deepEqual(await sessions(one), [1, 1], 'two while it is copied')
      assert.deepEqual(await facet(c).switch(one.vm, one.mirror, c.call()), before)
      assert.deepEqual(await diskOf(c, one), before)
      assert.deepEqual(await sessions(one), [0, 1], 'then one')
    },
  },
  {
    name: 'every step of a mirror asked again is the same step',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      await same(c, one)
      assert.deepEqual(await facet(c).copy(one.vm, one.mirror, c.call()), { state: 'same' })
      assert.deepEqual(await sessions(one), [1, 1])
      const disk = await facet(c).switch(one.vm, one.mirror, c.call())
      const again = await facet(c)
        .switch(one.vm, one.mirror, c.call())
        .catch(() => undefined)
      assert.deepEqual(again, disk, 'switched again')
      assert.deepEqual(await facet(c).copy(one.vm, one.mirror, c.call()), { state: 'same' })
      assert.deepEqual(await sessions(one), [0, 1])
    },
  },
  {
    name: 'a disk is not switched by a mirror that was never begun, nor before both sides are the same',
    needs: ['mirror'],
    async run(c) {
      const one = await mover(c)
      await refused(facet(c).switch(one.vm, one.mirror, c.call()), 'NOT_FOUND')
      const { state } = await facet(c).copy(one.vm, one.mirror, c.call())
      if (state !== 'same') await refused(facet(c).switch(one.vm, one.mirror, c.call()), 'BUSY')
    },
  },
  {
    name: 'a second mirror of a disk is refused while one is under way',
    needs: ['mirror'],
    async run(c) {
      const one = await mover(c)
      await same(c, one)
      await refused(facet(c).copy(one.vm, { ...one.mirror, id: newId() }, c.call()), 'CONFLICT')
      assert.equal((await facet(c).switch(one.vm, one.mirror, c.call())).volume, one.disk.volume)
    },
  },
  {
    name: 'a mirror that is abandoned leaves nothing and does not switch any more, and its disk goes on where it was',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      await same(c, one)
      assert.deepEqual(await facet(c).abandon(one.vm, one.mirror, c.call()), { switched: false })
      assert.deepEqual(await sessions(one), [1, 0])
      await refused(facet(c).switch(one.vm, one.mirror, c.call()), 'NOT_FOUND')
      assert.deepEqual(await c.ourDisks(), [`${one.vm} ${one.disk.volume} 1`])
    },
  },
  {
    name: 'abandoning a mirror that has switched says so and leaves the disk where it is',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      await same(c, one)
      await facet(c).switch(one.vm, one.mirror, c.call())
      for (let times = 0; times < 2; times++) {
        assert.deepEqual(await facet(c).abandon(one.vm, one.mirror, c.call()), { switched: true })
      }
      assert.deepEqual(await sessions(one), [0, 1])
    },
  },
  {
    name: 'that a disk was switched is told also when its machine has gone since',
    needs: ['mirror'],
    async run(c) {
      const one = await mover(c)
      await same(c, one)
      await facet(c).switch(one.vm, one.mirror, c.call())
      await c.adapter.vms.stop(one.vm, { force: true }, c.call())
      assert.deepEqual(await facet(c).abandon(one.vm, one.mirror, c.call()), { switched: true })
    },
  },
  {
    name: 'abandoning a mirror that was never begun says that it has not switched',
    needs: ['mirror'],
    async run(c) {
      const one = await mover(c)
      const found = await facet(c)
        .abandon(one.vm, one.mirror, c.call())
        .catch(() => undefined)
      assert.deepEqual(found, { switched: false })
    },
  },
  {
    name: 'late steps of a mirror that was given up are refused as FENCED, and copy nothing',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      await facet(c).abandon(one.vm, one.mirror, c.call({ fence: 2007 }))
      await refused(facet(c).copy(one.vm, one.mirror, c.call({ fence: 2005 })), 'FENCED')
      await refused(facet(c).switch(one.vm, one.mirror, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await sessions(one), [1, 0])
    },
  },
  {
    name: 'a late abandon below the fence of a newer step of a mirror is refused as FENCED',
    needs: ['mirror'],
    async run(c) {
      const one = await mover(c)
      await facet(c).copy(one.vm, one.mirror, c.call({ fence: 2007 }))
      await refused(facet(c).abandon(one.vm, one.mirror, c.call({ fence: 2005 })), 'FENCED')
    },
  },
  {
    name: 'a disk is not copied to what is smaller or cannot be opened: nothing is left of it, and the disk goes on',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      const smaller = await c.bench.disk(one.disk.bytes / 2)
      await refused(facet(c).copy(one.vm, { ...one.mirror, target: smaller.connection }, c.call()), 'INVALID')
      assert.equal(await sessionsOf(smaller), 0)
      const target = withNoAccess(one.mirror.target)
      await refused(facet(c).copy(one.vm, { ...one.mirror, target }, c.call()), ['DENIED', 'UNAVAILABLE'])
      assert.deepEqual(await sessions(one), [1, 0])
    },
  },
  {
    name: 'a disk that is not there is not copied, nor one of an older generation',
    needs: ['mirror'],
    async run(c) {
      const one = await mover(c)
      await refused(facet(c).copy(one.vm, { ...one.mirror, volume: newId() }, c.call()), 'NOT_FOUND')
      await refused(facet(c).copy(newId(), one.mirror, c.call()), 'NOT_FOUND')
      await refused(facet(c).copy(one.vm, { ...one.mirror, generation: 0 }, c.call()), 'FENCED')
    },
  },
  {
    name: 'what a guest wrote before its disk is copied, and meanwhile, it reads afterwards from the target',
    needs: ['mirror', 'guest', 'sessions'],
    async run(c) {
      const one = await mover(c)
      const at = (offset: number) => ({ vm: one.vm, volume: one.disk.volume, offset })
      await c.guest.write(at(0), pattern(1, 65_536))
      await c.guest.write(at(one.disk.bytes - 4096), pattern(2, 4096))
      await facet(c).copy(one.vm, one.mirror, c.call())
      await c.guest.write(at(8192), pattern(3, 4096))
      await same(c, one)
      await c.guest.write(at(16_384), pattern(4, 4096))
      await facet(c).switch(one.vm, one.mirror, c.call())
      assert.deepEqual(await sessions(one), [0, 1])
      const [first, last] = [await c.guest.read(at(0), 65_536), await c.guest.read(at(one.disk.bytes - 4096), 4096)]
      const expected = pattern(1, 65_536)
      expected.set(pattern(3, 4096), 8192)
      expected.set(pattern(4, 4096), 16_384)
      sameBytes(first, expected, 'the start')
      sameBytes(last, pattern(2, 4096), 'the end')
    },
  },
  {
    name: 'a disk that was mirrored is mirrored once more when it is asked to',
    needs: ['mirror', 'sessions'],
    async run(c) {
      const one = await mover(c)
      await same(c, one)
      await facet(c).switch(one.vm, one.mirror, c.call())
      const { source: target, target: source } = one.mirror
      const back = { ...one, mirror: { ...one.mirror, id: newId(), source, target } }
      await same(c, back)
      await facet(c).switch(one.vm, back.mirror, c.call())
      assert.deepEqual(await sessions(one), [1, 0])
    },
  },
  {
    name: 'a disk keeps its throttle when it is switched',
    needs: ['mirror', 'throttle'],
    async run(c) {
      const keeps = c.adapter.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet throttle')
      const one = await mover(c)
      await c.facet('throttle').apply(one.vm, { volume: one.disk.volume, qos: maximum(keeps, 1) }, c.call())
      await same(c, one)
      await facet(c).switch(one.vm, one.mirror, c.call())
      const kept = await c.facet('throttle').read(one.vm, one.disk.volume, c.call())
      assert.ok(sameQos(kept, maximum(keeps, 1)), `throttle ${JSON.stringify(kept)}`)
    },
  },
]

function facet(c: HypervisorContext): MirrorFacet {
  return c.facet('mirror')
}

async function mover(c: HypervisorContext): Promise<Mover> {
  const [{ vm, volume, disk }, target] = [await attached(c), await c.disk()]
  const [source, to] = [disk.connection, target.connection]
  return { vm, disk, target, mirror: { id: newId(), volume, generation: 1, source, target: to } }
}

/** Asks until both sides are the same. */
async function same(c: HypervisorContext, { vm, mirror }: Pick<Mover, 'vm' | 'mirror'>): Promise<void> {
  const until = Date.now() + SAME_MS
  for (;;) {
    const progress = await facet(c).copy(vm, mirror, c.call())
    if (progress.state === 'same') return
    assert.ok(progress.doneBytes <= progress.totalBytes, 'more done than there is')
    assert.ok(Date.now() < until, 'the disk was not copied in time')
    await pause(LOOK_AGAIN_MS)
  }
}

/** Sessions to where the disk was, and to where it is to go on. */
async function sessions({ disk, target }: Mover): Promise<readonly [number, number]> {
  return [await sessionsOf(disk), await sessionsOf(target)]
}

async function diskOf(c: HypervisorContext, { vm, disk }: Mover): Promise<BackendDisk | undefined> {
  return (await c.adapter.vms.get(vm, c.call()))?.disks.find(({ volume }) => volume === disk.volume)
}

function withNoAccess(connection: MirrorSpec['target']): MirrorSpec['target'] {
  if (connection.via === 'file') return { ...connection, path: `${connection.path}.none` }
  if (connection.via !== 'iscsi') return connection
  return { ...connection, chap: { user: connection.chap?.user ?? 'nobody', secret: 'wrongwrongwrong1' } }
}
