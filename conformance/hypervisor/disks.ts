import assert from 'node:assert/strict'
import { type Connection, type Protocol, serialOf } from '@moorage/contract'
import { failureOf, ioRefused, newId, pattern, refused, sameBytes } from '../check.ts'
import { wrongVectors } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import { type HypervisorCase, type HypervisorContext, sessionsOf } from './context.ts'

/** Promises of `disks`. */
export const diskCases: readonly HypervisorCase[] = [
  {
    name: 'an attached disk is reported with its device, size and generation, by attach, get and inventory',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const held = await c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 3 }), c.call())
      assert.deepEqual([held.volume, held.generation, held.bytes], [disk.volume, 3, disk.bytes])
      assert.ok(held.device.length > 0)
      assert.deepEqual((await c.adapter.vms.get(vm.id, c.call()))?.disks, [held])
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${disk.volume} 3`])
    },
  },
  {
    name: 'attaching again is the same disk, with one session',
    needs: ['sessions'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const call = c.call()
      const first = await c.adapter.disks.attach(vm.id, c.attachment(disk), call)
      assert.deepEqual(await c.adapter.disks.attach(vm.id, c.attachment(disk), call), first)
      assert.deepEqual(await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call()), first)
      assert.equal((await c.ourDisks()).length, 1)
      assert.equal(await sessionsOf(disk), 1)
    },
  },
  {
    name: 'ten simultaneous attaches of one disk are one disk, with one session',
    needs: ['sessions'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const call = c.call()
      const attach = () => c.adapter.disks.attach(vm.id, c.attachment(disk), call)
      const answers = await Promise.all(Array.from({ length: 10 }, attach))
      assert.equal(new Set(answers.map((answer) => answer.device)).size, 1)
      assert.equal((await c.ourDisks()).length, 1)
      assert.equal(await sessionsOf(disk), 1)
    },
  },
  {
    name: 'a detached volume is attached again under a newer generation',
    needs: ['sessions'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      for (const generation of [1, 2]) {
        await c.adapter.disks.attach(vm.id, c.attachment(disk, { generation }), c.call())
        assert.equal(await sessionsOf(disk), 1)
        await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation }, c.call())
        assert.equal(await sessionsOf(disk), 0)
      }
    },
  },
  {
    name: 'attaching to a machine that does not run is refused as NOT_FOUND and opens no session',
    needs: ['sessions'],
    async run(c) {
      const [disk, vm] = [await c.disk(), await c.vm()]
      await refused(c.adapter.disks.attach(newId(), c.attachment(disk), c.call()), 'NOT_FOUND')
      await c.adapter.vms.stop(vm.id, { force: true }, c.call())
      await refused(c.adapter.disks.attach(vm.id, c.attachment(disk), c.call()), 'NOT_FOUND')
      assert.equal(await sessionsOf(disk), 0)
    },
  },
  {
    name: 'an attach that the array does not let in fails and leaves nothing, and the machine runs on',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const wrong = withWrongSecret(disk.connection)
      c.audit.keepSecret(wrong.chap.secret)
      const error = await failureOf(c.adapter.disks.attach(vm.id, c.attachment(disk, { connection: wrong }), c.call()))
      assert.ok(error, 'attached with a wrong secret')
      assert.deepEqual(await c.ourDisks(), [])
      assert.deepEqual(await structures(c), [])
      assert.equal((await c.adapter.vms.get(vm.id, c.call()))?.state, 'running')
      await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
    },
  },
  {
    name: 'a connection over a protocol that the host does not accept is refused',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const connection = unaccepted(c.adapter.accepts)
      const attach = c.adapter.disks.attach(vm.id, c.attachment(disk, { connection }), c.call())
      await refused(attach, ['UNSUPPORTED', 'INVALID'])
      assert.deepEqual(await c.ourDisks(), [])
    },
  },
  {
    name: 'detaching what is not there succeeds: no disk, no machine, or twice',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await c.adapter.disks.detach(vm.id, { volume: newId(), generation: 1 }, c.call())
      await c.adapter.disks.detach(newId(), { volume: disk.volume, generation: 1 }, c.call())
      await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
      for (let times = 0; times < 2; times++) {
        await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 1 }, c.call())
      }
      assert.deepEqual(await c.ourDisks(), [])
    },
  },
  {
    name: 'a detach has closed the session when it answers, and leaves nothing made for the disk',
    needs: ['sessions'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
      assert.equal(await sessionsOf(disk), 1)
      await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 1 }, c.call())
      assert.equal(await sessionsOf(disk), 0)
      assert.deepEqual(await structures(c), [])
      assert.deepEqual((await c.adapter.vms.get(vm.id, c.call()))?.disks, [])
    },
  },
  {
    name: 'a machine takes as many disks as the limit says, and one more is refused as LIMIT',
    needs: [],
    async run(c) {
      const most = c.adapter.limits.maxDisksPerVm
      if (most > 32) throw new NotApplicable(`the limit is ${most}`)
      const vm = await c.vm()
      for (let deviceId = 0; deviceId < most; deviceId++) {
        await c.adapter.disks.attach(vm.id, c.attachment(await c.disk(), { deviceId }), c.call())
      }
      const more = c.attachment(await c.disk(), { deviceId: most })
      await refused(c.adapter.disks.attach(vm.id, more, c.call()), 'LIMIT')
      assert.equal((await c.ourDisks()).length, most)
    },
  },
  {
    name: 'a place that a detach has freed is given again',
    needs: [],
    async run(c) {
      const most = c.adapter.limits.maxDisksPerVm
      if (most > 32) throw new NotApplicable(`the limit is ${most}`)
      const disks = []
      for (let deviceId = 0; deviceId < most; deviceId++) disks.push(c.attachment(await c.disk(), { deviceId }))
      const vm = await c.vm(disks)
      const [, second] = disks
      if (!second) throw new NotApplicable('the limit is one')
      await c.adapter.disks.detach(vm.id, second, c.call())
      await c.adapter.disks.attach(vm.id, { ...second, generation: 2 }, c.call())
      assert.equal((await c.ourDisks()).length, most)
    },
  },
  {
    name: 'detaching one disk leaves the session of another alone',
    needs: ['sessions'],
    async run(c) {
      const [one, two] = [await c.disk(), await c.disk()]
      const vm = await c.vm([c.attachment(one), c.attachment(two, { deviceId: 2 })])
      await c.adapter.disks.detach(vm.id, c.attachment(one), c.call())
      assert.deepEqual([await sessionsOf(one), await sessionsOf(two)], [0, 1])
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${two.volume} 1`])
    },
  },
  {
    name: 'an attach with a throttle that contradicts itself is refused, and nothing is attached',
    needs: ['throttle', 'sessions'],
    async run(c) {
      const { qos: keeps } = c.adapter.limits
      assert.ok(keeps, 'limits.qos is absent although there is a facet throttle')
      const [vm, disk] = [await c.vm(), await c.disk()]
      for (const { qos, wrong } of wrongVectors(keeps)) {
        const error = await failureOf(c.adapter.disks.attach(vm.id, c.attachment(disk, { throttle: qos }), c.call()))
        assert.ok(error, `attached with ${wrong}`)
        assert.ok(['INVALID', 'UNSUPPORTED'].includes(error.code), `${wrong}: ${error.code}`)
        assert.equal(await sessionsOf(disk), 0, `sessions after ${wrong}`)
      }
      assert.deepEqual(await c.ourDisks(), [])
    },
  },
  {
    name: 'a guest sees the serial that was asked for, and every disk its own',
    needs: ['guest'],
    async run(c) {
      const [one, two] = [await c.disk(), await c.disk()]
      const vm = await c.vm([c.attachment(one), c.attachment(two, { deviceId: 2 })])
      const third = await c.disk()
      await c.adapter.disks.attach(vm.id, c.attachment(third, { deviceId: 3 }), c.call())
      for (const { volume } of [one, two, third]) {
        assert.equal(await c.guest.serial({ vm: vm.id, volume }), serialOf(volume))
      }
    },
  },
  {
    name: 'writes of a guest reach the disk that they were meant for',
    needs: ['guest'],
    async run(c) {
      const [one, two] = [await c.disk(), await c.disk()]
      const vm = await c.vm([c.attachment(one), c.attachment(two, { deviceId: 2 })])
      await c.guest.write({ vm: vm.id, volume: one.volume, offset: 0 }, pattern(1, 4096))
      await c.adapter.disks.detach(vm.id, c.attachment(one), c.call())
      await c.adapter.disks.detach(vm.id, c.attachment(two), c.call())
      const other = await c.vm([c.attachment(one), c.attachment(two, { deviceId: 2 })])
      const read = (volume: typeof one.volume) => c.guest.read({ vm: other.id, volume, offset: 0 }, 4096)
      sameBytes(await read(one.volume), pattern(1, 4096), 'the disk that was written')
      sameBytes(await read(two.volume), new Uint8Array(4096), 'the disk beside it')
    },
  },
  {
    name: 'what a guest writes it reads back, also after a reboot and after a detach and attach',
    needs: ['guest'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const at = { vm: vm.id, volume: disk.volume, offset: 4096 }
      await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
      await c.guest.write(at, pattern(1, 8192))
      sameBytes(await c.guest.read(at, 8192), pattern(1, 8192), 'read back')
      await c.adapter.vms.reboot(vm.id, c.call())
      sameBytes(await c.guest.read(at, 8192), pattern(1, 8192), 'after a reboot')
      await c.adapter.disks.detach(vm.id, { volume: disk.volume, generation: 1 }, c.call())
      await ioRefused(c.guest.read(at, 8192), 'a read of a disk that was detached')
      await c.adapter.disks.attach(vm.id, c.attachment(disk, { generation: 2 }), c.call())
      sameBytes(await c.guest.read(at, 8192), pattern(1, 8192), 'after a detach and attach')
    },
  },
  {
    name: 'a disk attached read-only serves reads and refuses writes',
    needs: ['guest'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const at = { vm: vm.id, volume: disk.volume, offset: 0 }
      await c.adapter.disks.attach(vm.id, c.attachment(disk, { mode: 'ro' }), c.call())
      sameBytes(await c.guest.read(at, 4096), new Uint8Array(4096), 'an empty disk')
      await ioRefused(c.guest.write(at, pattern(1, 4096)), 'a write to a read-only disk')
    },
  },
  {
    name: 'disks attached at the same time are all there, each with a device of its own',
    needs: [],
    async run(c) {
      const vm = await c.vm()
      const disks = [await c.disk(), await c.disk(), await c.disk()]
      const attach = disks.map((disk, deviceId) => {
        return c.adapter.disks.attach(vm.id, c.attachment(disk, { deviceId }), c.call())
      })
      const held = await Promise.all(attach)
      assert.equal(new Set(held.map(({ device }) => device)).size, disks.length, 'devices')
      assert.deepEqual((await c.ourDisks()).toSorted(), disks.map(({ volume }) => `${vm.id} ${volume} 1`).toSorted())
    },
  },
  {
    name: 'a disk of more than 4 GiB is shown with its size',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.bench.disk(5 * 1024 ** 3)]
      const held = await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
      const found = await c.adapter.vms.get(vm.id, c.call())
      assert.deepEqual([held.bytes, found?.disks[0]?.bytes], [disk.bytes, disk.bytes])
    },
  },
  {
    name: 'a machine that starts with a disk for reading does not write it',
    needs: ['guest'],
    async run(c) {
      const disk = await c.disk()
      const vm = await c.vm([c.attachment(disk, { mode: 'ro' })])
      const at = { vm: vm.id, volume: disk.volume, offset: 0 }
      await ioRefused(c.guest.write(at, pattern(1, 4096)), 'a write to a read-only disk')
      sameBytes(await c.guest.read(at, 4096), new Uint8Array(4096), 'an empty disk')
    },
  },
  {
    name: 'a machine that is stopped lets go of the disks that were plugged in, and starts again without them',
    needs: ['sessions'],
    async run(c) {
      const [spec, disk] = [c.spec(), await c.disk()]
      await c.adapter.vms.start(spec, c.call())
      await c.adapter.disks.attach(spec.id, c.attachment(disk), c.call())
      assert.deepEqual((await c.adapter.vms.start(spec, c.call())).disks.length, 1, 'disks after a start asked again')
      await c.adapter.vms.stop(spec.id, { force: true }, c.call())
      assert.equal(await sessionsOf(disk), 0, 'sessions after the stop')
      assert.deepEqual((await c.adapter.vms.start(spec, c.call())).disks, [])
      assert.equal(await sessionsOf(disk), 0, 'sessions after the next start')
    },
  },
]

async function structures(c: HypervisorContext): Promise<readonly string[]> {
  return (await c.ours()).flatMap((item) => (item.kind === 'structure' ? [item.name] : []))
}

function withWrongSecret(connection: Connection) {
  if (connection.via !== 'iscsi' || !connection.chap) throw new NotApplicable('the bench’s disks have no CHAP')
  return { ...connection, chap: { ...connection.chap, secret: 'wrongwrongwrong1' } }
}

function unaccepted(accepts: readonly Protocol[]): Connection {
  const others: readonly Connection[] = [
    { via: 'rbd', monitors: ['127.0.0.1:1'], pool: 'p', image: 'i', user: 'u', key: 'none-there' },
    { via: 'nbd', uri: 'nbd://127.0.0.1:1', export: 'none' },
    { via: 'file', path: '/nonexistent', format: 'raw' },
    { via: 'iscsi', portal: '127.0.0.1:1', iqn: 'iqn.2025-01.none', lun: 1, initiator: 'iqn.2025-01.none' },
  ]
  const found = others.find((connection) => !accepts.includes(connection.via))
  if (!found) throw new NotApplicable('the host accepts every protocol')
  return found
}
