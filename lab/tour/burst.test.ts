import { describe, expect, test } from 'vitest'
import { mostOperations, readBurst } from './burst.ts'

const sold = { max: 200, burst: 400, burstSeconds: 6 }

describe('a burst', () => {
  test('of a load that was quick at once ends after its seconds', () => {
    const samples = [420, 400, 400, 400, 400, 400, 310, 200, 200, 201, 199, 200]
    expect(readBurst(samples, sold)).toEqual([
      { what: 'burst', measured: 400, sold: 400 },
      { what: 'sustained', measured: 200, sold: 200 },
    ])
  })

  test('of a load that was slow at first lasts longer, and is read to its end', () => {
    const samples = [330, 340, 390, 400, 400, 400, 400, 400, 380, 220, 200, 200, 200, 200]
    const [burst, sustained] = readBurst(samples, sold) ?? []
    expect(burst?.measured).toBeCloseTo(390, 0)
    expect(sustained?.measured).toBe(200)
  })

  test('that does not end within the samples is not read', () => {
    expect(readBurst([400, 400, 400, 400, 400, 400, 400, 400, 400, 400], sold)).toBeUndefined()
  })

  test('gives no more than its credit beside the sustained rate', () => {
    expect(mostOperations(sold, 14)).toBe(14 * 200 + 6 * 200)
    expect(mostOperations(sold, 3)).toBe(3 * 400)
  })
})
