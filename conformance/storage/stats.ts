import assert from 'node:assert/strict'
import type { VolumeStats } from '@moorage/contract'
import { eventually, isRecent, newId, pattern, refused } from '../check.ts'
import type { StorageCase } from './context.ts'

const COUNTERS = ['readOps', 'writeOps', 'readBytes', 'writeBytes'] as const
const LAG_MS = 10_000

/** Promises of `stats`. */
export const statsCases: readonly StorageCase[] = [
  {
    name: 'counters follow what is read and written and never go down, whatever comes and goes',
    needs: ['stats', 'connect'],
    async run(c) {
      const volume = (await c.volume()).id
      const read = () => c.facet('stats').read(volume, c.call())
      let last = await read()
      const began = last.at
      isRecent(last.at, 'the time of the reading')
      for (let round = 1; round <= 3; round++) {
        const before = last
        await c.withDisk({ kind: 'volume', id: volume }, async (disk) => {
          await disk.write(0, pattern(round, 65_536))
          await disk.read(0, 65_536)
        })
        await eventually(`counters of round ${round}`, LAG_MS, async () => {
          const now = await read()
          grows(last, now)
          last = now
          return now.writeBytes >= before.writeBytes + 65_536 && now.readBytes >= before.readBytes + 65_536
        })
        assert.ok(last.writeOps > before.writeOps && last.readOps > before.readOps, 'operations are not counted')
      }
      assert.ok(last.at > began, 'the time of the reading stands still')
    },
  },
  {
    name: 'what is written counts as written, once, and not as read',
    needs: ['stats', 'connect'],
    async run(c) {
      const volume = (await c.volume()).id
      const read = () => c.facet('stats').read(volume, c.call())
      await c.withDisk({ kind: 'volume', id: volume }, async (disk) => {
        const before = await read()
        for (let times = 0; times < 4; times++) await disk.write(0, pattern(times, 262_144))
        await eventually('the counters', LAG_MS, async () => {
          return (await read()).writeBytes >= before.writeBytes + 4 * 262_144
        })
        const after = await read()
        assert.ok(after.writeBytes < before.writeBytes + 2 * 4 * 262_144, 'writes count more than once')
        assert.ok(after.readBytes < before.readBytes + 262_144, 'writes count as reads')
      })
    },
  },
  {
    name: 'counters survive growth, a change of QoS, a snapshot and a revert',
    needs: ['stats', 'connect'],
    async run(c) {
      const { id } = await c.volume()
      const { resize, qos, snapshots, revert } = c.provider
      const read = () => c.facet('stats').read(id, c.call())
      await c.withDisk({ kind: 'volume', id }, (disk) => disk.write(0, pattern(1, 65_536)))
      await eventually('the counters', LAG_MS, async () => (await read()).writeBytes >= 65_536)
      let last = await read()
      const changes = [
        qos && (() => qos.apply(id, {}, c.call())),
        snapshots && (async () => revert?.revert(id, (await c.snapshot(id)).id, c.call())),
        resize && (() => resize.grow(id, c.bytes * 2, c.call())),
      ].filter((change) => change !== undefined)
      for (const change of changes) {
        await change()
        const now = await read()
        grows(last, now)
        last = now
      }
    },
  },
  {
    name: 'counters of one volume do not count another’s',
    needs: ['stats', 'connect'],
    async run(c) {
      const [busy, idle] = [await c.volume(), await c.volume()]
      const before = await c.facet('stats').read(idle.id, c.call())
      await c.withDisk({ kind: 'volume', id: busy.id }, (disk) => disk.write(0, pattern(1, 65_536)))
      const after = await c.facet('stats').read(idle.id, c.call())
      assert.equal(after.writeBytes, before.writeBytes)
    },
  },
  {
    name: 'counters of a volume that is not there are refused as NOT_FOUND',
    needs: ['stats'],
    async run(c) {
      await refused(c.facet('stats').read(newId(), c.call()), 'NOT_FOUND')
    },
  },
]

function grows(before: VolumeStats, after: VolumeStats): void {
  for (const name of COUNTERS)
    assert.ok(after[name] >= before[name], `${name} went from ${before[name]} to ${after[name]}`)
  assert.ok(after.at >= before.at, 'the time of the reading went back')
}
