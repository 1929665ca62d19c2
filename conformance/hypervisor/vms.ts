import assert from 'node:assert/strict'
import { allPages, failureOf, newId, refused } from '../check.ts'
import type { HypervisorCase, HypervisorContext } from './context.ts'
import { sessionsOf } from './context.ts'

/** Promises of `vms` and `inventory`. */
export const vmCases: readonly HypervisorCase[] = [
  {
    name: 'a started machine runs and is found by its id',
    needs: [],
    async run(c) {
      const spec = c.spec()
      const started = await c.adapter.vms.start(spec, c.call())
      assert.deepEqual([started.id, started.state, started.disks], [spec.id, 'running', []])
      assert.equal((await c.adapter.vms.get(spec.id, c.call()))?.state, 'running')
    },
  },
  {
    name: 'starting again is the same machine, once',
    needs: [],
    async run(c) {
      const spec = c.spec()
      const call = c.call()
      await c.adapter.vms.start(spec, call)
      await c.adapter.vms.start(spec, call)
      assert.equal((await c.adapter.vms.start(spec, c.call())).state, 'running')
      assert.equal(await machines(c), 1)
    },
  },
  {
    name: 'five simultaneous starts of one machine are one machine',
    needs: [],
    async run(c) {
      const spec = c.spec()
      const call = c.call()
      const answers = await Promise.all(Array.from({ length: 5 }, () => c.adapter.vms.start(spec, call)))
      assert.deepEqual(
        answers.map((answer) => answer.state),
        Array(5).fill('running'),
      )
      assert.equal(await machines(c), 1)
    },
  },
  {
    name: 'starting a running machine with another size is refused as CONFLICT, and it runs on',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await c.adapter.vms.start(spec, c.call())
      await refused(c.adapter.vms.start({ ...spec, cpus: spec.cpus + 1 }, c.call()), 'CONFLICT')
      await refused(c.adapter.vms.start({ ...spec, memoryBytes: spec.memoryBytes * 2 }, c.call()), 'CONFLICT')
      assert.equal((await c.adapter.vms.get(spec.id, c.call()))?.state, 'running')
    },
  },
  {
    name: 'asking for a machine that was never there answers nothing',
    needs: [],
    async run(c) {
      assert.equal(await c.adapter.vms.get(newId(), c.call()), undefined)
    },
  },
  {
    name: 'stopping what does not run succeeds, and so does stopping twice',
    needs: [],
    async run(c) {
      await c.adapter.vms.stop(newId(), { force: true }, c.call())
      const vm = await c.vm()
      for (let times = 0; times < 2; times++) await c.adapter.vms.stop(vm.id, { force: true }, c.call())
      await stopped(c, vm.id)
    },
  },
  {
    name: 'a machine starts with its disks',
    needs: [],
    async run(c) {
      const disk = await c.disk()
      const vm = await c.vm([c.attachment(disk, { generation: 4 })])
      const [held] = vm.disks
      assert.deepEqual([vm.disks.length, held?.volume, held?.generation, held?.bytes], [1, disk.volume, 4, disk.bytes])
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${disk.volume} 4`])
    },
  },
  {
    name: 'a start of which a disk cannot be opened fails and leaves nothing, no machine and no session',
    needs: ['sessions'],
    async run(c) {
      const [good, bad] = [await c.disk(), await c.disk()]
      const broken = { ...bad.connection, ...(bad.connection.via === 'iscsi' && { iqn: `${bad.connection.iqn}-not` }) }
      const spec = c.spec([c.attachment(good), c.attachment(bad, { deviceId: 2, connection: broken })])
      const error = await failureOf(c.adapter.vms.start(spec, c.call()))
      assert.ok(error, 'the machine started with a disk that is not there')
      await stopped(c, spec.id)
      assert.equal(await sessionsOf(good), 0, 'sessions of the disk that could be opened')
    },
  },
  {
    name: 'stopping a machine closes the sessions of its disks',
    needs: ['sessions'],
    async run(c) {
      const disk = await c.disk()
      const vm = await c.vm([c.attachment(disk)])
      assert.equal(await sessionsOf(disk), 1)
      await c.adapter.vms.stop(vm.id, { force: true }, c.call())
      assert.equal(await sessionsOf(disk), 0)
      await stopped(c, vm.id)
    },
  },
  {
    name: 'a stopped machine starts again with other disks',
    needs: [],
    async run(c) {
      const [one, two] = [await c.disk(), await c.disk()]
      const spec = c.spec([c.attachment(one)])
      await c.adapter.vms.start(spec, c.call())
      await c.adapter.vms.stop(spec.id, { force: true }, c.call())
      const again = await c.adapter.vms.start({ ...spec, disks: [c.attachment(two, { generation: 2 })] }, c.call())
      assert.deepEqual(
        again.disks.map((disk) => disk.volume),
        [two.volume],
      )
    },
  },
  {
    name: 'a reboot keeps the machine and its disks',
    needs: ['sessions'],
    async run(c) {
      const disk = await c.disk()
      const vm = await c.vm([c.attachment(disk)])
      const rebooted = await c.adapter.vms.reboot(vm.id, c.call())
      assert.deepEqual([rebooted.id, rebooted.state, rebooted.disks.length], [vm.id, 'running', 1])
      assert.equal(await sessionsOf(disk), 1)
    },
  },
  {
    name: 'rebooting a machine that does not run is refused as NOT_FOUND',
    needs: [],
    async run(c) {
      await refused(c.adapter.vms.reboot(newId(), c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'a late start is refused after a stop with a higher fence, and starts nothing',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await c.adapter.vms.start(spec, c.call({ fence: 5 }))
      await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 7 }))
      await refused(c.adapter.vms.start(spec, c.call({ fence: 5 })), 'FENCED')
      await stopped(c, spec.id)
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
    name: 'a start whose time is up ends in TIMEOUT, and effect none means that nothing runs',
    needs: [],
    async run(c) {
      const spec = c.spec()
      const error = await failureOf(c.adapter.vms.start(spec, c.call({ withinMs: 0 })))
      assert.equal(error?.code, 'TIMEOUT')
      if (error.effect === 'none') await stopped(c, spec.id)
    },
  },
  {
    name: 'a start that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const spec = c.spec()
      const giveUp = new AbortController()
      const answer = failureOf(c.adapter.vms.start(spec, c.call({ signal: giveUp.signal })))
      setImmediate(() => giveUp.abort())
      const error = await answer
      if (error) assert.equal(error.code, 'TIMEOUT')
      assert.equal((await c.adapter.vms.start(spec, c.call())).state, 'running')
      assert.equal(await machines(c), 1)
    },
  },
  {
    name: 'machines of another installation are foreign: listed, not found, not stopped',
    needs: ['stranger'],
    async run(c) {
      const vm = await c.vm()
      const seen = await allPages((cursor) => c.stranger.inventory.list(cursor, c.call()))
      assert.ok(
        seen.some((item) => item.kind === 'vm' && item.owner === 'foreign'),
        'not listed as foreign',
      )
      assert.ok(!JSON.stringify(seen.filter((item) => item.owner === 'ours')).includes(vm.id), 'ours shown as theirs')
      assert.equal(await c.stranger.vms.get(vm.id, c.call()), undefined)
      const error = await failureOf(c.stranger.vms.stop(vm.id, { force: true }, c.call()))
      if (error) assert.equal(error.effect, 'none')
      assert.equal((await c.adapter.vms.get(vm.id, c.call()))?.state, 'running')
    },
  },
]

async function machines(c: HypervisorContext): Promise<number> {
  return (await c.ours()).filter((item) => item.kind === 'vm' && item.state !== 'stopped').length
}

async function stopped(c: HypervisorContext, id: Parameters<typeof c.adapter.vms.get>[0]): Promise<void> {
  const vm = await c.adapter.vms.get(id, c.call())
  assert.equal(vm?.state ?? 'stopped', 'stopped')
  assert.deepEqual(vm?.disks ?? [], [])
  assert.equal(await machines(c), 0)
  assert.deepEqual(await c.ourDisks(), [])
}
