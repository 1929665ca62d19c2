import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SLOW_TESTS } from './slow-tests.ts'
import { ROOT } from './suites.ts'

test('every file that is said to be slow is there: a row that names none does nothing', () => {
  expect(Object.keys(SLOW_TESTS).filter((path) => !existsSync(`${ROOT}/${path}`))).toEqual([])
})
