import assert from 'node:assert/strict'
import type { VolumeStats } from '@moorage/contract'
import { eventually, newId, pattern, refused } from '../check.ts'
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
