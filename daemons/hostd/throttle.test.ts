import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Qos, QOS_AXES, type QosRate } from '@moorage/contract'
import { appliedThrottle, throttleArguments, throttleOf } from './throttle.ts'

/** QEMU reports what it was told: the same names, 0 for what was not. */
function readBack(qos: Qos): Qos {
  return throttleOf(throttleArguments(qos))
}

test('every quantity is named, so that what a vector leaves out is lifted', () => {
  expect(throttleArguments({})).toEqual({ iops: 0, iops_rd: 0, iops_wr: 0, bps: 0, bps_rd: 0, bps_wr: 0 })
  expect(throttleArguments({ readIops: { max: 7 }, ioBytes: 8192 })).toMatchObject({
    iops_rd: 7,
    iops_wr: 0,
    iops_size: 8192,
  })
})

test('limits without bursts are read back as they were asked for', () => {
  const rate = fc.record({ max: fc.integer({ min: 1, max: 1_000_000 }) })
  const apart = fc.record({ readIops: rate, writeIops: rate, readBytes: rate, writeBytes: rate }, { requiredKeys: [] })
  fc.assert(
    fc.property(apart, (qos) => {
      expect(readBack(qos)).toEqual(qos)
    }),
  )
})

test('the length of a burst comes from the formula of the bucket and reads back as the seconds it lasts', () => {
  // 6 s at 600 from a bucket that drains at 200: 4 s x 600 = 6 s x (600 - 200).
  expect(throttleArguments({ totalIops: { max: 200, burst: 600, burstSeconds: 6 } })).toMatchObject({
    iops: 200,
    iops_max: 600,
    iops_max_length: 4,
  })
  const rates = fc
    .record({
      max: fc.integer({ min: 1, max: 10_000 }),
      more: fc.integer({ min: 1, max: 10_000 }),
      seconds: fc.integer({ min: 1, max: 600 }),
    })
    .map(({ max, more, seconds }): Required<Omit<QosRate, 'min'>> => ({
      max,
      burst: max + more,
      burstSeconds: seconds,
    }))
  fc.assert(
    fc.property(rates, (rate) => {
      const first = readBack({ totalIops: rate })
      const { max, burst, burstSeconds } = first.totalIops ?? {}
      expect({ max, burst }).toEqual({ max: rate.max, burst: rate.burst })
      // A whole number of bucket lengths, at most half a one away from what was asked.
      const oneLength = rate.burst / (rate.burst - rate.max)
      const got = burstSeconds ?? oneLength
      expect(Math.abs(got - rate.burstSeconds)).toBeLessThanOrEqual(
        Math.max(oneLength / 2, oneLength - rate.burstSeconds) + 1e-5,
      )
      expect(readBack(first)).toEqual(first)
    }),
  )
})

test('a burst length that had to be rounded is reported as clamped', () => {
  const asked = { totalIops: { max: 200, burst: 600, burstSeconds: 5 } }
  expect(appliedThrottle(asked, readBack(asked)).clamped).toEqual(['totalIops'])
  const exact = { totalIops: { max: 200, burst: 600 }, totalBytes: { max: 5 } }
  expect(appliedThrottle(exact, readBack(exact))).toEqual({ applied: exact, clamped: [] })
})

test('what a hypervisor cannot do is refused before anything changes', () => {
  const refused = (qos: Qos) => {
    try {
      throttleArguments(qos)
      return 'accepted'
    } catch (error) {
      return error
    }
  }
  for (const axis of QOS_AXES)
    expect(refused({ [axis]: { min: 1, max: 2 } })).toMatchObject({ code: 'UNSUPPORTED', effect: 'none' })
  for (const qos of [
    { totalIops: { max: 1 }, writeIops: { max: 1 } },
    { totalBytes: { max: 1 }, readBytes: { max: 1 } },
    { totalIops: { burst: 5 } },
    { totalIops: { max: 5, burst: 4 } },
    { totalIops: { max: 1.5 } },
  ]) {
    expect(refused(qos)).toMatchObject({ code: 'INVALID', effect: 'none' })
  }
  expect(refused({ readIops: { max: 1_000_001 } })).toMatchObject({ code: 'LIMIT', effect: 'none' })
  expect(refused({ readIops: { max: 0 } })).toMatchObject({ code: 'LIMIT', effect: 'none' })
})
