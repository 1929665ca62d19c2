import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cardAddress, MOST_CARDS, standInAddress, standInNumber } from './stand-in.ts'

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

test('the address of a card is in the upper half of the block, and no other card has it', () => {
  const card = fc.tuple(fc.integer({ min: 1, max: 2 ** 24 - 1 }), fc.integer({ min: 0, max: MOST_CARDS - 1 }))
  fc.assert(
    fc.property(fc.uniqueArray(card, { minLength: 2, selector: String }), (cards) => {
      const addresses = cards.map(([vm, nth]) => cardAddress(vm, nth))
      expect(new Set(addresses).size).toBe(cards.length)
      for (const address of addresses) expect(standInNumber(address)).toBeGreaterThanOrEqual(2 ** 27)
    }),
  )
})

test('an address that stands for nothing has no number', () => {
  for (const address of ['', '10.0.0.1', '239.255.255.255', '240.0.0.256', '240.0.0.01', '240.0.0', 'x'])
    expect(standInNumber(address)).toBeUndefined()
})
