import { expect, test } from 'vitest'
import { countLine, type Outcome, summaryOf } from './summary.ts'

const unit: Outcome = {
  suite: 'unit',
  seconds: 1.25,
  passed: 3,
  failures: ['a.test.ts: adds'],
  skips: [{ name: 'a.test.ts: mounts', reason: 'needs root' }],
}
const lint: Outcome = { suite: 'lint', seconds: 0.5, passed: 1, failures: [], skips: [] }

test('the counting line sums over all suites', () => {
  expect(countLine([unit, lint])).toBe('4 passed, 1 failed, 1 skipped')
  expect(countLine([])).toBe('0 passed, 0 failed, 0 skipped')
})

test('the summary names each skipped test with its reason and each failed one', () => {
  const summary = summaryOf([unit, lint])
  expect(summary).toContain('unit: a.test.ts: mounts: needs root')
  expect(summary).toContain('unit: a.test.ts: adds')
  expect(summaryOf([lint])).not.toContain('failed:')
})
