import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { factsOf, FINDING_CLASSES, type FindingClass } from '@moorage/controller/domain/census-classes.ts'
import { CENSUS_PAGE, censusPage } from './generate-census.ts'

test('the page of findings is that of the code; `tools/run node tools/generate-census.ts` renews it', () => {
  expect(readFileSync(CENSUS_PAGE, 'utf8')).toBe(censusPage())
})

test('a class says what its repair does exactly where it allows one', () => {
  // The keys of a constant.
  const names = Object.keys(FINDING_CLASSES) as FindingClass[]
  const wrong = names.filter((name) => {
    const { actions, repair, confirm } = factsOf(name)
    return actions.includes('repair') !== (repair !== undefined) || (confirm === true && repair === undefined)
  })
  expect(wrong).toEqual([])
})
