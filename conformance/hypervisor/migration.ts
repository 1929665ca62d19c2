import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type BackendVm,
  type HypervisorAdapter,
  type MigrationFacet,
  type MigrationTicket,
  sameQos,
  type VmId,
  type VmSpec,
} from '@moorage/contract'
import { allPages, eventually, failureOf, ioRefused, newId, pattern, refused, sameBytes } from '../check.ts'
import { maximum } from '../qos.ts'
import { type HypervisorCase, type HypervisorContext, sessionsOf } from './context.ts'
import type { PeerDisk, TestDisk } from './subject.ts'

const SENT_MS = 60_000
const LOOK_AGAIN_MS = 20

/** A machine with one disk at the source, and how the destination is to make it. */
interface Traveller {
  readonly vm: VmId
  readonly disk: TestDisk
  readonly peerDisk: PeerDisk
  /** As the destination is to have it. */
  readonly spec: VmSpec
}

/** Promises of `migration`. */
export const migrationCases: readonly HypervisorCase[] = [
  {
    name: 'a migrated machine runs on the other host with its disks, with one session there and none here',
    needs: ['migration', 'peer', 'sessions'],
    async run(c) {
      const one = await traveller(c)
      const ticket = await prepared(c, one)
      assert.deepEqual([await sessionsOf(one.disk), await one.peerDisk.sessions()], [1, 1], 'two connections')
      await sent(c, one.vm, ticket)
      const arrived = await to(c).arrive(one.vm, c.call())
      assert.deepEqual([arrived.id, arrived.state], [one.vm, 'running'])
      assert.deepEqual(shown(arrived), [[one.disk.volume, 3, one.disk.bytes]])
      await c.adapter.vms.stop(one.vm, { force: true }, c.call())
      assert.deepEqual(await statesOf(c, one.vm), { source: 'gone', destination: 'running' })
      assert.deepEqual([await sessionsOf(one.disk), await one.peerDisk.sessions()], [0, 1], 'then one')
    },
  },
  {
    name: 'every step of a migration asked again is the same step',
    needs: ['migration', 'peer', 'sessions'],
    async run(c) {
      const one = await traveller(c)
      const ticket = await prepared(c, one)
      assert.deepEqual(await prepared(c, one), ticket, 'another ticket')
      assert.equal(await one.peerDisk.sessions(), 1)
      await sent(c, one.vm, ticket)
      assert.deepEqual(await from(c).send(one.vm, ticket, c.call()), { state: 'sent' })
      const arrived = await to(c).arrive(one.vm, c.call())
      assert.deepEqual(await to(c).arrive(one.vm, c.call()), arrived)
      assert.equal(await one.peerDisk.sessions(), 1)
    },
  },
  {
    name: 'a machine runs at the source until it is sent, nowhere until it arrives, and then at the destination',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      const ticket = await prepared(c, one)
      assert.deepEqual(await statesOf(c, one.vm), { source: 'running', destination: 'paused' })
      await sent(c, one.vm, ticket)
      assert.deepEqual(await statesOf(c, one.vm), { source: 'paused', destination: 'paused' })
      await to(c).arrive(one.vm, c.call())
      assert.deepEqual(await statesOf(c, one.vm), { source: 'paused', destination: 'running' })
    },
  },
  {
    name: 'a machine that was not sent does not arrive, and one that was never prepared is not there',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      await refused(to(c).arrive(newId(), c.call()), 'NOT_FOUND')
      await prepared(c, one)
      await refused(to(c).arrive(one.vm, c.call()), 'BUSY')
      assert.deepEqual(await statesOf(c, one.vm), { source: 'running', destination: 'paused' })
    },
  },
  {
    name: 'what is abandoned before it was sent leaves nothing, does not arrive, and the source runs on',
    needs: ['migration', 'peer', 'sessions'],
    async run(c) {
      const one = await traveller(c)
      const ticket = await prepared(c, one)
      assert.deepEqual(await to(c).abandon(one.vm, c.call()), { arrived: false })
      await refused(to(c).arrive(one.vm, c.call()), 'NOT_FOUND')
      assert.equal(await one.peerDisk.sessions(), 0)
      assert.deepEqual(await oursAtPeer(c), [])
      await refused(sent(c, one.vm, ticket), 'CONFLICT')
      assert.equal((await from(c).resume(one.vm, c.call())).state, 'running')
      assert.equal((await c.adapter.vms.get(one.vm, c.call()))?.state, 'running')
    },
  },
  {
    name: 'what is abandoned after it was sent does not arrive, and goes on at the source with its disks',
    needs: ['migration', 'peer', 'sessions'],
    async run(c) {
      const one = await traveller(c)
      await sent(c, one.vm, await prepared(c, one))
      assert.deepEqual(await to(c).abandon(one.vm, c.call()), { arrived: false })
      const back = await from(c).resume(one.vm, c.call())
      assert.deepEqual([back.state, shown(back)], ['running', [[one.disk.volume, 3, one.disk.bytes]]])
      assert.deepEqual([await sessionsOf(one.disk), await one.peerDisk.sessions()], [1, 0])
      await refused(to(c).arrive(one.vm, c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'a machine that went on at the source migrates when it is asked to once more',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      await sent(c, one.vm, await prepared(c, one))
      await to(c).abandon(one.vm, c.call())
      await from(c).resume(one.vm, c.call())
      await sent(c, one.vm, await prepared(c, one))
      assert.equal(await failureOf(to(c).arrive(one.vm, c.call())), undefined, 'did not arrive')
      await c.adapter.vms.stop(one.vm, { force: true }, c.call())
      assert.deepEqual(await statesOf(c, one.vm), { source: 'gone', destination: 'running' })
    },
  },
  {
    name: 'abandoning what has arrived says so and lets it run',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      await sent(c, one.vm, await prepared(c, one))
      await to(c).arrive(one.vm, c.call())
      for (let times = 0; times < 2; times++) {
        assert.deepEqual(await to(c).abandon(one.vm, c.call()), { arrived: true })
      }
      assert.equal((await c.peer.vms.get(one.vm, c.call()))?.state, 'running')
    },
  },
  {
    name: 'abandoning what was never prepared says that it has not arrived',
    needs: ['migration', 'peer'],
    async run(c) {
      const vm: VmId = newId()
      assert.equal(await failureOf(to(c).abandon(vm, c.call())), undefined, 'refused')
      assert.deepEqual(await to(c).abandon(vm, c.call()), { arrived: false })
    },
  },
  {
    name: 'late steps of a migration that was given up are refused as FENCED, and change nothing',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      const description = await from(c).describe(one.vm, c.call())
      const ticket = await to(c).prepare(one.spec, description, c.call({ fence: 2001 }))
      await to(c).abandon(one.vm, c.call({ fence: 2007 }))
      await from(c).resume(one.vm, c.call({ fence: 2007 }))
      await refused(to(c).prepare(one.spec, description, c.call({ fence: 2005 })), 'FENCED')
      await refused(to(c).arrive(one.vm, c.call({ fence: 2005 })), 'FENCED')
      await refused(from(c).send(one.vm, ticket, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await oursAtPeer(c), [])
      assert.equal((await c.adapter.vms.get(one.vm, c.call()))?.state, 'running')
    },
  },
  {
    name: 'a late abandon or resume below the fence of a newer migration is refused as FENCED',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      const description = await from(c).describe(one.vm, c.call())
      const ticket = await to(c).prepare(one.spec, description, c.call({ fence: 2007 }))
      await refused(to(c).abandon(one.vm, c.call({ fence: 2005 })), 'FENCED')
      await sent(c, one.vm, ticket)
      await refused(from(c).resume(one.vm, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await statesOf(c, one.vm), { source: 'paused', destination: 'paused' })
      assert.equal((await to(c).arrive(one.vm, c.call())).state, 'running')
    },
  },
  {
    name: 'a machine is not prepared where it runs',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      const description = await from(c).describe(one.vm, c.call())
      const here = { ...one.spec, disks: [c.attachment(one.disk, { generation: 3 })] }
      await refused(from(c).prepare(here, description, c.call()), 'CONFLICT')
      assert.equal((await c.adapter.vms.get(one.vm, c.call()))?.state, 'running')
    },
  },
  {
    name: 'a machine of which a disk cannot be opened there is not prepared, leaves nothing, and runs on here',
    needs: ['migration', 'peer', 'sessions'],
    async run(c) {
      const one = await traveller(c)
      const description = await from(c).describe(one.vm, c.call())
      const spec = withNoAccess(one.spec)
      assert.ok(await failureOf(to(c).prepare(spec, description, c.call())), 'prepared without its disk')
      assert.equal(await one.peerDisk.sessions(), 0)
      assert.deepEqual(await oursAtPeer(c), [])
      assert.equal((await c.adapter.vms.get(one.vm, c.call()))?.state, 'running')
    },
  },
  {
    name: 'what does not run is neither described nor sent',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      const ticket = await prepared(c, one)
      await refused(from(c).describe(newId(), c.call()), 'NOT_FOUND')
      await c.adapter.vms.stop(one.vm, { force: true }, c.call())
      await refused(from(c).send(one.vm, ticket, c.call()), 'NOT_FOUND')
      await refused(from(c).resume(one.vm, c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'what a guest wrote at the source it reads at the destination, and at the source it writes no more',
    needs: ['migration', 'peer', 'guest'],
    async run(c) {
      const one = await traveller(c)
      const guest = c.bench.peer?.guest
      assert.ok(guest, 'the peer has no guest')
      const at = { vm: one.vm, volume: one.disk.volume, offset: 8192 }
      await c.guest.write(at, pattern(1, 4096))
      const ticket = await prepared(c, one)
      await ioRefused(guest.write(at, pattern(2, 4096)), 'a write of a machine that only waits')
      await from(c).send(one.vm, ticket, c.call())
      await sent(c, one.vm, ticket)
      await ioRefused(c.guest.write(at, pattern(2, 4096)), 'a write of a machine that was sent')
      await ioRefused(guest.write(at, pattern(2, 4096)), 'a write of a machine that has not arrived')
      await to(c).arrive(one.vm, c.call())
      sameBytes(await guest.read(at, 4096), pattern(1, 4096), 'at the destination')
      await guest.write(at, pattern(3, 4096))
      sameBytes(await guest.read(at, 4096), pattern(3, 4096), 'written there')
      await ioRefused(c.guest.write(at, pattern(2, 4096)), 'a write at the source')
    },
  },
  {
    name: 'a prepare that arrives after the abandon that undid it is refused although nothing was ever prepared',
    needs: ['migration', 'peer'],
    async run(c) {
      const one = await traveller(c)
      const description = await from(c).describe(one.vm, c.call())
      await to(c).abandon(one.vm, c.call({ fence: 2007 }))
      await refused(to(c).prepare(one.spec, description, c.call({ fence: 2005 })), 'FENCED')
      assert.deepEqual(await oursAtPeer(c), [])
    },
  },
  {
    name: 'a migrated machine has the throttles of its disks, on the devices where they were',
    needs: ['migration', 'peer', 'throttle'],
    async run(c) {
      const keeps = c.adapter.limits.qos
      assert.ok(keeps, 'limits.qos is absent although there is a facet throttle')
      const one = await traveller(c)
      const before = await c.adapter.vms.get(one.vm, c.call())
      const disks = one.spec.disks.map((disk) => ({ ...disk, throttle: maximum(keeps, 1) }))
      await sent(c, one.vm, await prepared(c, { ...one, spec: { ...one.spec, disks } }))
      const arrived = await to(c).arrive(one.vm, c.call())
      const places = (vm: BackendVm | undefined) => vm?.disks.map(({ volume, device }) => `${volume} ${device}`)
      assert.deepEqual(places(arrived), places(before), 'devices')
      const kept = await c.peer.throttle?.read(one.vm, one.disk.volume, c.call())
      assert.ok(sameQos(kept ?? {}, maximum(keeps, 1)), `throttle ${JSON.stringify(kept)}`)
    },
  },
  {
    name: 'a migration that one controller began another ends',
    needs: ['migration', 'peer', 'plugin'],
    async run(c) {
      const [one, other] = [await traveller(c), await c.another()]
      const ticket = await prepared(c, one)
      await from(c).send(one.vm, ticket, c.call())
      const send = async () => (await other.migration?.send(one.vm, ticket, c.call()))?.state === 'sent'
      await eventually('the machine sent', SENT_MS, send)
      assert.equal((await to(c).arrive(one.vm, c.call())).state, 'running')
    },
  },
  {
    name: 'a disk for reading is one for reading after a migration, too',
    needs: ['migration', 'peer', 'guest'],
    async run(c) {
      const one = await traveller(c)
      const guest = c.bench.peer?.guest
      assert.ok(guest, 'the peer has no guest')
      const disks = one.spec.disks.map((disk) => ({ ...disk, mode: 'ro' }) as const)
      await sent(c, one.vm, await prepared(c, { ...one, spec: { ...one.spec, disks } }))
      await to(c).arrive(one.vm, c.call())
      const at = { vm: one.vm, volume: one.disk.volume, offset: 0 }
      await ioRefused(guest.write(at, pattern(1, 4096)), 'a write to a read-only disk')
    },
  },
]

function from(c: HypervisorContext): MigrationFacet {
  return c.facet('migration')
}

function to(c: HypervisorContext): MigrationFacet {
  const { migration } = c.peer
  assert.ok(migration, 'the peer has no facet migration')
  return migration
}

/** A running machine with one disk in generation 3; it is stopped on both hosts after the case. */
async function traveller(c: HypervisorContext): Promise<Traveller> {
  const disk = await c.disk()
  const spec = c.spec([c.attachment(disk, { generation: 3 })])
  const peerDisk = await disk.atPeer?.()
  assert.ok(peerDisk, 'the bench exposes no disk to the peer')
  if (peerDisk.connection.via === 'iscsi') c.audit.keepSecret(peerDisk.connection.chap?.secret ?? '')
  c.defer(() => c.peer.vms.stop(spec.id, { force: true }, c.call()))
  const { id: vm } = await c.adapter.vms.start(spec, c.call())
  const there = c.attachment(disk, { generation: 3, connection: peerDisk.connection })
  return { vm, disk, peerDisk, spec: { ...spec, disks: [there] } }
}

async function prepared(c: HypervisorContext, one: Traveller): Promise<MigrationTicket> {
  return to(c).prepare(one.spec, await from(c).describe(one.vm, c.call()), c.call())
}

/** Asks until the machine has been sent. */
async function sent(c: HypervisorContext, vm: VmId, ticket: MigrationTicket): Promise<void> {
  const until = Date.now() + SENT_MS
  for (;;) {
    const progress = await from(c).send(vm, ticket, c.call())
    if (progress.state === 'sent') return
    assert.ok(progress.doneBytes <= progress.totalBytes, 'more done than there is')
    assert.ok(Date.now() < until, 'the machine was not sent in time')
    await pause(LOOK_AGAIN_MS)
  }
}

async function statesOf(c: HypervisorContext, vm: VmId): Promise<object> {
  return { source: await stateAt(c.adapter, c, vm), destination: await stateAt(c.peer, c, vm) }
}

async function stateAt(host: HypervisorAdapter, c: HypervisorContext, vm: VmId): Promise<string> {
  const found = await host.vms.get(vm, c.call())
  return found === undefined || found.state === 'stopped' ? 'gone' : found.state
}

/** What of ours is alive on the second host. */
async function oursAtPeer(c: HypervisorContext): Promise<readonly string[]> {
  const items = await allPages((cursor) => c.peer.inventory.list(cursor, c.call()))
  return items.flatMap((item) => {
    if (item.owner !== 'ours' || (item.kind === 'vm' && item.state === 'stopped')) return []
    return [`${item.kind} ${item.name}`]
  })
}

function shown(vm: BackendVm): readonly (readonly [string, number, number])[] {
  return vm.disks.map(({ volume, generation, bytes }) => [volume, generation, bytes] as const)
}

function withNoAccess(spec: VmSpec): VmSpec {
  const disks = spec.disks.map((disk) => {
    const { connection } = disk
    if (connection.via === 'file') return { ...disk, connection: { ...connection, path: `${connection.path}.none` } }
    if (connection.via !== 'iscsi') return disk
    const chap = { user: connection.chap?.user ?? 'nobody', secret: 'wrongwrongwrong1' }
    return { ...disk, connection: { ...connection, chap } }
  })
  return { ...spec, disks }
}
