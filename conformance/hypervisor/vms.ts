import assert from 'node:assert/strict'
import type { BackendVm } from '@moorage/contract'
import { failureOf, newId, refused } from '../check.ts'
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
      const call = c.call()
      for (let times = 0; times < 2; times++) await c.adapter.vms.stop(vm.id, { force: true }, call)
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
    name: 'stopping one machine leaves another and its disk alone',
    needs: ['sessions'],
    async run(c) {
      const [one, two] = [await c.disk(), await c.disk()]
      const [leaving, staying] = [await c.vm([c.attachment(one)]), await c.vm([c.attachment(two)])]
      await c.adapter.vms.stop(leaving.id, { force: true }, c.call())
      assert.equal((await c.adapter.vms.get(staying.id, c.call()))?.state, 'running')
      assert.deepEqual([await sessionsOf(one), await sessionsOf(two)], [0, 1])
      assert.deepEqual(await c.ourDisks(), [`${staying.id} ${two.volume} 1`])
    },
  },
  {
    name: 'asking a guest to stop ends with no machine, or with an error and a machine that runs on',
    needs: [],
    async run(c) {
      const vm = await c.vm()
      const error = await failureOf(c.adapter.vms.stop(vm.id, { force: false }, c.call({ withinMs: 5000 })))
      if (!error) {
        await stopped(c, vm.id)
        return
      }
      assert.ok(['BUSY', 'TIMEOUT'].includes(error.code), error.code)
      assert.equal((await c.adapter.vms.get(vm.id, c.call()))?.state, 'running')
    },
  },
  {
    name: 'a machine starts with all of its disks, each with a device of its own',
    needs: [],
    async run(c) {
      const disks = [await c.disk(), await c.disk(), await c.disk()]
      const vm = await c.vm(disks.map((disk, deviceId) => c.attachment(disk, { deviceId, generation: deviceId + 1 })))
      const facts = (held: BackendVm | undefined) =>
        held?.disks
          .map(({ volume, generation, device, bytes }) => `${volume} ${generation} ${device} ${bytes}`)
          .toSorted()
      assert.deepEqual(
        vm.disks.map(({ volume, generation }) => `${volume} ${generation}`).toSorted(),
        disks.map(({ volume }, index) => `${volume} ${index + 1}`).toSorted(),
      )
      assert.equal(new Set(vm.disks.map(({ device }) => device)).size, disks.length)
      assert.deepEqual(facts(await c.adapter.vms.get(vm.id, c.call())), facts(vm))
    },
  },
  {
    name: 'a name of a machine may have any letters, and changes nothing else',
    needs: [],
    async run(c) {
      const name = `web, with=commas,"quotes", \u00fcml\u00e4uts ${'and more '.repeat(6)}`
      const spec = { ...c.spec(), name }
      assert.equal((await c.adapter.vms.start(spec, c.call())).state, 'running')
      assert.equal(await machines(c), 1)
    },
  },
  {
    name: 'the inventory lists each machine and each disk exactly once, however many pages it takes',
    needs: [],
    async run(c) {
      const vms = []
      for (let number = 0; number < 3; number++) {
        vms.push(await c.vm([c.attachment(await c.disk()), c.attachment(await c.disk(), { deviceId: 2 })]))
      }
      const items = await c.ours()
      const listed = items.flatMap((item) => (item.kind === 'vm' && item.state === 'running' ? [item.id] : []))
      assert.deepEqual(listed.toSorted(), vms.map(({ id }) => id).toSorted())
      const disks = vms.flatMap(({ id, disks }) => disks.map(({ volume }) => `${id} ${volume} 1`))
      assert.deepEqual((await c.ourDisks()).toSorted(), disks.toSorted())
    },
  },
  {
    name: 'a reboot keeps the machine and its disks',
    needs: ['sessions'],
    async run(c) {
      const disk = await c.disk()
      const vm = await c.vm([c.attachment(disk)])
      const rebooted = await c.adapter.vms.reboot(vm.id, c.call())
      assert.deepEqual([rebooted.id, rebooted.state, rebooted.disks], [vm.id, 'running', vm.disks])
      assert.equal(await sessionsOf(disk), 1)
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${disk.volume} 1`])
    },
  },
  {
    name: 'rebooting a machine that does not run is refused as NOT_FOUND',
    needs: [],
    async run(c) {
      const vm = await c.vm()
      await c.adapter.vms.stop(vm.id, { force: true }, c.call())
      for (const id of [newId<'vm'>(), vm.id]) await refused(c.adapter.vms.reboot(id, c.call()), 'NOT_FOUND')
      await stopped(c, vm.id)
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
