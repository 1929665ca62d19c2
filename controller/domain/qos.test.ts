import { QOS_AXES, type Qos, type QosCapability, type QosRate } from '@moorage/contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asksNothing, guaranteedIops, qosFaults, readQos, unkept } from './qos.ts'

const number = fc.integer({ min: 1, max: 100_000 })
const rate: fc.Arbitrary<QosRate> = fc.record(
  { min: number, max: number, burst: number, burstSeconds: number },
  { requiredKeys: [] },
)
const vector: fc.Arbitrary<Qos> = fc.oneof(
  fc.tuple(fc.constantFrom(...QOS_AXES), rate).map(([axis, part]) => ({ [axis]: part })),
  fc.record({ totalIops: rate, readBytes: rate, writeBytes: rate, ioBytes: number }, { requiredKeys: [] }),
)

describe('a QoS vector', () => {
  test.each([
    [{ totalIops: { min: 100, max: 50 } }, 'totalIops min 100 is above totalIops max 50'],
    [{ readIops: { max: 500, burst: 400 } }, 'readIops max 500 is above readIops burst 400'],
    [{ totalIops: { min: 500, burst: 400 } }, 'totalIops min 500 is above totalIops burst 400'],
    [{ totalIops: { burstSeconds: 10 } }, 'totalIops burstSeconds needs totalIops burst'],
    [{ totalIops: { max: 1 }, readIops: { max: 1 } }, 'totalIops excludes readIops and writeIops'],
    [{ totalBytes: { max: 1 }, writeBytes: { max: 1 } }, 'totalBytes excludes readBytes and writeBytes'],
    [{ totalIops: { max: 0 } }, 'totalIops max must be a positive whole number'],
    [{ totalIops: { max: 1.5 } }, 'totalIops max must be a positive whole number'],
    [{ ioBytes: -4096 }, 'ioBytes must be a positive whole number'],
  ] satisfies readonly (readonly [Qos, string])[])('%j is refused: %s', (qos, fault) => {
    expect(qosFaults(qos)).toEqual([fault])
  })

  test('without faults keeps min <= max <= burst on every axis', () => {
    fc.assert(
      fc.property(vector, (qos) => {
        fc.pre(qosFaults(qos).length === 0)
        for (const axis of QOS_AXES) {
          const { min = 0, max = Number.MAX_SAFE_INTEGER, burst = Number.MAX_SAFE_INTEGER } = qos[axis] ?? {}
          expect(min).toBeLessThanOrEqual(Math.min(max, burst))
          if (qos[axis]?.max !== undefined) expect(max).toBeLessThanOrEqual(burst)
        }
      }),
    )
  })

  test('is read back from the database as it was written, and nothing else is', () => {
    fc.assert(
      fc.property(vector, (qos) => {
        expect(readQos(JSON.parse(JSON.stringify(qos)))).toEqual(qos)
      }),
    )
    for (const wrong of [
      null,
      7,
      [],
      { speed: {} },
      { totalIops: 5 },
      { totalIops: { max: '5' } },
      { ioBytes: '4k' },
    ]) {
      expect(() => readQos(wrong)).toThrow(TypeError)
    }
  })

  test('guarantees the sum of its minimum IOPS', () => {
    expect(guaranteedIops({ totalIops: { min: 300, max: 900 } })).toBe(300)
    expect(guaranteedIops({ readIops: { min: 100 }, writeIops: { min: 50 } })).toBe(150)
    expect(guaranteedIops({ totalIops: { max: 900 }, totalBytes: { min: 1_000_000 } })).toBe(0)
  })

  test('asks nothing when it is empty, however that is written', () => {
    expect([{}, { totalIops: {} }, { ioBytes: 4096 }].map(asksNothing)).toEqual([true, true, true])
    expect(asksNothing({ readBytes: { max: 1 } })).toBe(false)
  })
})

const THROTTLE: QosCapability = { axes: ['totalIops'], parts: ['max'], iops: { min: 10, max: 1000 }, ioBytes: 'none' }

describe('what a back end does not keep', () => {
  test('is named axis by axis and part by part', () => {
    expect(unkept({ totalIops: { min: 100, max: 500 } }, THROTTLE, 'the array')).toEqual([
      'the array does not keep totalIops min',
    ])
    expect(unkept({ readBytes: { max: 1 } }, THROTTLE, 'the array')).toEqual(['the array does not keep readBytes'])
    expect(unkept({ totalIops: { max: 5 } }, THROTTLE, 'the array')).toEqual([
      'totalIops max 5 lies outside 10 to 1000, which is what the array accepts',
    ])
    expect(unkept({ totalIops: { max: 50 }, ioBytes: 8192 }, THROTTLE, 'the array')).toHaveLength(1)
  })

  test('is nothing when nothing is asked, and everything when it keeps none', () => {
    expect(unkept({}, undefined, 'the array')).toEqual([])
    expect(unkept({ totalIops: { max: 50 } }, undefined, 'the array')).toEqual(['the array keeps no QoS'])
    expect(unkept({ totalIops: { max: 50 } }, THROTTLE, 'the array')).toEqual([])
  })
})
