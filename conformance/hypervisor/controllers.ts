import assert from 'node:assert/strict'
import { sameQos } from '@moorage/contract'
import { refused } from '../check.ts'
import { checkGivingUp, checkLostAnswers, checkSilent } from '../line.ts'
import { maximum } from '../qos.ts'
import { attached, type HypervisorCase, sessionsOf } from './context.ts'

/**
 * Promises that hold beyond the process that made the call, and over lines that fail: a controller that takes over opens
 * the same host and knows nothing.
 */
export const controllerCases: readonly HypervisorCase[] = [
  {
    name: 'a machine that one controller started another finds, is given when it asks again, and stops for both',
    needs: ['plugin'],
    async run(c) {
      const [spec, other] = [c.spec(), await c.another()]
      await c.adapter.vms.start(spec, c.call())
      assert.equal((await other.vms.get(spec.id, c.call()))?.state, 'running')
      assert.equal((await other.vms.start(spec, c.call())).state, 'running')
      await other.vms.stop(spec.id, { force: true }, c.call())
      assert.equal((await c.adapter.vms.get(spec.id, c.call()))?.state ?? 'stopped', 'stopped')
    },
  },
  {
    name: 'fences and generations that one controller has raised bind another',
    needs: ['plugin'],
    async run(c) {
      const [spec, disk, other] = [c.spec(), await c.disk(), await c.another()]
      await c.adapter.vms.start(spec, c.call({ fence: 2001 }))
      await c.adapter.vms.stop(spec.id, { force: true }, c.call({ fence: 2007 }))
      await refused(other.vms.start(spec, c.call({ fence: 2005 })), 'FENCED')
      await c.adapter.vms.start(spec, c.call())
      await c.adapter.disks.attach(spec.id, c.attachment(disk, { generation: 5 }), c.call())
      await c.adapter.disks.detach(spec.id, { volume: disk.volume, generation: 5 }, c.call())
      await refused(other.disks.attach(spec.id, c.attachment(disk, { generation: 4 }), c.call()), 'FENCED')
      assert.deepEqual(await c.ourDisks(), [])
    },
  },
  {
    name: 'a disk that one controller attached another is given when it asks again, and detaches with its session',
    needs: ['plugin', 'sessions'],
    async run(c) {
      const [vm, disk, other] = [await c.vm(), await c.disk(), await c.another()]
      const held = await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
      assert.deepEqual(await other.disks.attach(vm.id, c.attachment(disk), c.call()), held)
      assert.equal(await sessionsOf(disk), 1)
      await other.disks.detach(vm.id, c.attachment(disk), c.call())
      assert.equal(await sessionsOf(disk), 0)
      assert.deepEqual((await c.adapter.vms.get(vm.id, c.call()))?.disks, [])
    },
  },
  {
    name: 'a throttle that one controller set another reads and changes',
    needs: ['plugin', 'throttle'],
    async run(c) {
      const keeps = c.adapter.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet throttle')
      const [{ vm, volume }, other] = [await attached(c), await c.another()]
      await c.facet('throttle').apply(vm, { volume, qos: maximum(keeps, 1) }, c.call())
      assert.ok(sameQos((await other.throttle?.read(vm, volume, c.call())) ?? {}, maximum(keeps, 1)), 'as it was set')
      await other.throttle?.apply(vm, { volume, qos: maximum(keeps, 2) }, c.call())
      assert.ok(sameQos(await c.facet('throttle').read(vm, volume, c.call()), maximum(keeps, 2)), 'as it was changed')
    },
  },
  {
    name: 'a host that takes connections and never answers is reported as TIMEOUT when the time is up',
    needs: ['plugin'],
    run: (c) =>
      checkSilent(c.opened, { call: (time) => c.call(time), report: (host, call) => host.hosts.report(call) }),
  },
  {
    name: 'a caller that gives up on a host that never answers is free at once',
    needs: ['plugin'],
    run: (c) =>
      checkGivingUp(c.opened, { call: (time) => c.call(time), report: (host, call) => host.hosts.report(call) }),
  },
  {
    name: 'a change on a host whose answer was lost is not said to have had no effect, and asking again settles it',
    needs: ['plugin'],
    async run(c) {
      const [spec, disk] = [c.spec(), c.attachment(await c.disk())]
      const state = async () => (await c.adapter.vms.get(spec.id, c.call()))?.state ?? 'stopped'
      await checkLostAnswers(c.opened, {
        call: (time) => c.call(time),
        watch: (adapter) => c.audit.watch(adapter),
        report: (adapter, call) => adapter.hosts.report(call),
        changes: [
          {
            what: 'start',
            run: ({ vms }, call) => vms.start(spec, call),
            came: async () => (await state()) === 'running',
          },
          {
            what: 'attach',
            run: ({ disks }, call) => disks.attach(spec.id, disk, call),
            came: async () => (await c.ourDisks()).length === 1,
          },
          {
            what: 'detach',
            run: ({ disks }, call) => disks.detach(spec.id, disk, call),
            came: async () => (await c.ourDisks()).length === 0,
          },
          {
            what: 'stop',
            run: ({ vms }, call) => vms.stop(spec.id, { force: true }, call),
            came: async () => (await state()) === 'stopped',
          },
        ],
      })
    },
  },
  {
    name: 'calls on a host of one step that share a key do what each of them asks',
    needs: [],
    async run(c) {
      const [vm, one, two, { key }] = [await c.vm(), await c.disk(), await c.disk(), c.call()]
      const { disks } = c.adapter
      assert.equal((await disks.attach(vm.id, c.attachment(one), { ...c.call(), key })).volume, one.volume)
      const second = c.attachment(two, { deviceId: 2 })
      assert.equal((await disks.attach(vm.id, second, { ...c.call(), key })).volume, two.volume)
      await disks.detach(vm.id, c.attachment(one), { ...c.call(), key })
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${two.volume} 1`])
    },
  },
]
