import assert from 'node:assert/strict'
import type { BackendSnapshot, SnapshotId } from '@moorage/contract'
import { eventually, failureOf, newId, pattern, refused, sameBytes } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'
import type { OpenDisk } from './subject.ts'

const MEMBERS = 8

/** Promises of `groupSnapshots`. */
export const groupCases: readonly StorageCase[] = [
  {
    name: 'a committed group has a snapshot of every member, with the bytes of the commit',
    needs: ['groupSnapshots', 'snapshots', 'connect'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      for (const { volume } of members) {
        await c.withDisk({ kind: 'volume', id: volume }, (disk) => disk.write(0, pattern(2, 4096)))
      }
      const taken = await c.facet('groupSnapshots').commit(group, c.call())
      for (const { volume } of members) {
        await c.withDisk({ kind: 'volume', id: volume }, (disk) => disk.write(0, pattern(3, 4096)))
      }
      assert.deepEqual(taken.map(({ id }) => id).toSorted(), members.map(({ id }) => id).toSorted())
      for (const { id } of members) {
        const seen = await c.withDisk({ kind: 'snapshot', id }, (view) => view.read(0, 4096))
        sameBytes(seen, pattern(2, 4096), 'a member')
      }
    },
  },
  {
    name: 'members of a group have one instant, and committing again answers the same snapshots',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      const taken = await c.facet('groupSnapshots').commit(group, c.call())
      assert.equal(new Set(taken.map(({ takenAt }) => takenAt)).size, 1, 'instants of the members')
      const again = await c.facet('groupSnapshots').commit(group, c.call())
      assert.deepEqual(
        again.map(({ name, takenAt }) => [name, takenAt]),
        taken.map(({ name, takenAt }) => [name, takenAt]),
      )
      assert.equal(await snapshots(c), members.length)
    },
  },
  {
    name: 'members of a group are one instant for a writer that goes on all the time',
    needs: ['groupSnapshots', 'snapshots', 'connect'],
    async run(c) {
      // Two are written, and stand as far apart as there are members between them.
      const volumes = await Promise.all(Array.from({ length: MEMBERS }, () => c.volume()))
      const disks = []
      for (const volume of [volumes[0], volumes.at(-1)]) {
        if (!volume) continue
        disks.push(await c.connect((await c.exposed({ kind: 'volume', id: volume.id })).connection))
      }
      for (let round = 0; round < 3; round++) {
        const members = volumes.map(({ id }) => ({ id: c.snapshotId(), volume: id }))
        await whileWriting(disks, async () => {
          const group = newId<'group'>()
          await c.facet('groupSnapshots').prepare(group, members, c.call())
          await c.facet('groupSnapshots').commit(group, c.call())
        })
        const [first, last] = [await numberOf(c, members[0]?.id), await numberOf(c, members.at(-1)?.id)]
        // Each number is written to the first, and acknowledged, before it is written to the last.
        assert.ok(first === last || first === last + 1, `the first member holds ${first}, the last ${last}`)
      }
    },
  },
  {
    name: 'what a commit answers is what get finds',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      const facts = (snapshot: BackendSnapshot | undefined) => [snapshot?.id, snapshot?.volume, snapshot?.takenAt]
      for (const taken of await c.facet('groupSnapshots').commit(group, c.call())) {
        assert.deepEqual(facts(await c.facet('snapshots').get(taken.id, c.call())), facts(taken))
        assert.equal(members.find(({ id }) => id === taken.id)?.volume, taken.volume, 'volume of a member')
      }
    },
  },
  {
    name: 'preparing a group again is the same group',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      const call = c.call()
      for (let times = 0; times < 2; times++) await c.facet('groupSnapshots').prepare(group, members, call)
      assert.equal((await c.facet('groupSnapshots').commit(group, c.call())).length, members.length)
    },
  },
  {
    name: 'an abort that comes after the commit takes no snapshot back',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      await c.facet('groupSnapshots').commit(group, c.call())
      await failureOf(c.facet('groupSnapshots').abort(group, c.call()))
      assert.equal(await snapshots(c), members.length)
    },
  },
  {
    name: 'a group of more members than the facet takes is refused as LIMIT and takes nothing',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const most = c.facet('groupSnapshots').maxVolumes
      if (most > 64) throw new NotApplicable(`the limit is ${most}`)
      const volumes = await Promise.all(Array.from({ length: most + 1 }, () => c.volume()))
      const members = volumes.map(({ id }) => ({ id: c.snapshotId(), volume: id }))
      const group = newId<'group'>()
      await refused(c.facet('groupSnapshots').prepare(group, members, c.call()), 'LIMIT')
      await refused(c.facet('groupSnapshots').commit(group, c.call()), ['NOT_FOUND', 'CONFLICT'])
      assert.equal(await snapshots(c), 0)
    },
  },
  {
    name: 'an aborted group has taken nothing and can no longer be committed',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      await c.facet('groupSnapshots').abort(group, c.call())
      await c.facet('groupSnapshots').abort(group, c.call())
      await refused(c.facet('groupSnapshots').commit(group, c.call()), ['NOT_FOUND', 'CONFLICT'])
      assert.equal(await snapshots(c), 0)
    },
  },
  {
    name: 'aborting a group that was never prepared succeeds',
    needs: ['groupSnapshots'],
    run: (c) => c.facet('groupSnapshots').abort(newId(), c.call()),
  },
  {
    name: 'a group with a member that is not there is refused as NOT_FOUND and takes nothing',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      const broken = [...members, { id: c.snapshotId(), volume: newId<'volume'>() }]
      await refused(c.facet('groupSnapshots').prepare(group, broken, c.call()), 'NOT_FOUND')
      await refused(c.facet('groupSnapshots').commit(group, c.call()), ['NOT_FOUND', 'CONFLICT'])
      assert.equal(await snapshots(c), 0)
    },
  },
  {
    name: 'a group of which a member went away between prepare and commit takes nothing',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      await c.provider.volumes.delete(members[1].volume, c.call())
      await refused(c.facet('groupSnapshots').commit(group, c.call()), 'NOT_FOUND')
      assert.equal(await snapshots(c), 0)
      await c.facet('groupSnapshots').abort(group, c.call())
    },
  },
  {
    name: 'a prepared group that nobody commits aborts by itself at the deadline of its prepare',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      const call = c.call({ withinMs: 1000 })
      await c.facet('groupSnapshots').prepare(group, members, call)
      await eventually('the deadline', 5000, async () => Date.now() > call.deadline + 50)
      await refused(c.facet('groupSnapshots').commit(group, c.call()), ['NOT_FOUND', 'CONFLICT'])
      assert.equal(await snapshots(c), 0)
    },
  },
  {
    name: 'a group prepared again with other members is refused as CONFLICT, and commits the first ones',
    needs: ['groupSnapshots', 'snapshots'],
    async run(c) {
      const { group, members } = await newGroup(c)
      await c.facet('groupSnapshots').prepare(group, members, c.call())
      const others = [{ id: c.snapshotId(), volume: members[0].volume }]
      await refused(c.facet('groupSnapshots').prepare(group, others, c.call()), 'CONFLICT')
      await c.facet('groupSnapshots').commit(group, c.call())
      assert.deepEqual((await c.snapshotIds()).toSorted(), members.map(({ id }) => id).toSorted())
    },
  },
]

/** Two volumes that hold pattern 1, and a group of a snapshot of each. */
async function newGroup(c: StorageContext) {
  const [one, two] = [await c.volume(), await c.volume()]
  const members = [
    { id: c.snapshotId(), volume: one.id },
    { id: c.snapshotId(), volume: two.id },
  ] as const
  return { group: newId<'group'>(), members }
}

/** Writes ascending numbers to one disk after the other, each acknowledged before the next, until `work` is done. */
async function whileWriting(disks: readonly OpenDisk[], work: () => Promise<void>): Promise<void> {
  const state = { done: false, number: 0 }
  const block = new Uint8Array(4096)
  const writer = async () => {
    while (!state.done) {
      new DataView(block.buffer).setUint32(0, ++state.number)
      for (const disk of disks) await disk.write(0, block)
    }
  }
  const writing = writer()
  try {
    await eventually('the writer', 10_000, async () => state.number > 1)
    await work()
  } finally {
    state.done = true
    await writing
  }
}

async function numberOf(c: StorageContext, id: SnapshotId = newId()): Promise<number> {
  const bytes = await c.bytesOf({ kind: 'snapshot', id }, { offset: 0, length: 4096 })
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

async function snapshots(c: StorageContext): Promise<number> {
  return (await c.ours()).filter((item) => item.kind === 'snapshot').length
}
