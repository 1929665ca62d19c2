import fc from 'fast-check'
import { expect, test } from 'vitest'
import { standInAddress, standInNumber } from './stand-in.ts'

test('the address of a stand-in is in the reserved block 240.0.0.0/4, and nobody else has it', () => {
  expect([1, 256, 2 ** 16, 2 ** 24, 2 ** 28 - 1].map(standInAddress)).toEqual([
    '240.0.0.1',
    '240.0.1.0',
    '240.1.0.0',
    '241.0.0.0',
    '255.255.255.255',
  ])
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 28 - 1 }), { minLength: 2 }), (numbers) => {
      const addresses = numbers.map(standInAddress)
      expect(new Set(addresses).size).toBe(numbers.length)
      expect(addresses.map(standInNumber)).toEqual(numbers)
      for (const address of addresses) expect(address).toMatch(/^2(4\d|5[0-5])(\.\d{1,3}){3}$/)
    }),
  )
})

test('an address that stands for nothing has no number', () => {
  for (const address of ['', '10.0.0.1', '239.255.255.255', '240.0.0.256', '240.0.0.01', '240.0.0', 'x'])
    expect(standInNumber(address)).toBeUndefined()
})
