import { expect } from 'vitest'
import type { Finding } from './source.ts'

/** Fails with every finding on a line of its own, as editors follow it, and with what to do instead. */
export function expectNone(findings: readonly Finding[], instead: string): void {
  if (findings.length === 0) return
  const lines = findings.map(({ path, line, what }) => `${path}:${line}: ${what}`)
  expect.fail([...lines, `Instead: ${instead}`].join('\n'))
}
