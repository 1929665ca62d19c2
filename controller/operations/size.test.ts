import { describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { bytesOf, offeredBytes } from './size.ts'

describe('a size in GiB', () => {
  test.each([0, -1, Number.NaN])('%d is refused', (gib) => {
    expect(() => bytesOf(gib)).toThrow(/size: it must be above 0/)
  })

  test('is refused where bytes could not be counted exactly', () => {
    expect(bytesOf(8_388_607)).toBe(8_388_607 * GIB)
    expect(() => bytesOf(8_388_608)).toThrow(/no storage is that large/)
  })
})

describe('the size of a new volume', () => {
  const fixed = { bytes: 2 * GIB, customized: false }
  const free = { bytes: null, customized: true }

  test('is that of the offering, or what the offering lets the caller choose', () => {
    expect(offeredBytes(fixed, undefined)).toBe(2 * GIB)
    expect(offeredBytes(fixed, 2)).toBe(2 * GIB)
    expect(offeredBytes(free, 5)).toBe(5 * GIB)
  })

  test('is neither guessed nor overridden', () => {
    expect(() => offeredBytes(fixed, 3)).toThrow(/fixed size of 2 GiB/)
    expect(() => offeredBytes(free, undefined)).toThrow(/size is needed/)
  })
})
