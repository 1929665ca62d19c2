import assert from 'node:assert/strict'
import { type AppliedQos, differingAxes, type Qos, type QosCapability, sameQos } from '@moorage/contract'
import { failureOf, newId, refused } from '../check.ts'
import { axisOf, everyPart, maximum, vector, wrongVectors } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `qos`. */
export const qosCases: readonly StorageCase[] = [
  {
    name: 'QoS asked for at creation is enforced and reported by create, get and read alike',
    needs: ['qos'],
    async run(c) {
      const asked = everyPart(capability(c))
      const made = await c.volume({ qos: asked })
      assert.ok(made.qos, 'create did not report the QoS that it applied')
      honest(made.qos, asked)
      same(await c.facet('qos').read(made.id, c.call()), made.qos.applied, 'read after create')
      same((await c.provider.volumes.get(made.id, c.call()))?.qos?.applied, made.qos.applied, 'get after create')
    },
  },
  {
    name: 'a maximum inside the range of the limits is applied as asked, not clamped',
    needs: ['qos'],
    async run(c) {
      const volume = await c.volume()
      for (const level of [1, 2]) {
        const asked = maximum(capability(c), level)
        const answer = await c.facet('qos').apply(volume.id, asked, c.call())
        same(answer.applied, asked, 'applied')
        assert.deepEqual(answer.clamped, [])
        same(await c.facet('qos').read(volume.id, c.call()), asked, 'read back')
      }
    },
  },
  {
    name: 'what apply answers is what read shows, and clamped names exactly the axes that differ from the request',
    needs: ['qos'],
    async run(c) {
      const volume = await c.volume()
      const asked = everyPart(capability(c))
      for (let times = 0; times < 2; times++) {
        const answer = await c.facet('qos').apply(volume.id, asked, c.call())
        honest(answer, asked)
        same(await c.facet('qos').read(volume.id, c.call()), answer.applied, 'read back')
      }
    },
  },
  {
    name: 'a number outside the range is clamped and reported, or refused as LIMIT; never silently different',
    needs: ['qos'],
    async run(c) {
      const range = capability(c).iops
      if (!range) throw new NotApplicable('the limits name no range')
      const volume = await c.volume()
      const before = await c.facet('qos').read(volume.id, c.call())
      const axis = axisOf(capability(c))
      const asked = vector(axis, { max: range.max * 2 })
      const outcome: { answer?: AppliedQos } = {}
      const error = await failureOf(
        c
          .facet('qos')
          .apply(volume.id, asked, c.call())
          .then((a) => (outcome.answer = a)),
      )
      const now = await c.facet('qos').read(volume.id, c.call())
      if (error) {
        assert.deepEqual([error.code, error.effect], ['LIMIT', 'none'])
        same(now, before, 'read after LIMIT')
        return
      }
      assert.ok(outcome.answer)
      honest(outcome.answer, asked)
      assert.deepEqual(outcome.answer.clamped, [axis], 'the clamped axis')
      assert.ok((now[axis]?.max ?? Infinity) <= range.max, `${axis}.max is ${now[axis]?.max}, above the range`)
      same(now, outcome.answer.applied, 'read back')
    },
  },
  {
    name: 'an empty vector takes every limit away',
    needs: ['qos'],
    async run(c) {
      const volume = await c.volume({ qos: maximum(capability(c), 1) })
      const answer = await c.facet('qos').apply(volume.id, {}, c.call())
      same(answer.applied, {}, 'applied')
      same(await c.facet('qos').read(volume.id, c.call()), {}, 'read back')
    },
  },
  {
    name: 'a vector that contradicts itself or asks for what is not kept is refused, and the old one stays',
    needs: ['qos'],
    async run(c) {
      const volume = await c.volume({ qos: maximum(capability(c), 1) })
      const before = await c.facet('qos').read(volume.id, c.call())
      for (const { qos, wrong } of wrongVectors(capability(c))) {
        const error = await failureOf(c.facet('qos').apply(volume.id, qos, c.call()))
        assert.ok(error, `accepted ${wrong}`)
        assert.ok(['INVALID', 'UNSUPPORTED'].includes(error.code), `${wrong}: ${error.code}`)
        assert.equal(error.effect, 'none')
        same(await c.facet('qos').read(volume.id, c.call()), before, `read after ${wrong}`)
      }
    },
  },
  {
    name: 'a late change of QoS below the fence of a newer one is refused and changes nothing',
    needs: ['qos'],
    async run(c) {
      const volume = await c.volume()
      const newer = maximum(capability(c), 2)
      await c.facet('qos').apply(volume.id, newer, c.call({ fence: 2007 }))
      await refused(c.facet('qos').apply(volume.id, maximum(capability(c), 1), c.call({ fence: 2005 })), 'FENCED')
      same(await c.facet('qos').read(volume.id, c.call()), newer, 'read back')
    },
  },
  {
    name: 'QoS of a volume that is not there is refused as NOT_FOUND',
    needs: ['qos'],
    async run(c) {
      await refused(c.facet('qos').apply(newId(), {}, c.call()), 'NOT_FOUND')
      await refused(c.facet('qos').read(newId(), c.call()), 'NOT_FOUND')
    },
  },
  {
    name: 'QoS of one volume leaves another alone',
    needs: ['qos'],
    async run(c) {
      const [one, two] = [await c.volume({ qos: maximum(capability(c), 1) }), await c.volume()]
      await c.facet('qos').apply(two.id, maximum(capability(c), 2), c.call())
      same(await c.facet('qos').read(one.id, c.call()), maximum(capability(c), 1), 'the other volume')
    },
  },
]

function capability(c: StorageContext): QosCapability {
  const { qos } = c.provider.limits
  assert.ok(qos, 'limits.qos is absent although there is a facet qos')
  return qos
}

function honest(answer: AppliedQos, asked: Qos): void {
  assert.deepEqual(
    answer.clamped.toSorted(),
    differingAxes(asked, answer.applied).toSorted(),
    'axes reported as clamped',
  )
}

function same(actual: Qos | undefined, expected: Qos, what: string): void {
  const shown = `${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`
  assert.ok(actual && sameQos(actual, expected), shown)
}
