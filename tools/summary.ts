import type { Report } from './suites.ts'

/** How a suite ended. */
export interface Outcome extends Report {
  readonly suite: string
  readonly seconds: number
}

/** The line on which a run ends, and which continuous integration reads: `N passed, N failed, N skipped`. */
export function countLine(outcomes: readonly Outcome[]): string {
  const sum = (count: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + count(outcome), 0)
  const passed = sum((outcome) => outcome.passed)
  const failed = sum((outcome) => outcome.failures.length)
  return `${passed} passed, ${failed} failed, ${sum((outcome) => outcome.skips.length)} skipped`
}

/** A table of the suites, then what was skipped with its reason, then what failed. */
export function summaryOf(outcomes: readonly Outcome[]): string {
  const row = (name: string, cells: readonly (string | number)[]) =>
    name.padEnd(14) + cells.map((cell) => String(cell).padStart(9)).join('')
  const rows = outcomes.map(({ suite, passed, failures, skips, seconds }) =>
    row(suite, [passed, failures.length, skips.length, seconds.toFixed(1)]),
  )
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
  const skips = outcomes.flatMap(({ suite, skips: all }) =>
    all.map(({ name, reason }) => `${suite}: ${name}: ${reason}`),
  )
  const failures = outcomes.flatMap(({ suite, failures: all }) => all.map((name) => `${suite}: ${name}`))
  const head = row('suite', ['passed', 'failed', 'skipped', 'seconds'])
  return [head, ...rows, ...list('skipped:', skips), ...list('failed:', failures)].join('\n')
}
