import type { StorageLimits } from '@moorage/contract'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { derivedId } from './derived-id.ts'
import { GIB, inWords, roundedUp, sizeOn } from './size.ts'

const LIMITS: StorageLimits = {
  minVolumeBytes: 8 * GIB,
  maxVolumeBytes: 64 * GIB,
  granularityBytes: 8 * GIB,
  cloneDependsOnParent: false,
}

test('a size is rounded up to the granularity, never by a whole step', () => {
  const size = fc.integer({ min: 1, max: 2 ** 50 })
  const step = fc.integer({ min: 1, max: 2 ** 34 })
  fc.assert(
    fc.property(size, step, (bytes, granularity) => {
      const rounded = roundedUp(bytes, granularity)
      expect(rounded % granularity).toBe(0)
      expect(rounded - bytes).toBeGreaterThanOrEqual(0)
      expect(rounded - bytes).toBeLessThan(granularity)
    }),
  )
})

test('a volume is no smaller on an array than the array makes them', () => {
  expect([1, 8 * GIB, 9 * GIB].map((bytes) => sizeOn(LIMITS, bytes))).toEqual([8 * GIB, 8 * GIB, 16 * GIB])
})

test.each([
  [17, '17 B'],
  [1024, '1 KiB'],
  [300 * 1024 ** 2, '300 MiB'],
  [1.5 * GIB, '1.5 GiB'],
  [2 * 1024 ** 4, '2 TiB'],
])('%d bytes read %s', (bytes, words) => {
  expect(inWords(bytes)).toBe(words)
})

test('an id derived from the same parts is the same, and a UUID; from other parts it is another', () => {
  const id = derivedId('expunge', 'volume', '7')
  expect(id).toBe(derivedId('expunge', 'volume', '7'))
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set([id, derivedId('expunge', 'volume', '8'), derivedId('expunge', 'volume7')]).size).toBe(3)
})
