import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { FAILURES, PluginError, type VmId } from '@moorage/contract'
import { eventually, isCount, isRecent, newId, pattern, refused, sameBytes, stays } from '../check.ts'
import { attached, type HypervisorCase, type HypervisorContext } from './context.ts'

const BOOT_MS = 60_000

/** Promises of `resize`, `stats` and `quiesce`. */
export const facetCases: readonly HypervisorCase[] = [
  {
    name: 'a disk that has grown at the array is shown larger to the machine once it is told, as often as it is told',
    needs: ['resize', 'grow'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
      const bytes = disk.bytes * 2
      await disk.grow?.(bytes)
      for (let times = 0; times < 2; times++) {
        const seen = await c.facet('resize').refresh(vm.id, { volume: disk.volume, bytes }, c.call())
        assert.equal(seen.bytes, bytes)
      }
      assert.equal((await c.adapter.vms.get(vm.id, c.call()))?.disks[0]?.bytes, bytes)
    },
  },
  {
    name: 'a guest reaches what its disk has grown by once the machine is told',
    needs: ['resize', 'grow', 'guest'],
    async run(c) {
      const { vm, volume, disk } = await attached(c)
      const bytes = disk.bytes * 2
      await disk.grow?.(bytes)
      await c.facet('resize').refresh(vm, { volume, bytes }, c.call())
      const at = { vm, volume, offset: bytes - 4096 }
      await c.guest.write(at, pattern(1, 4096))
      sameBytes(await c.guest.read(at, 4096), pattern(1, 4096), 'the new end')
    },
  },
  {
    name: 'refreshing a disk that is not there is refused as NOT_FOUND',
    needs: ['resize'],
    async run(c) {
      const vm = await c.vm()
      const disk = { volume: newId<'volume'>(), bytes: 4096 }
      await refused(c.facet('resize').refresh(vm.id, disk, c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'counters of a disk follow what its guest reads and writes',
    needs: ['stats', 'guest'],
    async run(c) {
      const { vm, volume } = await attached(c)
      const before = await c.facet('stats').read(vm, volume, c.call())
      await c.guest.write({ vm, volume, offset: 0 }, pattern(1, 65_536))
      await c.guest.read({ vm, volume, offset: 0 }, 65_536)
      await eventually('the counters', 10_000, async () => {
        const now = await c.facet('stats').read(vm, volume, c.call())
        return now.writeBytes >= before.writeBytes + 65_536 && now.readBytes >= before.readBytes + 65_536
      })
    },
  },
  {
    name: 'counters of one disk do not count another’s',
    needs: ['stats', 'guest'],
    async run(c) {
      const [busy, idle] = [await c.disk(), await c.disk()]
      const vm = (await c.vm([c.attachment(busy), c.attachment(idle, { deviceId: 2 })])).id
      const before = await c.facet('stats').read(vm, idle.volume, c.call())
      await c.guest.write({ vm, volume: busy.volume, offset: 0 }, pattern(1, 65_536))
      const after = await c.facet('stats').read(vm, idle.volume, c.call())
      assert.equal(after.writeBytes, before.writeBytes)
    },
  },
  {
    name: 'what a guest writes counts as written, once, and not as read',
    needs: ['stats', 'guest'],
    async run(c) {
      const { vm, volume } = await attached(c)
      const read = () => c.facet('stats').read(vm, volume, c.call())
      const before = await read()
      isRecent(before.at, 'the time of the reading')
      for (let times = 0; times < 4; times++) await c.guest.write({ vm, volume, offset: 0 }, pattern(times, 262_144))
      await eventually('the counters', 10_000, async () => {
        return (await read()).writeBytes >= before.writeBytes + 4 * 262_144
      })
      const after = await read()
      assert.ok(after.writeBytes < before.writeBytes + 2 * 4 * 262_144, 'writes count more than once')
      assert.ok(after.readBytes < before.readBytes + 262_144, 'writes count as reads')
    },
  },
  {
    name: 'counters of a disk that is not there are refused as NOT_FOUND',
    needs: ['stats'],
    async run(c) {
      await refused(c.facet('stats').read((await c.vm()).id, newId(), c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'a freeze that is thawed in time was held',
    needs: ['quiesce'],
    async run(c) {
      const vm = (await c.guestVm()).id
      const frozen = await freeze(c, vm, 20_000)
      isCount(frozen.filesystems, 'filesystems')
      const began = Date.now()
      await eventually('a while in the freeze', 5000, async () => Date.now() > began + 100)
      const thawed = await c.facet('quiesce').thaw(vm, c.call())
      assert.equal(thawed.held, true)
      // Clocks of hosts are not ours, but a tenth of a second is no hour on any.
      assert.ok(thawed.frozenMs >= 50 && thawed.frozenMs <= 20_000, `frozen for ${thawed.frozenMs} ms`)
    },
  },
  {
    name: 'a second thaw does not say that anything was held',
    needs: ['quiesce'],
    async run(c) {
      const vm = (await c.guestVm()).id
      await freeze(c, vm, 20_000)
      await c.facet('quiesce').thaw(vm, c.call())
      assert.equal((await c.facet('quiesce').thaw(vm, c.call())).held, false)
    },
  },
  {
    name: 'no write of a guest passes while it is frozen, and writes pass after the thaw',
    needs: ['quiesce', 'guest'],
    async run(c) {
      const disk = await c.disk()
      const vm = (await c.guestVm([c.attachment(disk)])).id
      const at = { vm, volume: disk.volume, offset: 0 }
      await freeze(c, vm, 20_000)
      let passed = false
      const write = c.guest.write(at, pattern(1, 4096)).then(
        () => (passed = true),
        () => undefined,
      )
      await stays('a write passed while the guest was frozen', 300, async () => !passed)
      await c.facet('quiesce').thaw(vm, c.call())
      await write
      await c.guest.write(at, pattern(2, 4096))
      sameBytes(await c.guest.read(at, 4096), pattern(2, 4096), 'written after the thaw')
    },
  },
  {
    name: 'a guest that nobody thaws writes again once the bound of its freeze is over',
    needs: ['quiesce', 'guest'],
    async run(c) {
      const disk = await c.disk()
      const vm = (await c.guestVm([c.attachment(disk)])).id
      const at = { vm, volume: disk.volume, offset: 0 }
      await freeze(c, vm, 300)
      await eventually('the end of the freeze', 5000, async () => {
        return c.guest.write(at, pattern(1, 4096)).then(
          () => true,
          () => false,
        )
      })
    },
  },
  {
    name: 'a freeze that nobody thaws ends by itself, and the thaw then says that it was not held',
    needs: ['quiesce'],
    async run(c) {
      const vm = (await c.guestVm()).id
      await freeze(c, vm, 500)
      const until = Date.now() + 700
      await eventually('the end of the freeze', 10_000, async () => Date.now() > until)
      const thawed = await c.facet('quiesce').thaw(vm, c.call())
      assert.equal(thawed.held, false)
    },
  },
  {
    name: 'freezing a machine that does not run is refused as NOT_FOUND',
    needs: ['quiesce'],
    async run(c) {
      await refused(c.facet('quiesce').freeze(newId(), { withinMs: 1000 }, c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'counters of a disk do not go down while its machine runs, whatever is changed about it',
    needs: ['stats', 'throttle', 'guest'],
    async run(c) {
      const { vm, volume } = await attached(c)
      const read = () => c.facet('stats').read(vm, volume, c.call())
      await c.guest.write({ vm, volume, offset: 0 }, pattern(1, 65_536))
      await eventually('the counters', 5000, async () => (await read()).writeBytes >= 65_536)
      const before = await read()
      await c.facet('throttle').apply(vm, { volume, qos: {} }, c.call())
      await c.adapter.disks.attach(vm, c.attachment(await c.disk(), { deviceId: 2 }), c.call())
      const after = await read()
      assert.ok(after.writeBytes >= before.writeBytes && after.writeOps >= before.writeOps, 'the counters went down')
    },
  },
  {
    name: 'a guest that one controller froze another thaws, and it was held',
    needs: ['quiesce', 'plugin'],
    async run(c) {
      const [vm, other] = [(await c.guestVm()).id, await c.another()]
      await freeze(c, vm, 20_000)
      assert.equal((await other.quiesce?.thaw(vm, c.call()))?.held, true)
    },
  },
]

/** Freezes a guest, which may have to boot first. */
async function freeze(c: HypervisorContext, vm: VmId, withinMs: number): Promise<{ readonly filesystems: number }> {
  const until = Date.now() + BOOT_MS
  for (;;) {
    try {
      return await c.facet('quiesce').freeze(vm, { withinMs }, c.call())
    } catch (error) {
      const later = error instanceof PluginError && FAILURES[error.code].retry === 'later'
      if (!later || Date.now() > until) throw error
    }
    await pause(200)
  }
}
