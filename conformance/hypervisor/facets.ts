import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type AppliedQos,
  differingAxes,
  FAILURES,
  PluginError,
  type Qos,
  type QosCapability,
  sameQos,
  type VmId,
} from '@moorage/contract'
import { eventually, failureOf, newId, pattern, refused } from '../check.ts'
import { axisOf, everyPart, maximum, vector, wrongVectors } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { HypervisorCase, HypervisorContext } from './context.ts'

const BOOT_MS = 60_000

/** Promises of `throttle`, `resize`, `stats` and `quiesce`. */
export const facetCases: readonly HypervisorCase[] = [
  {
    name: 'a throttle given at attach is in force, and read back as reported',
    needs: ['throttle'],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      const throttle = maximum(capability(c), 1)
      const held = await c.adapter.disks.attach(vm.id, c.attachment(disk, { throttle }), c.call())
      same(held.throttle, throttle, 'reported by attach')
      same(await c.facet('throttle').read(vm.id, disk.volume, c.call()), throttle, 'read back')
    },
  },
  {
    name: 'a throttle is changed and lifted on a running machine, and what apply answers is what read shows',
    needs: ['throttle'],
    async run(c) {
      const { vm, volume } = await attached(c)
      for (const qos of [maximum(capability(c), 1), everyPart(capability(c)), maximum(capability(c), 2), {}]) {
        const answer = await c.facet('throttle').apply(vm, { volume, qos }, c.call())
        honest(answer, qos)
        same(await c.facet('throttle').read(vm, volume, c.call()), answer.applied, 'read back')
      }
      same(await c.facet('throttle').read(vm, volume, c.call()), {}, 'after the last')
    },
  },
  {
    name: 'a throttle outside the range is clamped and reported, or refused as LIMIT; never silently different',
    needs: ['throttle'],
    async run(c) {
      const range = capability(c).iops
      if (!range) throw new NotApplicable('the limits name no range')
      const { vm, volume } = await attached(c)
      const axis = axisOf(capability(c))
      const qos = vector(axis, { max: range.max * 2 })
      const outcome: { answer?: AppliedQos } = {}
      const apply = c.facet('throttle').apply(vm, { volume, qos }, c.call())
      const error = await failureOf(apply.then((answer) => (outcome.answer = answer)))
      const now = await c.facet('throttle').read(vm, volume, c.call())
      if (error) {
        assert.deepEqual([error.code, error.effect], ['LIMIT', 'none'])
        same(now, {}, 'read after LIMIT')
      } else {
        assert.deepEqual(outcome.answer?.clamped, [axis])
        same(now, outcome.answer?.applied ?? {}, 'read back')
      }
    },
  },
  {
    name: 'a throttle that contradicts itself or asks for what is not kept is refused, and the old one stays',
    needs: ['throttle'],
    async run(c) {
      const { vm, volume } = await attached(c)
      const before = maximum(capability(c), 1)
      await c.facet('throttle').apply(vm, { volume, qos: before }, c.call())
      for (const { qos, wrong } of wrongVectors(capability(c))) {
        const error = await failureOf(c.facet('throttle').apply(vm, { volume, qos }, c.call()))
        assert.ok(error, `accepted ${wrong}`)
        assert.ok(['INVALID', 'UNSUPPORTED'].includes(error.code), `${wrong}: ${error.code}`)
        assert.equal(error.effect, 'none')
        same(await c.facet('throttle').read(vm, volume, c.call()), before, `read after ${wrong}`)
      }
    },
  },
  {
    name: 'a throttle of a disk that is not there is refused as NOT_FOUND',
    needs: ['throttle'],
    async run(c) {
      const vm = await c.vm()
      await refused(c.facet('throttle').apply(vm.id, { volume: newId(), qos: {} }, c.call()), 'NOT_FOUND')
      await refused(c.facet('throttle').read(vm.id, newId(), c.call()), 'NOT_FOUND')
    },
  },
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
      assert.ok(frozen.filesystems >= 0)
      const thawed = await c.facet('quiesce').thaw(vm, c.call())
      assert.equal(thawed.held, true)
      assert.ok(thawed.frozenMs >= 0 && thawed.frozenMs <= 20_000)
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
]

async function attached(c: HypervisorContext) {
  const [vm, disk] = [await c.vm(), await c.disk()]
  await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
  return { vm: vm.id, volume: disk.volume }
}

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

function capability(c: HypervisorContext): QosCapability {
  const { qos } = c.adapter.limits
  assert.ok(qos, 'limits.qos is absent although there is a facet throttle')
  return qos
}

function honest(answer: AppliedQos, asked: Qos): void {
  assert.deepEqual(
    answer.clamped.toSorted(),
    differingAxes(asked, answer.applied).toSorted(),
    'axes reported as clamped',
  )
}

function same(actual: Qos, expected: Qos, what: string): void {
  assert.ok(sameQos(actual, expected), `${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
}
