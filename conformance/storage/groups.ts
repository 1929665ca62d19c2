import assert from 'node:assert/strict'
import { eventually, newId, pattern, refused, sameBytes } from '../check.ts'
import type { StorageCase, StorageContext } from './context.ts'

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

async function snapshots(c: StorageContext): Promise<number> {
  return (await c.ours()).filter((item) => item.kind === 'snapshot').length
}
