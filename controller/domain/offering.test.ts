import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refusal } from './failures.ts'
import { type QosParameters, soldQos } from './offering.ts'
import { asksNothing } from './qos.ts'

function refusal(given: QosParameters): string {
  try {
    soldQos(given)
  } catch (error) {
    if (error instanceof Refusal && error.code === 'INVALID') return error.message
    throw error
  }
  throw new Error('it was not refused')
}

describe('the QoS that an offering sells', () => {
  it('is nothing without parameters', () => {
    expect(soldQos({})).toEqual({ qos: {}, tier: 'none', kind: 'fixed' })
  })

  it('holds miniops and maxiops, also without customizediops=false', () => {
    const sold = { qos: { totalIops: { min: 100, max: 200 } }, tier: 'storage', kind: 'fixed' }
    expect(soldQos({ miniops: 100, maxiops: 200 })).toEqual(sold)
    expect(soldQos({ miniops: 100, maxiops: 200, customizediops: false })).toEqual(sold)
  })

  it('holds the whole vector of the storage tier', () => {
    const given = { miniops: 500, maxiops: 2000, burstiops: 4000, burstseconds: 30, iosize: 4096 }
    const total = { min: 500, max: 2000, burst: 4000, burstSeconds: 30 }
    expect(soldQos(given).qos).toEqual({ totalIops: total, ioBytes: 4096 })
  })

  it('holds reads and writes apart in the hypervisor tier', () => {
    const given = { iopsreadrate: 100, iopsreadratemax: 300, iopsreadratemaxlength: 5, byteswriterate: 1_000_000 }
    expect(soldQos(given)).toEqual({
      qos: { readIops: { max: 100, burst: 300, burstSeconds: 5 }, writeBytes: { max: 1_000_000 } },
      tier: 'hypervisor',
      kind: 'fixed',
    })
  })

  it('takes 0 for "not limited", as CloudStack does', () => {
    expect(soldQos({ iopsreadrate: 0, byteswriterate: 0 })).toEqual({ qos: {}, tier: 'none', kind: 'fixed' })
  })

  it('refuses both kinds at once, naming the parameters of each', () => {
    const text = refusal({ miniops: 100, iopsreadrate: 50, byteswriteratemax: 10 })
    for (const name of ['miniops', 'iopsreadrate', 'byteswriteratemax']) expect(text).toContain(name)
  })

  it('refuses a minimum above the maximum, and a maximum above the burst, by the names of the parameters', () => {
    expect(refusal({ miniops: 300, maxiops: 200 })).toContain('miniops 300 is above maxiops 200')
    expect(refusal({ maxiops: 300, burstiops: 200 })).toContain('maxiops 300 is above burstiops 200')
    expect(refusal({ maxiops: 300, burstseconds: 10 })).toContain('burstseconds needs burstiops')
  })

  it('refuses a minimum that only the hypervisor would keep', () => {
    expect(refusal({ miniops: 100, qostier: 'hypervisor' })).toContain('qostier')
  })

  it('lets a maximum be kept by either when told so', () => {
    expect(soldQos({ maxiops: 100, qostier: 'any' }).tier).toBe('any')
    expect(soldQos({ maxiops: 100, qostier: 'hypervisor' }).tier).toBe('hypervisor')
  })

  it('refuses a tier for no QoS at all', () => {
    expect(refusal({ qostier: 'storage' })).toContain('qostier')
  })

  it('is customised for each volume when told so', () => {
    expect(soldQos({ customizediops: true })).toEqual({ qos: {}, tier: 'storage', kind: 'customized' })
  })

  it('never mixes the tiers nor breaks the order of its numbers, whatever is asked', () => {
    const number = fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined })
    const names = ['miniops', 'maxiops', 'burstiops', 'iopsreadrate', 'iopsreadratemax', 'byteswriterate'] as const
    const parameters = fc.record(Object.fromEntries(names.map((name) => [name, number])), { requiredKeys: [] })
    fc.assert(
      fc.property(parameters, (given) => {
        let sold
        try {
          sold = soldQos(given)
        } catch (error) {
          return error instanceof Refusal && error.code === 'INVALID'
        }
        const { min = 0, max = Infinity, burst = Infinity } = sold.qos.totalIops ?? {}
        const apart = sold.qos.readIops !== undefined || sold.qos.writeBytes !== undefined
        const mixed = apart && sold.qos.totalIops !== undefined
        return (
          !mixed && min <= max && (max === Infinity || max <= burst) && (sold.tier === 'none') === asksNothing(sold.qos)
        )
      }),
    )
  })
})
