import assert from 'node:assert/strict'
import { refused } from '../check.ts'
import { type HypervisorCase, type HypervisorContext, sessionsOf } from './context.ts'

/** Promises of `Call.fence` and of generations: late duplicates, whichever call they are. */
export const fenceCases: readonly HypervisorCase[] = [
  {
    name: 'a late start is refused after a stop with a higher fence, and starts nothing',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await c.adapter.vms.start(spec, c.call({ fence: 5 }))
      await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 7 }))
      await refused(c.adapter.vms.start(spec, c.call({ fence: 5 })), 'FENCED')
      await nothingRuns(c)
    },
  },
  {
    name: 'a start that arrives after the stop that undid it is refused although the machine never ran',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 7 }))
      await refused(c.adapter.vms.start(spec, c.call({ fence: 5 })), 'FENCED')
      await nothingRuns(c)
    },
  },
  {
    name: 'a late stop below the fence of a newer start is refused, and the machine runs on',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await c.adapter.vms.start(spec, c.call({ fence: 7 }))
      await refused(c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 5 })), 'FENCED')
      assert.equal((await c.adapter.vms.get(spec.id, c.call()))?.state, 'running')
    },
  },
  {
    name: 'a late reboot below the fence of a newer start is refused',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await c.adapter.vms.start(spec, c.call({ fence: 7 }))
      await refused(c.adapter.vms.reboot(spec.id, c.call({ fence: 5 })), 'FENCED')
    },
  },
  {
    name: 'calls on a machine with the same fence follow each other',
    needs: [],
    async run(c) {
      const [spec, disk] = [c.spec(), await c.disk()]
      const at = c.attachment(disk)
      for (let times = 0; times < 2; times++) await c.adapter.vms.start(spec, c.call({ fence: 2007 }))
      for (let times = 0; times < 2; times++) await c.adapter.disks.attach(spec.id, at, c.call({ fence: 2007 }))
      await c.adapter.vms.reboot(spec.id, c.call({ fence: 2007 }))
      for (let times = 0; times < 2; times++) await c.adapter.disks.detach(spec.id, at, c.call({ fence: 2007 }))
      for (let times = 0; times < 2; times++) {
        await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 2007 }))
      }
      await nothingRuns(c)
    },
  },
  {
    name: 'a fence of one machine does not bind another',
    needs: [],
    async run(c) {
      const [one, two] = [c.spec(), c.spec()]
      await c.adapter.vms.start(one, c.call({ fence: 1_000_000 }))
      await c.adapter.vms.stop(one.id, { force: true }, c.call({ fence: 1_000_001 }))
      await c.adapter.vms.start(two, c.call({ fence: 5 }))
      await c.adapter.vms.stop(two.id, { force: true }, c.call({ fence: 6 }))
      await nothingRuns(c)
    },
  },
  {
    name: 'two disks attached at the same time by two operations do not fence each other',
    needs: [],
    async run(c) {
      const [vm, one, two] = [await c.vm(), await c.disk(), await c.disk()]
      await c.adapter.disks.attach(vm.id, c.attachment(one), c.call({ fence: 2007 }))
      await c.adapter.disks.attach(vm.id, c.attachment(two, { deviceId: 2 }), c.call({ fence: 2005 }))
      assert.equal((await c.ourDisks()).length, 2)
    },
  },
  {
    name: 'a late attach below the fence of a stop is refused when the machine runs again',
    needs: ['sessions'],
    async run(c) {
      const [spec, disk] = [c.spec(), await c.disk()]
      await c.adapter.vms.start(spec, c.call({ fence: 2001 }))
      await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 2007 }))
      await c.adapter.vms.start(spec, c.call({ fence: 2008 }))
      await refused(c.adapter.disks.attach(spec.id, c.attachment(disk), c.call({ fence: 2005 })), 'FENCED')
      assert.equal(await sessionsOf(disk), 0)
    },
  },
  {
    name: 'a late detach below the fence of a start is refused, and the disk that is there stays',
    needs: [],
    async run(c) {
      const disk = await c.disk()
      const spec = c.spec([c.attachment(disk)])
      await c.adapter.vms.start(spec, c.call({ fence: 2007 }))
      await refused(c.adapter.disks.detach(spec.id, c.attachment(disk), c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await c.ourDisks(), [`${spec.id} ${disk.volume} 1`])
    },
  },
  {
    name: 'an attach of a stale generation is refused as FENCED, and the disk that is there stays',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const held = await c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 5 }), c.call())
      await refused(c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 4 }), c.call()), 'FENCED')
      assert.deepEqual((await c.adapter.vms.get(vm.id, c.call()))?.disks, [held])
    },
  },
  {
    name: 'an attach of a stale generation is refused after the detach of a newer one, and brings nothing back',
    needs: ['sessions'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 5 }), c.call())
      await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 5 }, c.call())
      await refused(c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 4 }), c.call()), 'FENCED')
      assert.deepEqual(await c.ourDisks(), [])
      assert.equal(await sessionsOf(disk), 0)
    },
  },
  {
    name: 'an attach of a stale generation is refused although the newer one was only ever detached',
    needs: ['sessions'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 5 }, c.call())
      await refused(c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 4 }), c.call()), 'FENCED')
      assert.equal(await sessionsOf(disk), 0)
    },
  },
  {
    name: 'an attach of a stale generation is refused after the machine has started with a newer one',
    needs: [],
    async run(c) {
      const disk = await c.disk()
      const spec = c.spec([c.attachment(disk, { generation: 5 })])
      await c.adapter.vms.start(spec, c.call())
      await c.adapter.vms.stop(spec.id, { force: true }, c.call())
      await c.adapter.vms.start({ ...spec, disks: [] }, c.call())
      await refused(c.adapter.disks.attach(spec.id, c.attachment(disk, { generation: 4 }), c.call()), 'FENCED')
      assert.deepEqual(await c.ourDisks(), [])
    },
  },
  {
    name: 'a detach of a stale generation is refused as FENCED, and the disk that is there stays',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 5 }), c.call())
      await refused(c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 4 }, c.call()), 'FENCED')
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${disk.volume} 5`])
    },
  },
  {
    name: 'a generation of one disk does not bind another disk, nor the same volume in another machine',
    needs: [],
    async run(c) {
      const [vm, other, disk] = [await c.vm(), await c.vm(), await c.disk()]
      await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 9 }, c.call())
      await c.adapter.disks.attach(vm.id, c.attachment(await c.disk(), { generation: 2 }), c.call())
      await c.adapter.disks.attach(other.id, c.attachment(disk, { generation: 1 }), c.call())
      assert.equal((await c.ourDisks()).length, 2)
    },
  },
  {
    name: 'fences and generations are compared as whole numbers, beyond 32 bits',
    needs: [],
    async run(c) {
      const [spec, disk] = [c.spec(), await c.disk()]
      await c.adapter.vms.start(spec, c.call({ fence: 2 ** 32 }))
      await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 2 ** 32 + 1 }))
      await refused(c.adapter.vms.start(spec, c.call({ fence: 2 ** 32 - 1 })), 'FENCED')
      await c.adapter.vms.start(spec, c.call())
      const newer = c.attachment(disk, { generation: 2 ** 32 + 1 })
      await c.adapter.disks.attach(spec.id, newer, c.call())
      await c.adapter.disks.detach(spec.id, newer, c.call())
      const stale = c.attachment(disk, { generation: 2 ** 32 - 1 })
      await refused(c.adapter.disks.attach(spec.id, stale, c.call()), 'FENCED')
    },
  },
]

async function nothingRuns(c: HypervisorContext): Promise<void> {
  const running = (await c.ours()).filter((item) => item.kind === 'vm' && item.state !== 'stopped')
  assert.deepEqual(running, [])
}
