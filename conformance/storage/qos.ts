import assert from 'node:assert/strict'
import { type AppliedQos, differingAxes, type Qos, type QosCapability, sameQos, type VolumeId } from '@moorage/contract'
import { failureOf, newId, pattern, refused } from '../check.ts'
import { axisOf, everyAxis, everyPart, maximum, sized, vector, wrongVectors } from '../qos.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'

const MEBIBYTE = 1024 * 1024

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
      await outside(c, { id: volume.id, max: range.max * 2 })
      if (range.min > 1) await outside(c, { id: volume.id, max: range.min - 1 })
    },
  },
  {
    name: 'QoS outside the range is clamped and reported at creation as it is by apply, or the volume is not made',
    needs: ['qos'],
    async run(c) {
      const range = capability(c).iops
      if (!range) throw new NotApplicable('the limits name no range')
      const asked = vector(axisOf(capability(c)), { max: range.max * 2 })
      const spec = { ...c.spec(c.volumeId()), qos: asked }
      const error = await failureOf(c.provider.volumes.create(spec, c.call()))
      if (error) {
        assert.deepEqual([error.code, await c.has(spec.id)], ['LIMIT', false])
        return
      }
      const made = await c.provider.volumes.get(spec.id, c.call())
      assert.ok(made?.qos, 'get does not report the QoS')
      honest(made.qos, asked)
      same(await c.facet('qos').read(spec.id, c.call()), made.qos.applied, 'read after create')
    },
  },
  {
    name: 'every axis that the limits name is kept, alone and beside those that go with it',
    needs: ['qos'],
    async run(c) {
      const volume = await c.volume()
      for (const asked of everyAxis(capability(c))) {
        const answer = await c.facet('qos').apply(volume.id, asked, c.call())
        same(answer.applied, asked, 'applied')
        same(await c.facet('qos').read(volume.id, c.call()), asked, 'read back')
      }
    },
  },
  {
    name: 'the size to which I/O is normalised is kept',
    needs: ['qos'],
    async run(c) {
      const asked = sized(capability(c))
      if (!asked) throw new NotApplicable('it keeps no size of I/O of its choice')
      const volume = await c.volume()
      same((await c.facet('qos').apply(volume.id, asked, c.call())).applied, asked, 'applied')
      same(await c.facet('qos').read(volume.id, c.call()), asked, 'read back')
    },
  },
  {
    name: 'a vector replaces the one before it as a whole',
    needs: ['qos'],
    async run(c) {
      const [one, two] = [everyAxis(capability(c)), everyAxis(capability(c)).toReversed()]
      if (one.length < 2) throw new NotApplicable('it keeps one axis')
      const volume = await c.volume()
      for (const asked of [one[0] ?? {}, two[0] ?? {}, sized(capability(c)) ?? {}, one[0] ?? {}]) {
        await c.facet('qos').apply(volume.id, asked, c.call())
        same(await c.facet('qos').read(volume.id, c.call()), asked, 'read back')
      }
    },
  },
  {
    name: 'QoS stays while access is given and taken away',
    needs: ['qos', 'connect'],
    async run(c) {
      const asked = maximum(capability(c), 1)
      const volume = await c.volume({ qos: asked })
      await c.withDisk({ kind: 'volume', id: volume.id }, async () => {
        same(await c.facet('qos').read(volume.id, c.call()), asked, 'while a session is open')
      })
      same(await c.facet('qos').read(volume.id, c.call()), asked, 'after the withdraw')
    },
  },
  {
    name: 'a limit that somebody changed at the array itself is what read and get show',
    needs: ['qos', 'console'],
    async run(c) {
      if (!c.bench.console) throw new NotApplicable('the bench has no console')
      const volume = await c.volume({ qos: maximum(capability(c), 1) })
      const changed = maximum(capability(c), 2)
      await c.bench.console.setQos(volume.id, changed)
      same(await c.facet('qos').read(volume.id, c.call()), changed, 'read after the change')
      same((await c.provider.volumes.get(volume.id, c.call()))?.qos?.applied, changed, 'get after the change')
    },
  },
  {
    name: 'a limit is felt by whoever writes',
    needs: ['qos', 'connect', 'paced'],
    async run(c) {
      if (!c.bench.paced) throw new NotApplicable('no limit can be felt through the bench')
      const { axes, iops } = capability(c)
      const limit = Math.max(iops?.min ?? 1, 50)
      // Buckets that were full let a second's worth pass at once; a slow machine only makes it slower.
      const tries = [
        axes.includes('totalIops') && { axis: 'totalIops' as const, max: limit, writes: 2 * limit, bytes: 4096 },
        axes.includes('totalBytes') && { axis: 'totalBytes' as const, max: MEBIBYTE, writes: 12, bytes: MEBIBYTE / 4 },
      ]
      const { id } = await c.volume()
      await c.withDisk({ kind: 'volume', id }, async (disk) => {
        for (const { axis, max, writes, bytes } of tries.filter((each) => each !== false)) {
          // Applied while the session is open: a limit that only new sessions feel is none.
          await c.facet('qos').apply(id, vector(axis, { max }), c.call())
          const began = performance.now()
          for (let done = 0; done < writes; done++) await disk.write(0, pattern(1, bytes))
          const took = performance.now() - began
          const least = (1000 * writes * (axis === 'totalIops' ? 1 : bytes)) / max - 1200
          assert.ok(took > least, `${writes} writes under ${axis} ${max} took ${took.toFixed(0)} ms, not ${least}`)
        }
      })
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

/** Asks for a number that is outside of the range. */
async function outside(c: StorageContext, wanted: { readonly id: VolumeId; readonly max: number }): Promise<void> {
  const { id, max } = wanted
  const range = capability(c).iops
  const before = await c.facet('qos').read(id, c.call())
  const axis = axisOf(capability(c))
  const asked = vector(axis, { max })
  const outcome: { answer?: AppliedQos } = {}
  const apply = c.facet('qos').apply(id, asked, c.call())
  const error = await failureOf(apply.then((answer) => (outcome.answer = answer)))
  const now = await c.facet('qos').read(id, c.call())
  if (error) {
    assert.deepEqual([error.code, error.effect], ['LIMIT', 'none'])
    same(now, before, 'read after LIMIT')
    return
  }
  assert.ok(outcome.answer)
  honest(outcome.answer, asked)
  assert.deepEqual(outcome.answer.clamped, [axis], 'the clamped axis')
  const kept = now[axis]?.max ?? Infinity
  assert.ok(range && kept >= range.min && kept <= range.max, `${axis}.max is ${kept}, outside of the range`)
  same(now, outcome.answer.applied, 'read back')
}

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
