import type { Qos } from '@moorage/contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { soldQos } from './offering.ts'
import { qosFaults } from './qos.ts'
import { offeredQos, turningSizes, volumeQos, withDefaults } from './qos-terms.ts'
import { GIB } from './size.ts'

describe('the vector of one volume', () => {
  const customized = { kind: 'customized', tier: 'any', qos: { totalIops: { burst: 5000 }, ioBytes: 4096 } } as const

  test('is the offering’s own when nothing is asked', () => {
    expect(volumeQos(customized, {}, GIB)).toEqual(customized.qos)
  })

  test('takes the caller’s numbers over a customised offering and keeps the rest', () => {
    expect(volumeQos(customized, { minIops: 100, maxIops: 200 }, GIB)).toEqual({
      totalIops: { min: 100, max: 200, burst: 5000 },
      ioBytes: 4096,
    })
  })

  test('refuses numbers on a fixed offering, and numbers that contradict each other', () => {
    expect(() => volumeQos({ ...customized, kind: 'fixed' }, { minIops: 1 }, GIB)).toThrow('does not allow custom IOPS')
    expect(() => volumeQos(customized, { minIops: 300, maxIops: 200 }, GIB)).toThrow('miniops 300 is above maxiops 200')
    expect(() => volumeQos(customized, { maxIops: 6000 }, GIB)).toThrow('maxiops 6000 is above burstiops 5000')
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
          qos = volumeQos(customized, request, GIB)
        } catch {
          return
        }
        expect(qosFaults(qos)).toEqual([])
      }),
    )
  })
})

describe('IOPS per GiB', () => {
  const rates = { miniopspergb: 3, lowestminiops: 100, highestminiops: 16_000, maxiopspergb: 30, burstiops: 400_000 }
  const sold = soldQos({ ...rates, lowestmaxiops: 300, highestmaxiops: 300_000 })
  const at = (gib: number) => volumeQos(sold, {}, gib * GIB).totalIops

  test('grow with the size, for every GiB begun, between floor and ceiling', () => {
    expect(at(1)).toEqual({ min: 100, max: 300, burst: 400_000 })
    expect(at(500)).toEqual({ min: 1500, max: 15_000, burst: 400_000 })
    expect(volumeQos(sold, {}, 500 * GIB + 1).totalIops).toMatchObject({ min: 1503, max: 15_030 })
    expect(at(1_000_000)).toMatchObject({ min: 16_000, max: 300_000 })
  })

  test('are never chosen by a caller', () => {
    expect(() => volumeQos(sold, { maxIops: 9 }, GIB)).toThrow("'Max IOPS' parameter: its IOPS follow from the size")
  })

  test('that contradict each other at some size are not sold, and the size is named', () => {
    expect(() => soldQos(rates)).toThrow('in a volume of 1 GiB, not possible: miniops 100 is above maxiops 30')
    expect(() => soldQos({ miniopspergb: 3, maxiops: 1000 })).toThrow(
      'in a volume of 334 GiB, not possible: miniops 1002 is above maxiops 1000',
    )
    expect(soldQos({ miniopspergb: 3, maxiops: 1000 }, 300)).toMatchObject({ perGib: { min: { perGib: 3 } } })
    expect(() => soldQos({ miniopspergb: 3, maxiops: 1000 }, 400)).toThrow('a volume of 400 GiB')
  })

  test('are sold with rates that fit together only, naming the parameters', () => {
    const refused = (given: Parameters<typeof soldQos>[0], why: string) => expect(() => soldQos(given)).toThrow(why)
    refused({ miniops: 5, miniopspergb: 3 }, 'Parameters miniops and miniopspergb exclude each other')
    refused({ lowestminiops: 5 }, 'Parameter lowestminiops goes with miniopspergb, which is not given')
    refused({ highestmaxiops: 5 }, 'Parameter highestmaxiops goes with maxiopspergb')
    refused({ maxiopspergb: 3, lowestmaxiops: 9, highestmaxiops: 8 }, 'lowestmaxiops: 9 is above highestmaxiops 8')
    refused({ maxiopspergb: 3, customizediops: true }, 'Parameter customizediops excludes maxiopspergb')
    refused({ maxiopspergb: 3, bytesreadrate: 3 }, 'maxiopspergb (storage QoS) and bytesreadrate (hypervisor QoS)')
    refused({ miniopspergb: 3, qostier: 'hypervisor' }, 'qostier=hypervisor and miniopspergb exclude each other')
    expect(soldQos({ maxiopspergb: 3, qostier: 'hypervisor' })).toMatchObject({ tier: 'hypervisor' })
  })

  test('are sound at every size, or not sold', () => {
    const part = fc.record({ rate: fc.integer({ min: 1, max: 50 }), low: fc.integer({ min: 1, max: 900 }) })
    const [top, gib] = [fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 9000 })]
    fc.assert(
      fc.property(fc.record({ min: part, max: part, top, gib }), ({ min, max, ...at }) => {
        const given = { miniopspergb: min.rate, lowestminiops: min.low, maxiopspergb: max.rate, lowestmaxiops: max.low }
        let offered
        try {
          offered = soldQos({ ...given, highestminiops: min.low + at.top })
        } catch {
          return
        }
        expect(qosFaults(volumeQos(offered, {}, at.gib * GIB))).toEqual([])
      }),
    )
  })

  test('are looked at where they turn, and at both ends', () => {
    expect(turningSizes({ min: { perGib: 3, least: 10 } }, 100)).toEqual([1, 2, 3, 4, 5, 100])
  })

  test('are read from the database as they were written, and nothing else is', () => {
    const row = { qosKind: 'fixed', qosTier: 'storage', qos: {} } as const
    expect(offeredQos({ ...row, qosPerGib: null })).toEqual({ kind: 'fixed', tier: 'storage', qos: {} })
    expect(offeredQos({ ...row, qosPerGib: { min: { perGib: 3 } } })).toMatchObject({ perGib: { min: { perGib: 3 } } })
    for (const qosPerGib of [3, { min: 3 }, { min: {} }, { size: { perGib: 3 } }])
      expect(() => offeredQos({ ...row, qosPerGib })).toThrow('stored rates per GiB')
  })
})

describe('the default limits of the installation', () => {
  const defaults = { readIops: { max: 500 }, writeBytes: { max: 1_000_000 } }

  test('hold for what is sold without QoS, and the hypervisor enforces them', () => {
    expect(withDefaults(soldQos({}), defaults)).toEqual({ kind: 'fixed', tier: 'hypervisor', qos: defaults })
    expect(withDefaults(soldQos({}), {})).toEqual(soldQos({}))
  })

  test('hold for what the hypervisor limits, where the offering says nothing itself', () => {
    const own = soldQos({ iopsreadrate: 100, byteswriterate: 50 })
    expect(withDefaults(own, { ...defaults, writeIops: { max: 9 } }).qos).toEqual({ ...own.qos, writeIops: { max: 9 } })
    const total = soldQos({ maxiops: 100, qostier: 'hypervisor' })
    expect(withDefaults(total, defaults).qos).toEqual({ ...total.qos, writeBytes: { max: 1_000_000 } })
  })

  test('never hold where an array may enforce', () => {
    for (const qostier of ['storage', 'any'] as const)
      expect(withDefaults(soldQos({ maxiops: 100, qostier }), defaults).qos).toEqual({ totalIops: { max: 100 } })
  })
})
