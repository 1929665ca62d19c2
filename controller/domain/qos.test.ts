import { QOS_AXES, type Qos, type QosCapability, type QosRate } from '@moorage/contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asksNothing, guaranteedIops, qosFaults, readQos, unkept, volumeQos } from './qos.ts'

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
    [{ totalIops: { min: 100, max: 50 } }, 'totalIops min 100 is above max 50'],
    [{ readIops: { max: 500, burst: 400 } }, 'readIops max 500 is above burst 400'],
    [{ totalIops: { min: 500, burst: 400 } }, 'totalIops min 500 is above burst 400'],
    [{ totalIops: { burstSeconds: 10 } }, 'totalIops burstSeconds needs a burst'],
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
      'the array does not keep min of totalIops',
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

describe('the vector of one volume', () => {
  const customized = { kind: 'customized', tier: 'any', qos: { totalIops: { burst: 5000 }, ioBytes: 4096 } } as const

  test('is the offering’s own when nothing is asked', () => {
    expect(volumeQos(customized, {})).toEqual(customized.qos)
  })

  test('takes the caller’s numbers over a customised offering and keeps the rest', () => {
    expect(volumeQos(customized, { minIops: 100, maxIops: 200 })).toEqual({
      totalIops: { min: 100, max: 200, burst: 5000 },
      ioBytes: 4096,
    })
  })

  test('refuses numbers on a fixed offering, and numbers that contradict each other', () => {
    expect(() => volumeQos({ ...customized, kind: 'fixed' }, { minIops: 1 })).toThrow('does not allow custom IOPS')
    expect(() => volumeQos(customized, { minIops: 300, maxIops: 200 })).toThrow('miniops 300 is above max 200')
    expect(() => volumeQos(customized, { maxIops: 6000 })).toThrow('maxiops 6000 is above burst 5000')
  })

  test('is sound or refused, whatever is asked', () => {
    const asked = fc.record(
      { minIops: fc.integer(), maxIops: fc.integer(), burstIops: fc.integer() },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(asked, (request) => {
        let qos: Qos
        try {
          qos = volumeQos(customized, request)
        } catch {
          return
        }
        expect(qosFaults(qos)).toEqual([])
      }),
    )
  })
})
