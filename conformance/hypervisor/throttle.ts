import assert from 'node:assert/strict'
import { type AppliedQos, differingAxes, type Qos, type QosCapability, sameQos } from '@moorage/contract'
import { failureOf, newId, refused } from '../check.ts'
import { axisOf, everyAxis, everyPart, maximum, sized, vector, wrongVectors } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import { attached, type HypervisorCase, type HypervisorContext } from './context.ts'

/** Promises of `throttle`. */
export const throttleCases: readonly HypervisorCase[] = [
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
      for (const max of [range.max * 2, range.min - 1]) {
        if (max < 1) continue
        const qos = vector(axis, { max })
        await c.facet('throttle').apply(vm, { volume, qos: {} }, c.call())
        const outcome: { answer?: AppliedQos } = {}
        const apply = c.facet('throttle').apply(vm, { volume, qos }, c.call())
        const error = await failureOf(apply.then((answer) => (outcome.answer = answer)))
        const now = await c.facet('throttle').read(vm, volume, c.call())
        if (error) {
          assert.deepEqual([error.code, error.effect], ['LIMIT', 'none'])
          same(now, {}, 'read after LIMIT')
          continue
        }
        assert.deepEqual(outcome.answer?.clamped, [axis])
        same(now, outcome.answer?.applied ?? {}, 'read back')
        const kept = now[axis]?.max ?? Infinity
        assert.ok(kept >= range.min && kept <= range.max, `${axis}.max is ${kept}, outside of the range`)
      }
    },
  },
  {
    name: 'every axis of a throttle that the limits name is kept, alone and beside those that go with it',
    needs: ['throttle'],
    async run(c) {
      const { vm, volume } = await attached(c)
      for (const qos of everyAxis(capability(c))) {
        same((await c.facet('throttle').apply(vm, { volume, qos }, c.call())).applied, qos, 'applied')
        same(await c.facet('throttle').read(vm, volume, c.call()), qos, 'read back')
      }
    },
  },
  {
    name: 'the size to which a throttle normalises I/O is kept',
    needs: ['throttle'],
    async run(c) {
      const qos = sized(capability(c))
      if (!qos) throw new NotApplicable('it keeps no size of I/O of its choice')
      const { vm, volume } = await attached(c)
      same((await c.facet('throttle').apply(vm, { volume, qos }, c.call())).applied, qos, 'applied')
      same(await c.facet('throttle').read(vm, volume, c.call()), qos, 'read back')
    },
  },
  {
    name: 'a throttle replaces the one before it as a whole',
    needs: ['throttle'],
    async run(c) {
      const all = everyAxis(capability(c))
      const [one, two] = [all[0] ?? {}, all.at(-1) ?? {}]
      if (all.length < 2) throw new NotApplicable('it keeps one axis')
      const { vm, volume } = await attached(c)
      for (const qos of [one, two, sized(capability(c)) ?? {}, one]) {
        await c.facet('throttle').apply(vm, { volume, qos }, c.call())
        same(await c.facet('throttle').read(vm, volume, c.call()), qos, 'read back')
      }
    },
  },
  {
    name: 'a throttle of one disk leaves another alone, and each machine shows its own',
    needs: ['throttle'],
    async run(c) {
      const [one, two] = [await c.disk(), await c.disk()]
      const vm = (await c.vm([c.attachment(one), c.attachment(two, { deviceId: 2 })])).id
      const limits = [
        { volume: one.volume, qos: maximum(capability(c), 1) },
        { volume: two.volume, qos: maximum(capability(c), 2) },
      ]
      for (const limit of limits) await c.facet('throttle').apply(vm, limit, c.call())
      const held = (await c.adapter.vms.get(vm, c.call()))?.disks
      for (const { volume, qos } of limits) {
        same(await c.facet('throttle').read(vm, volume, c.call()), qos, 'read back')
        same(held?.find((disk) => disk.volume === volume)?.throttle ?? {}, qos, 'shown by get')
      }
    },
  },
  {
    name: 'a reboot keeps throttles',
    needs: ['throttle'],
    async run(c) {
      const { vm, volume } = await attached(c)
      const qos = maximum(capability(c), 1)
      await c.facet('throttle').apply(vm, { volume, qos }, c.call())
      await c.adapter.vms.reboot(vm, c.call())
      same(await c.facet('throttle').read(vm, volume, c.call()), qos, 'after a reboot')
    },
  },
  {
    name: 'a machine starts with the throttles of its disks',
    needs: ['throttle'],
    async run(c) {
      const [disk, throttle] = [await c.disk(), maximum(capability(c), 1)]
      const vm = await c.vm([c.attachment(disk, { throttle })])
      same(await c.facet('throttle').read(vm.id, disk.volume, c.call()), throttle, 'after the start')
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
]

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
