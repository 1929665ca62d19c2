import { describe, expect, test } from 'vitest'
import { exceeds, limitedBy } from './limits.ts'

const GIB = 1024 ** 3
const account = { kind: 'account', name: 'ada' } as const

describe('a limit', () => {
  test('is reached, not exceeded, by exactly as much as it allows', () => {
    expect(exceeds('volumes', account, { most: 3, current: 2, more: 1 })).toBeUndefined()
    expect(exceeds('volumes', account, { most: 3, current: 3, more: 1 })).toContain(
      'Account Resource Limit = 3, Current',
    )
  })

  test('that was lowered below what there is refuses more, but nothing that adds nothing', () => {
    expect(exceeds('volumes', account, { most: 1, current: 3, more: 0 })).toBeUndefined()
    expect(exceeds('volumes', account, { most: 1, current: 3, more: 1 })).toBeDefined()
  })

  test('of storage counts in GiB, as it is set', () => {
    const text = exceeds(
      'primaryBytes',
      { kind: 'domain', name: 'sales' },
      { most: 10 * GIB, current: 9 * GIB, more: 2 * GIB },
    )
    expect(text).toBe(
      "Maximum amount of resources of Type = 'primary_storage' for Domain Name = sales has been exceeded. " +
        'Domain Resource Limit = 10, Current Domain Resource Amount = 9, Requested Resource Amount = 2.',
    )
  })

  test('is found by number and by name', () => {
    expect(limitedBy({ type: 2 })).toBe('volumes')
    expect(limitedBy({ name: 'primary_storage' })).toBe('primaryBytes')
    expect(limitedBy({ type: 6 })).toBeUndefined()
  })
})
