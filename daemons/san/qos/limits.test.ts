import { PluginError, type Qos, sameQos } from '@moorage/contract'
import { assert, constantFrom, integer, option, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { ceilingOf, fitQos, limitsOf, qosOf, readQos, sameLimits } from './limits.ts'

function refusal(value: unknown): string {
  try {
    readQos(value, 'qos')
  } catch (error) {
    if (error instanceof PluginError && error.effect === 'none') return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

test('a vector that contradicts itself is refused, naming the part', () => {
  expect(refusal({ totalIops: { min: 300, max: 200 } })).toContain('INVALID qos.totalIops.min')
  expect(refusal({ totalIops: { burst: 300 } })).toContain('INVALID qos.totalIops.burst needs')
  expect(refusal({ totalIops: { max: 300, burst: 200 } })).toContain('INVALID qos.totalIops.burst is below')
  expect(refusal({ totalIops: { max: 300, burstSeconds: 5 } })).toContain('INVALID qos.totalIops.burstSeconds needs')
  expect(refusal({ totalIops: { max: 1 }, readIops: { max: 1 } })).toContain('exclude each other')
  expect(refusal({ totalBytes: { max: 1 }, writeBytes: { max: 1 } })).toContain('exclude each other')
  expect(refusal({ totalIops: { max: 0 } })).toContain('INVALID qos.totalIops.max')
  expect(refusal({ totalIops: { max: '5' } })).toContain('INVALID')
  expect(refusal({ iops: { max: 5 } })).toContain('INVALID qos.iops')
  expect(refusal({ totalIops: { most: 5 } })).toContain('INVALID qos.totalIops.most')
  expect(refusal(undefined)).toContain('INVALID')
})

test('a minimum that the allocator does not keep is refused as unsupported', () => {
  expect(refusal({ writeIops: { min: 100 } })).toContain('UNSUPPORTED qos.writeIops.min')
  expect(refusal({ totalBytes: { min: 1e6 } })).toContain('UNSUPPORTED')
  expect(refusal({ totalIops: { min: 100 } })).toBe('accepted')
})

test('empty rates are no QoS at all', () => {
  expect(readQos({ totalIops: {} }, 'qos')).toEqual({})
})

test('limits out of range are moved into it and reported', () => {
  expect(fitQos({ totalIops: { max: 3 } })).toEqual({ applied: { totalIops: { max: 10 } }, clamped: ['totalIops'] })
  expect(fitQos({ readBytes: { max: 10 }, writeBytes: { max: 1e6 } })).toEqual({
    applied: { readBytes: { max: 65_536 }, writeBytes: { max: 1_000_000 } },
    clamped: ['readBytes'],
  })
  expect(fitQos({ totalIops: { max: 500 } }).clamped).toEqual([])
})

test('a burst lasts L * max / (max - avg) seconds, L being the smallest whole number that gives the asked time', () => {
  const { applied, clamped } = fitQos({ totalIops: { max: 200, burst: 600, burstSeconds: 5 } })
  expect(applied).toEqual({ totalIops: { max: 200, burst: 600, burstSeconds: 6 } })
  expect(clamped).toEqual(['totalIops'])
  expect(limitsOf(applied)).toMatchObject({ 'iops-total': 200, 'iops-total-max': 600, 'iops-total-max-length': 4 })
  expect(fitQos(applied).clamped).toEqual([])
})

test('a burst that is no more than the sustained limit is none', () => {
  const { applied, clamped } = fitQos({ totalIops: { max: 200, burst: 200, burstSeconds: 9 } })
  expect(clamped).toEqual([])
  expect(limitsOf(applied)).toMatchObject({ 'iops-total': 200, 'iops-total-max': 0, 'iops-total-max-length': 1 })
})

test('every key is named, because QEMU keeps what is not', () => {
  const limits = limitsOf({})
  expect(Object.keys(limits)).toHaveLength(19)
  expect(limits).toMatchObject({ 'iops-total': 0, 'bps-write-max': 0, 'bps-read-max-length': 1, 'iops-size': 0 })
})

test('the I/O size is left out where no operations are limited, because QEMU refuses it there', () => {
  expect(limitsOf({ totalBytes: { max: 1e6 }, ioBytes: 4096 })['iops-size']).toBe(0)
  expect(limitsOf({ writeIops: { max: 100 }, ioBytes: 4096 })['iops-size']).toBe(4096)
})

test('a cap lowers the sustained limit, or only the burst when it lies between the two', () => {
  const qos: Qos = { totalIops: { max: 200, burst: 600, burstSeconds: 6 } }
  expect(limitsOf(qos, { iops: 150, readShare: 0 })).toMatchObject({ 'iops-total': 150, 'iops-total-max': 0 })
  expect(limitsOf(qos, { iops: 400, readShare: 0 })).toMatchObject({ 'iops-total': 200, 'iops-total-max': 400 })
  expect(limitsOf({}, { iops: 300, readShare: 1 })).toMatchObject({ 'iops-total': 300 })
  const apart: Qos = { readIops: { max: 1000 }, writeIops: { max: 1000 } }
  expect(limitsOf(apart, { iops: 400, readShare: 0.75 })).toMatchObject({ 'iops-read': 300, 'iops-write': 100 })
})

const rate = record({
  max: integer({ min: 70_000, max: 900_000 }),
  over: integer({ min: 0, max: 90_000 }),
  seconds: integer({ min: 1, max: 60 }),
}).map(({ max, over, seconds }) => (over === 0 ? { max } : { max, burst: max + over, burstSeconds: seconds }))
const vectors = record({
  one: constantFrom('totalIops', 'readIops', 'writeIops'),
  other: constantFrom('totalBytes', 'readBytes', 'writeBytes'),
  first: option(rate, { nil: undefined }),
  second: option(rate, { nil: undefined }),
}).map(({ one, other, first, second }): Qos => ({ ...(first && { [one]: first }), ...(second && { [other]: second }) }))

test('what is set reads back as what was said to be applied', () => {
  assert(
    property(vectors, (asked) => {
      const { applied, clamped } = fitQos(asked)
      const limits = limitsOf(applied)
      expect(sameQos(qosOf(limits), applied)).toBe(true)
      expect(sameLimits(limitsOf(qosOf(limits)), limits)).toBe(true)
      expect(sameQos(fitQos(applied).applied, applied)).toBe(true)
      if (clamped.length === 0) expect(sameQos(asked, applied)).toBe(true)
    }),
  )
})

test('the ceiling is the burst where there is one, and unlimited where nothing limits operations', () => {
  expect(ceilingOf({})).toBe(Infinity)
  expect(ceilingOf({ totalBytes: { max: 1e6 } })).toBe(Infinity)
  expect(ceilingOf({ totalIops: { max: 200, burst: 600 } })).toBe(600)
  expect(ceilingOf({ readIops: { max: 200 } })).toBe(Infinity)
  expect(ceilingOf({ readIops: { max: 200 }, writeIops: { max: 300 } })).toBe(500)
})
