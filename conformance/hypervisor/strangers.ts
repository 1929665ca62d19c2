import assert from 'node:assert/strict'
import type { BackendVm, HypervisorAdapter, HypervisorInventoryItem } from '@moorage/contract'
import { allPages, failureOf, newId, refused } from '../check.ts'
import { maximum } from '../qos.ts'
import type { HypervisorCase, HypervisorContext } from './context.ts'

/** Promises of ownership marks: what others run is counted, and never touched. */
export const strangerCases: readonly HypervisorCase[] = [
  {
    name: 'machines and disks of another installation are listed as foreign, and ours as foreign to it',
    needs: ['stranger'],
    async run(c) {
      const [ours, theirs] = [await c.vm([c.attachment(await c.disk())]), await strangersVm(c)]
      for (const [eyes, own, other] of [[c.adapter, ours, theirs] as const, [c.stranger, theirs, ours] as const]) {
        const seen = await list(c, eyes)
        const claimed = JSON.stringify(seen.filter((item) => item.owner === 'ours'))
        assert.ok(claimed.includes(own.id), 'our own machine is not listed')
        assert.ok(!claimed.includes(other.id), 'what others own is claimed')
        for (const kind of ['vm', 'disk'] as const) {
          assert.ok(
            seen.some((item) => item.kind === kind && item.owner === 'foreign'),
            `no ${kind} is listed as foreign`,
          )
        }
      }
    },
  },
  {
    name: 'machines of another installation are not found, not stopped, not rebooted and not taken over',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVm(c)
      const { vms } = c.adapter
      assert.equal(await vms.get(theirs.id, c.call()), undefined)
      await harmless(vms.stop(theirs.id, { force: true }, c.call()))
      await refused(vms.reboot(theirs.id, c.call()), ['NOT_FOUND', 'CONFLICT', 'DENIED'])
      await refused(vms.start({ ...c.spec(), id: theirs.id }, c.call()), ['CONFLICT', 'DENIED'])
      assert.equal((await c.stranger.vms.get(theirs.id, c.call()))?.state, 'running')
    },
  },
  {
    name: 'machines of another installation are given no disk and lose none',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVm(c)
      const held = theirs.disks.map(({ volume }) => volume)
      const more = c.attachment(await c.disk(), { deviceId: 5 })
      await refused(c.adapter.disks.attach(theirs.id, more, c.call()), ['NOT_FOUND', 'CONFLICT', 'DENIED'])
      for (const volume of held) {
        await harmless(c.adapter.disks.detach(theirs.id, { volume, generation: 9 }, c.call()))
      }
      const left = await c.stranger.vms.get(theirs.id, c.call())
      assert.deepEqual(
        left?.disks.map(({ volume }) => volume),
        held,
      )
    },
  },
  {
    name: 'no facet reads or changes a machine of another installation',
    needs: ['stranger'],
    async run(c) {
      const theirs = await strangersVm(c)
      const [disk] = theirs.disks
      assert.ok(disk, 'the machine has lost its disk')
      const { throttle, stats, resize, quiesce, migration } = c.adapter
      const keeps = c.adapter.limits.qos
      const { volume, bytes } = disk
      const codes = ['NOT_FOUND', 'CONFLICT', 'DENIED'] as const
      if (throttle && keeps) {
        await refused(throttle.apply(theirs.id, { volume, qos: maximum(keeps, 1) }, c.call()), codes)
        await refused(throttle.read(theirs.id, volume, c.call()), codes)
      }
      if (stats) await refused(stats.read(theirs.id, volume, c.call()), codes)
      if (resize) await refused(resize.refresh(theirs.id, { volume, bytes }, c.call()), codes)
      if (quiesce) await refused(quiesce.freeze(theirs.id, { withinMs: 1000 }, c.call()), codes)
      if (migration) await refused(migration.describe(theirs.id, c.call()), codes)
      assert.deepEqual((await c.stranger.vms.get(theirs.id, c.call()))?.disks, theirs.disks)
    },
  },
]

/** Either nothing happens, or the call is refused and says that nothing happened. */
async function harmless(promise: Promise<unknown>): Promise<void> {
  const error = await failureOf(promise)
  if (error) assert.equal(error.effect, 'none')
}

/** A machine of the other installation, with a disk. */
async function strangersVm(c: HypervisorContext): Promise<BackendVm> {
  const spec = { ...c.spec([c.attachment(await c.disk())]), id: newId<'vm'>() }
  c.defer(() => c.stranger.vms.stop(spec.id, { force: true }, c.call()))
  return c.stranger.vms.start(spec, c.call())
}

function list(c: HypervisorContext, eyes: HypervisorAdapter): Promise<readonly HypervisorInventoryItem[]> {
  return allPages((cursor) => eyes.inventory.list(cursor, c.call()))
}
